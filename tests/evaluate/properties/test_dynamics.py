"""Dynamics: drift, stability, structure and diffusion."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk, molecule
from ase.calculators.emt import EMT

from pfd.errors import DataError, ModelError, SettingError, TaskFailed
from pfd.evaluate.properties.dynamics import Stretch, filled, kinetic_temperature
from pfd.evaluate.properties.judge import judge_property
from pfd.evaluate.properties.md import MDProperties, mean_square_displacement
from pfd.evaluate.properties.md_stability import MDStability, frame_problem
from pfd.evaluate.properties.nve_drift import NVEDrift
from pfd.lammps.md import StoredFrame

SHORT = {"structure": "x", "atoms": 32, "steps": 60}


class Swirling(EMT):
    """EMT with a force that is no gradient: it drives all atoms around an axis, and heats them."""

    def calculate(self, atoms=None, properties=None, system_changes=None):
        super().calculate(atoms, properties, system_changes)
        middle = self.atoms.positions - self.atoms.positions.mean(axis=0)
        self.results["forces"] = self.results["forces"] + 0.2 * np.cross([0.0, 0.0, 1.0], middle)


class Upside(EMT):
    """EMT with its forces the other way round: atoms fall into each other."""

    def calculate(self, atoms=None, properties=None, system_changes=None):
        super().calculate(atoms, properties, system_changes)
        self.results["forces"] = -self.results["forces"]


def test_a_gradient_keeps_the_energy_and_a_swirl_does_not(emt_copper):
    settings = NVEDrift(**(SHORT | {"steps": 150}), temperature_K=600, timestep_fs=2.0, equilibration=10)
    good = settings.measure(emt_copper)
    assert abs(good.values["drift_meV_per_atom_ps"]) < 1.0
    assert [held.passed for held in judge_property(settings, good)] == [True]
    assert good.curves["total_energy"].points[0] == (0.0, 0.0)
    bad = settings.measure(replace(emt_copper, calculator=Swirling))
    assert abs(bad.values["drift_meV_per_atom_ps"]) > 10.0
    assert [held.passed for held in judge_property(settings, bad)] == [False]


def test_a_stable_run_ends_and_a_blown_up_one_says_where(emt_copper):
    settings = MDStability(**SHORT, temperature_K=600)
    good = settings.measure(emt_copper)
    assert good.values["part_of_steps"] == 1.0
    assert not good.notes
    assert [held.passed for held in judge_property(settings, good)] == [True]
    wild = MDStability(**(SHORT | {"steps": 200}), temperature_K=600).measure(replace(emt_copper, calculator=Upside))
    assert wild.values["part_of_steps"] < 1.0
    assert wild.notes[0].startswith("stopped after step")
    assert [held.passed for held in judge_property(settings, wild)] == [False]


def test_what_is_unphysical_is_named():
    frame = bulk("Cu", "fcc", a=3.6, cubic=True)
    assert frame_problem(StoredFrame(1, frame, -1.0, 300.0), 600.0, 0.9) == ""
    assert "0.40 of the sum" in frame_problem(StoredFrame(1, frame, -1.0, 300.0), 600.0, 0.4)
    assert "rose to 700 K" in frame_problem(StoredFrame(1, frame, -1.0, 700.0), 600.0, 0.9)


def test_a_model_that_breaks_on_the_way_is_a_blown_up_run_and_one_that_never_answers_is_not(emt_copper):
    class Breaking(EMT):
        def calculate(self, *args, **kwargs):
            super().calculate(*args, **kwargs)
            if self.results["energy"] / len(self.atoms) > 0.01:
                raise RuntimeError("neighbour list overflow")

    found = MDStability(**(SHORT | {"steps": 400}), temperature_K=600).measure(replace(emt_copper, calculator=Breaking))
    assert found.values["part_of_steps"] < 1.0
    assert "neighbour list overflow" in found.notes[0]

    class Silent(EMT):
        def calculate(self, *args, **kwargs):
            raise ModelError("no such element")

    with pytest.raises(ModelError):
        MDStability(**SHORT, temperature_K=600).measure(replace(emt_copper, calculator=Silent))


@pytest.mark.parametrize("what", ["energy", "forces"])
def test_a_model_whose_numbers_end_ends_the_run_wherever_it_is(emt_copper, what):
    class Ending(EMT):
        calls = 0

        def calculate(self, atoms=None, properties=None, system_changes=None):
            assert np.isfinite(atoms.positions).all()  # else a search for neighbours may not end
            super().calculate(atoms, properties, system_changes)
            self.calls += 1
            if self.calls > 20:
                self.results[what] = self.results[what] * np.nan

    job = replace(emt_copper, calculator=Ending)
    words = "no number after [0-9]+ steps"
    for equilibration in (0, 40):
        with pytest.raises(TaskFailed, match=words):
            MDProperties(**SHORT, temperature_K=300, equilibration=equilibration).measure(job)
        with pytest.raises(TaskFailed, match=words):
            NVEDrift(**SHORT, temperature_K=300, equilibration=equilibration).measure(job)
    found = MDStability(**(SHORT | {"steps": 200}), temperature_K=300).measure(job)
    assert found.values["part_of_steps"] < 1.0
    assert "no number" in found.notes[0]


@pytest.mark.lammps
def test_lammps_that_loses_atoms_is_a_blown_up_run(sw_silicon):
    found = MDStability(**(SHORT | {"steps": 400}), temperature_K=1000, timestep_fs=20).measure(sw_silicon)
    assert found.values["part_of_steps"] < 1.0
    assert found.notes


@pytest.mark.lammps
def test_lammps_and_ase_agree_on_the_same_run(sw_silicon):
    settings = NVEDrift(**SHORT, temperature_K=500)
    ends = []
    for job in (sw_silicon, replace(sw_silicon, potential=None)):
        start = settings.start(job)
        *_, last = settings.run(job, start, Stretch("nve", 50, 50))
        ends.append(last.frame)
    assert ends[0].positions == pytest.approx(ends[1].positions, abs=1e-4)
    assert kinetic_temperature(ends[0]) == pytest.approx(kinetic_temperature(ends[1]), rel=1e-3)


def test_without_a_temperature_there_are_no_dynamics(emt_copper):
    with pytest.raises(SettingError, match="temperature"):
        MDStability(**SHORT).measure(emt_copper)
    with pytest.raises(DataError, match="single atom"):
        NVEDrift(**SHORT).require({"structure": molecule("H")})


def test_structures_are_filled_up_along_periodic_directions():
    slab = bulk("Cu", "fcc", a=3.6, cubic=True)
    slab.pbc = (True, True, False)
    assert len(filled(slab, 30)) == 36
    assert filled(slab, 30).cell.lengths()[2] == pytest.approx(3.6)
    assert len(filled(molecule("H2O"), 100)) == 3


def test_g_of_a_crystal_peaks_at_its_neighbours(emt_copper):
    found = MDProperties(**SHORT, temperature_K=100, equilibration=20, timestep_fs=3.0).measure(emt_copper)
    assert found.values["first_peak_A"] == pytest.approx(3.6 / np.sqrt(2), abs=0.02)
    assert found.values["coordination"] == pytest.approx(12.0, abs=0.01)
    assert abs(found.values["diffusion_A2_per_ps"]) < 0.5
    assert {"g", "mean_square_displacement"} == set(found.curves)


def test_mean_square_displacements_that_are_known():
    flight = np.arange(101)[:, None, None] * np.array([[[0.1, 0.0, 0.0]]])
    lags, squares = mean_square_displacement(flight, 0.5)
    assert lags[-1] == 25.0
    assert squares == pytest.approx((0.1 * lags / 0.5) ** 2)
    steps = np.random.default_rng(0).normal(scale=0.3, size=(2000, 50, 3))
    lags, squares = mean_square_displacement(np.cumsum(steps, axis=0), 1.0)
    slope = np.polyfit(lags, squares, 1)[0]
    assert slope == pytest.approx(3 * 0.3**2, rel=0.1)  # six times D of a random walk
