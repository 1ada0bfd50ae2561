"""A barrier against the energies of a path that symmetry fixes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ase.build import add_adsorbate, fcc100
from ase.constraints import FixAtoms

from pfd.errors import DataError, TaskFailed
from pfd.evaluate.properties.barrier import Barrier
from pfd.evaluate.properties.relaxed import relaxed


@pytest.fixture
def hop(emt_copper):
    """Copper on copper (100) from one hollow to the next."""
    first = fcc100("Cu", (2, 2, 2), a=3.6)
    add_adsorbate(first, "Cu", 1.7, "hollow")
    first.center(axis=2, vacuum=5.0)
    first.set_constraint(FixAtoms(mask=[atom.tag > 0 for atom in first]))
    last = first.copy()
    last[-1].x += first.cell[0, 0] / 2
    return replace(emt_copper, structures={"structure": first, "final": last})


def test_the_barrier_is_the_energy_of_the_bridge(hop):
    found = Barrier(structure="x", final="y", images=2, fmax_eV_per_A=0.02).measure(hop)
    bridge = hop.structures["structure"].copy()
    bridge[-1].x += bridge.cell[0, 0] / 4  # symmetry keeps it there in the plane
    hollow = hop.structures["structure"].copy()
    for frame in (bridge, hollow):
        frame.calc = hop.calculator()
    wanted = (
        relaxed(bridge, "ions", 0.005).get_potential_energy() - relaxed(hollow, "ions", 0.005).get_potential_energy()
    )
    assert found.values["barrier_eV"] == pytest.approx(wanted, abs=0.005)
    assert found.values["reverse_barrier_eV"] == pytest.approx(found.values["barrier_eV"], abs=1e-3)
    assert found.values["reaction_energy_eV"] == pytest.approx(0.0, abs=1e-3)
    assert len(found.curves["path"].points) == 4


def test_two_ends_in_one_minimum_have_no_barrier(hop):
    first = hop.structures["structure"]
    near = first.copy()
    near[-1].x += 0.5  # on this side of the bridge
    for last in (first, near):
        with pytest.raises(TaskFailed, match="both ends relax into one minimum"):
            Barrier(structure="x", final="y").measure(replace(hop, structures={"structure": first, "final": last}))


def test_ends_that_do_not_belong_together_are_refused(hop):
    settings = Barrier(structure="x", final="y")
    first, last = hop.structures["structure"], hop.structures["final"]
    with pytest.raises(DataError, match="other atoms"):
        settings.require({"structure": first, "final": last[:-1]})
    wide = last.copy()
    wide.set_cell(np.diag([1.1, 1.0, 1.0]) @ wide.cell.array)
    with pytest.raises(DataError, match="different cells"):
        settings.require({"structure": first, "final": wide})
