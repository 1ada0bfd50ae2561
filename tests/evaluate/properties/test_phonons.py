"""Phonons against frozen ones: the energy of a displacement pattern, without phonopy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ase import units
from ase.build import bulk
from ase.calculators.emt import EMT

from pfd.errors import MissingError
from pfd.evaluate.properties.phonons import Phonons


def frozen_THz(crystal, pattern, calculator, size=0.01):
    """Frequency from the curvature of the energy along a pattern (one vector for each atom, Å)."""
    energies = []
    for sign in (-1, 0, 1):
        moved = crystal.copy()
        moved.positions += sign * size * pattern
        moved.calc = calculator()
        energies.append(moved.get_potential_energy())
    curvature = (energies[0] + energies[2] - 2 * energies[1]) / size**2
    mass = (crystal.get_masses()[:, None] * pattern**2).sum()
    return float(np.sqrt(curvature / mass) / (2 * np.pi) * units.fs * 1000.0)


@pytest.mark.phonopy
def test_copper_at_the_zone_edge_vibrates_as_the_frozen_wave_does(emt_copper):
    crystal = bulk("Cu", "fcc", a=3.5898, cubic=True)
    job = replace(emt_copper, structures={"structure": crystal})
    values = Phonons(structure="x", cell="given", supercell=(2, 2, 2)).measure(job).values
    pattern = np.zeros((4, 3))
    pattern[:, 2] = np.where(np.abs(crystal.positions[:, 2]) < 0.1, 1.0, -1.0)  # planes along z, one against the next
    assert values["X_max_THz"] == pytest.approx(frozen_THz(crystal, pattern, EMT), rel=0.01)
    assert values["Gamma_max_THz"] == pytest.approx(0.0, abs=1e-3)
    assert values["X_1_THz"] == pytest.approx(values["X_2_THz"], rel=1e-3)
    assert values["lowest_THz"] > -1e-3


@pytest.mark.phonopy
@pytest.mark.lammps
def test_silicon_at_gamma(sw_silicon):
    crystal = bulk("Si", "diamond", a=5.431)
    job = replace(sw_silicon, structures={"structure": crystal})
    settings = Phonons(structure="x", cell="given", supercell=(2, 2, 2), points={"Gamma": (0, 0, 0)})
    values = settings.measure(job).values
    pattern = np.array([[1.0, 0, 0], [-1.0, 0, 0]])
    assert values["Gamma_max_THz"] == pytest.approx(frozen_THz(crystal, pattern, sw_silicon.calculator), rel=0.01)
    assert set(values) == {*(f"Gamma_{n}_THz" for n in range(1, 7)), "Gamma_max_THz", "lowest_THz"}


def test_without_phonopy_the_command_that_installs_it_is_told(emt_copper, monkeypatch):
    monkeypatch.setattr("pfd.plugins.missing_modules", list)
    with pytest.raises(MissingError, match="phonopy") as failure:
        Phonons(structure="x").measure(emt_copper)
    assert "phonons" in failure.value.hint
