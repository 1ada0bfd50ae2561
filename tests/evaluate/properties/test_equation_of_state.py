"""Equations of state against the curve they are made of, and against elastic constants."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from pfd.errors import DataError, TaskFailed
from pfd.evaluate.properties.elastic import Elastic
from pfd.evaluate.properties.equation_of_state import EquationOfState
from pfd.evaluate.properties.relaxed import relaxed
from pfd.frames import Labels
from pfd.units import GPA_PER_EV_PER_A3


def birch(volume, energy_0, volume_0, bulk_modulus, slope):
    """Birch's curve as it is usually written, in Eulerian strains."""
    strain = (volume_0 / volume) ** (2 / 3)
    terms = (strain - 1) ** 3 * slope + (strain - 1) ** 2 * (6 - 4 * strain)
    return energy_0 + 9 * volume_0 * bulk_modulus / 16 * terms


def test_a_curve_of_birch_gives_back_its_parameters():
    structure = bulk("Mo", "bcc", a=3.2, cubic=True)
    settings = EquationOfState(structure="x", relax="none", range=0.1)
    cells = settings.cells(structure)
    wanted = (-10.0, 15.8, 260 / GPA_PER_EV_PER_A3, 4.3)
    labels = [Labels(2 * birch(cell.get_volume() / 2, *wanted)) for cell in cells]
    values = settings.of_labels(structure, cells, labels).values
    assert values["volume_A3_per_atom"] == pytest.approx(15.8, rel=1e-6)
    assert values["bulk_modulus_GPa"] == pytest.approx(260, rel=1e-5)
    assert values["bulk_modulus_slope"] == pytest.approx(4.3, rel=1e-4)
    assert values["energy_eV_per_atom"] == pytest.approx(-10.0, abs=1e-9)
    assert values["a_A"] == pytest.approx((2 * 15.8) ** (1 / 3), rel=1e-6)


def test_stress_and_energy_agree_on_the_bulk_modulus_and_on_where_the_stress_vanishes(emt_copper):
    found = EquationOfState(structure="x").measure(emt_copper)
    elastic = Elastic(structure="x").measure(emt_copper).values
    assert found.values["bulk_modulus_GPa"] == pytest.approx(
        (elastic["C11_GPa"] + 2 * elastic["C12_GPa"]) / 3, rel=0.005
    )
    at_minimum = bulk("Cu", "fcc", a=found.values["a_A"])
    at_minimum.calc = EMT()
    assert np.abs(at_minimum.get_stress()).max() * GPA_PER_EV_PER_A3 < 0.05
    assert len(found.curves["energy_volume"].points) == 9
    assert not found.curves["energy_volume"].line


def test_a_hexagonal_crystal_finds_its_shape(emt_copper):
    start = bulk("Cu", "hcp", a=2.6, c=4.15)
    found = EquationOfState(structure="x", relax="shape").measure(replace(emt_copper, structures={"structure": start}))
    start.calc = EMT()
    wanted = relaxed(start, "cell", 0.001).cell.lengths()
    assert found.values["a_A"] == pytest.approx(wanted[0], rel=1e-3)
    assert found.values["c_A"] == pytest.approx(wanted[2], rel=1e-3)
    assert "b_A" not in found.values


def test_lattice_constants_have_the_names_that_the_file_gives_them(emt_copper):
    settings = EquationOfState(structure="x", relax="none")
    for lengths in ((4.2, 3.4, 3.3), (3.3, 4.2, 3.4)):
        start = bulk("Cu", "fcc", a=1.0, cubic=True)
        start.set_cell(np.diag(lengths), scale_atoms=True)
        values = settings.measure(replace(emt_copper, structures={"structure": start})).values
        scale = np.cbrt(values["volume_A3_per_atom"] * 4 / np.prod(lengths))
        assert [values[f"{name}_A"] for name in "abc"] == pytest.approx(scale * np.array(lengths), rel=1e-6)


@pytest.mark.parametrize("start_A", [3.4, 3.85])
def test_the_volumes_follow_a_model_whose_minimum_is_elsewhere(emt_copper, start_A):
    near = EquationOfState(structure="x").measure(emt_copper).values
    moved = replace(emt_copper, structures={"structure": bulk("Cu", "fcc", a=start_A)})
    found = EquationOfState(structure="x").measure(moved)
    assert found.values["a_A"] == pytest.approx(near["a_A"], rel=1e-4)
    assert found.values["bulk_modulus_GPa"] == pytest.approx(near["bulk_modulus_GPa"], rel=0.02)
    assert len(found.curves["energy_volume"].points) == 9


def test_a_structure_far_from_the_minimum_is_told(emt_copper):
    far = replace(emt_copper, structures={"structure": bulk("Cu", "fcc", a=4.4)})
    with pytest.raises(
        TaskFailed, match=r"no curve with a minimum fits energies between(.|\n)*the lowest of the last ones is at \d"
    ):
        EquationOfState(structure="x").measure(far)


def test_what_has_no_volume_is_refused():
    slab = bulk("Cu", "fcc", a=3.6, cubic=True)
    slab.center(vacuum=10.0, axis=2)
    with pytest.raises(DataError, match="no vacuum"):
        EquationOfState(structure="x").require({"structure": slab})
