"""Vacancies against what a pair potential must give, and against published silicon."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk

from pfd.errors import DataError, TaskFailed
from pfd.evaluate.properties.relaxed import relaxed
from pfd.evaluate.properties.vacancy import Vacancy
from pfd.testing.toy_potential import ToyCalculator, morse


def test_with_a_pair_potential_an_unrelaxed_vacancy_costs_the_cohesive_energy(emt_copper):
    def pairs():
        return ToyCalculator(["Cu"], morse(), np.ones(1), {"Cu": -2.0})

    crystal = bulk("Cu", "fcc", a=3.6, cubic=True)
    job = replace(emt_copper, calculator=pairs, structures={"structure": crystal})
    values = Vacancy(structure="x", cell="given", chemical_potential_eV=-2.0).measure(job).values
    crystal.calc = pairs()
    assert values["unrelaxed_formation_energy_eV"] == pytest.approx(
        2 * (-crystal.get_potential_energy() / 4 - 2.0), rel=1e-6
    )  # all bonds of an atom, as the reservoir is the free atom
    of_crystal = Vacancy(structure="x", cell="given").measure(job).values
    assert of_crystal["unrelaxed_formation_energy_eV"] == pytest.approx(
        -crystal.get_potential_energy() / 4 - 2.0, rel=1e-6
    )
    assert values["formation_energy_eV"] < values["unrelaxed_formation_energy_eV"]


def test_what_is_left_to_relax_in_the_crystal_is_no_gain_of_the_vacancy(emt_copper):
    ideal = bulk("Cu", "fcc", a=3.6, cubic=True)
    off = ideal.copy()
    off.positions[0] += 0.05
    for cell in ("given", "relaxed"):
        settings = Vacancy(structure="x", cell=cell, site=2)
        of_ideal, of_off = (
            settings.measure(replace(emt_copper, structures={"structure": each})).values for each in (ideal, off)
        )
        assert of_off == pytest.approx(of_ideal, abs=0.02), cell


def test_a_start_that_does_not_relax_is_left_out_and_told(emt_copper, monkeypatch):
    job = replace(emt_copper, structures={"structure": bulk("Cu", "fcc", a=3.6, cubic=True)})
    settings = Vacancy(structure="x", cell="given")
    usual = settings.measure(job)
    calls = []

    def fails(*failing):
        calls.clear()

        def relax(atoms, moves, fmax_eV_per_A):
            calls.append(moves)
            if len(calls) in failing:
                raise TaskFailed("not relaxed after 500 steps")
            return relaxed(atoms, moves, fmax_eV_per_A)

        monkeypatch.setattr("pfd.evaluate.properties.vacancy.relaxed", relax)

    fails(3)  # the crystal, in place, drawn in
    found = settings.measure(job)
    assert found.values == pytest.approx(usual.values, abs=0.01)
    assert "drawn in by 20 % it did not relax: not relaxed after 500 steps" in found.notes[0]
    fails(2, 3)
    with pytest.raises(TaskFailed, match="500 steps"):
        settings.measure(job)


@pytest.mark.lammps
def test_silicon_relaxes_into_the_lower_of_its_two_minima(sw_silicon):
    # Balamane et al., Phys. Rev. B 46, 2250 (1992): 4.63 eV unrelaxed, 2.82 eV relaxed, energies scaled by 1.0677.
    job = replace(sw_silicon, structures={"structure": bulk("Si", "diamond", a=5.431, cubic=True)})
    values = Vacancy(structure="x", cell="given", supercell=(3, 3, 3), fmax_eV_per_A=0.05).measure(job).values
    assert values["unrelaxed_formation_energy_eV"] * 1.0677 == pytest.approx(4.63, abs=0.01)
    assert values["formation_energy_eV"] * 1.0677 == pytest.approx(2.82, abs=0.1)


def test_the_reservoir_of_a_compound_must_be_named():
    salt = bulk("NaCl", "rocksalt", a=5.6)
    with pytest.raises(DataError, match="reservoir"):
        Vacancy(structure="x").require({"structure": salt})
    Vacancy(structure="x", chemical_potential_eV=-1.0).require({"structure": salt})
    with pytest.raises(DataError, match="no site 2"):
        Vacancy(structure="x", chemical_potential_eV=-1.0, site=2).require({"structure": salt})
