"""Molecular dynamics: conservation, temperature, seeds, constraints, pressure, and what happens when a model fails."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import add_vacuum, bulk
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from ase.constraints import FixAtoms

from pfd.errors import DataError, ModelError, TaskFailed
from pfd.explore import md
from pfd.explore.md import baseline, run_md
from pfd.explore.settings import MDSettings
from pfd.explore.velocities import set_velocities, start_temperature, stored_temperature
from pfd.frames import MODEL_FORCE_KEY, frame_id
from pfd.units import GPA_PER_EV_PER_A3


def copper(repeat: int = 2) -> Atoms:
    return bulk("Cu", cubic=True).repeat(repeat)


def settings(**changes: Any) -> MDSettings:
    return MDSettings(**{"temperatures_K": (300.0,), "steps": 100, "every": 10, **changes})


FAILURES: dict[str, Exception] = {
    "raise": ZeroDivisionError("no neighbours"),
    "memory": RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    "lacks": NotImplementedError("stress"),
    "torch": RuntimeError("shape '[0]' is invalid\nmore of it"),
    "vesin": ValueError("cutoff is too large"),
    "index": IndexError("index 7 is out of bounds"),
    "lammps": TaskFailed("LAMMPS: Lost atoms"),
}
"""What models and their neighbour lists have been seen to raise on frames that make no sense."""


class FailsLater(Calculator):
    """A good model that turns bad after a number of calls: the way the badness shows is the parameter."""

    implemented_properties = ("energy", "forces")

    def __init__(self, how: str, after: int) -> None:
        super().__init__()
        self.emt, self.how, self.left = EMT(), how, after

    def calculate(self, atoms: Atoms | None = None, properties: Any = None, system_changes: Any = all_changes) -> None:
        super().calculate(atoms, properties, system_changes)
        self.left -= 1
        self.emt.calculate(self.atoms, ["energy", "forces"], all_changes)
        energy, forces = self.emt.results["energy"], self.emt.results["forces"].copy()
        if self.left < 0:
            if self.how == "nan":
                forces[:] = np.nan
            elif self.how == "energy":
                energy -= 3.0 * len(self.atoms)
            elif self.how == "kick":
                forces[0] += 300.0
            elif self.how == "attract":
                towards = self.atoms.get_distance(0, 1, mic=True, vector=True)
                forces[0] += 40.0 * towards
                forces[1] -= 40.0 * towards
            elif self.how == "memory of a wreck":
                atoms.positions[0] = atoms.positions[1]
                raise FAILURES["memory"]
            elif self.how in FAILURES:
                raise FAILURES[self.how]
        self.results = {"energy": energy, "forces": forces}


def test_nve_conserves_energy_and_settles_at_the_temperature() -> None:
    kept = run_md(copper(), EMT(), settings(ensemble="nve", steps=300), temperature_K=300, seed=1)
    assert kept.finished
    assert kept.mean_temperature_K == pytest.approx(300, rel=0.12)
    atoms = copper()
    atoms.calc = EMT()
    set_velocities(atoms, 600, 3 * len(atoms) - 3, np.random.default_rng(0))
    before = atoms.get_total_energy()
    dynamics = md._dynamics(atoms, settings(ensemble="nve"), 300, 0.0, np.random.default_rng(0))
    spread = [atoms.get_total_energy() - before for _ in dynamics.irun(100)]
    assert np.abs(spread).max() / len(atoms) < 2e-4


@pytest.mark.parametrize("thermostat", ["langevin", "bussi"])
def test_nvt_keeps_the_temperature_and_the_centre_of_mass(thermostat: str) -> None:
    start = copper(2)
    wanted = settings(thermostat=thermostat, steps=600, every=100, equilibrate_steps=100, coupling_fs=15.0)
    found = run_md(start, EMT(), wanted, temperature_K=400, seed=3)
    assert found.finished
    assert found.mean_temperature_K == pytest.approx(400, rel=0.1)
    for frame in found.frames:
        np.testing.assert_allclose(frame.get_center_of_mass(), start.get_center_of_mass(), atol=1e-9)


@pytest.mark.parametrize("thermostat", ["langevin", "bussi"])
def test_the_thermostat_takes_out_what_a_displaced_start_stores(thermostat: str) -> None:
    start = copper()
    start.positions += np.random.default_rng(1).normal(size=start.positions.shape) * 0.12
    wanted = settings(thermostat=thermostat, steps=400, equilibrate_steps=200, coupling_fs=15.0)
    free = run_md(start, EMT(), settings(ensemble="nve", steps=200), temperature_K=150, seed=1)
    assert free.mean_temperature_K > 220
    assert run_md(start, EMT(), wanted, temperature_K=150, seed=1).mean_temperature_K == pytest.approx(150, rel=0.15)


def test_a_model_that_is_broken_from_the_first_call_stops_at_once() -> None:
    found = run_md(copper(), FailsLater("nan", after=0), settings(), temperature_K=300)
    assert (found.frames, found.steps_done) == ((), 0)
    assert "not finite" in str(found.stop_reason)


def test_frames_carry_origin_conditions_and_no_momenta() -> None:
    start = copper()
    start.info["stage"] = 4
    found = run_md(start, EMT(), settings(steps=60, equilibrate_steps=20), temperature_K=300, seed=2, name="run")
    assert [frame.info["step"] for frame in found.frames] == [30, 40, 50, 60]
    assert (found.discarded, found.steps_done, found.stop_reason) == (2, 60, None)
    for frame in found.frames:
        assert frame.info["id"] == frame_id(frame)
        assert frame.info["parent"] == frame_id(start)
        assert (frame.info["trajectory"], frame.info["temperature_K"], frame.info["stage"]) == ("run", 300, 4)
        assert "pressure_GPa" not in frame.info
        assert "momenta" not in frame.arrays
        assert frame.calc is None
        assert not frame.constraints
        assert frame.info[MODEL_FORCE_KEY] > 0
    assert len({frame.info["id"] for frame in found.frames}) == 4


@pytest.mark.parametrize("ensemble", ["nve", "nvt", "npt"])
def test_same_seed_same_bytes(ensemble: str) -> None:
    wanted = settings(ensemble=ensemble, steps=20, every=5, equilibrate_steps=0)
    ids = [
        [frame.info["id"] for frame in run_md(copper(), EMT(), wanted, temperature_K=300, seed=seed).frames]
        for seed in (1, 1, 2)
    ]
    assert ids[0] == ids[1]
    assert not set(ids[0]) & set(ids[2])


def test_starting_frame_is_not_changed() -> None:
    start = copper()
    before = (start.positions.copy(), start.cell.array.copy(), dict(start.info), list(start.arrays))
    run_md(start, EMT(), settings(ensemble="npt", steps=10, every=1), temperature_K=300, pressure_GPa=1.0)
    np.testing.assert_array_equal(start.positions, before[0])
    np.testing.assert_array_equal(start.cell.array, before[1])
    assert (dict(start.info), list(start.arrays), start.calc) == (before[2], before[3], None)


def test_fixed_atoms_stay_and_do_not_count_as_degrees_of_freedom() -> None:
    start = copper()
    start.set_constraint(FixAtoms([0, 1, 2, 3, 4, 5, 6, 7]))
    found = run_md(start, EMT(), settings(steps=500, coupling_fs=15.0), temperature_K=300, seed=1)
    assert found.mean_temperature_K == pytest.approx(300, rel=0.12)
    for frame in found.frames:
        np.testing.assert_array_equal(frame.positions[:8], start.positions[:8])
        assert isinstance(frame.constraints[0], FixAtoms)


@pytest.mark.parametrize("cell", ["full", "isotropic"])
def test_npt_reaches_the_pressure(cell: str) -> None:
    wanted = settings(ensemble="npt", cell=cell, steps=500, every=10, coupling_fs=10.0, equilibrate_steps=200)
    found = run_md(copper(), EMT(), wanted, temperature_K=200, pressure_GPa=5.0, seed=1)
    assert found.finished
    assert found.mean_temperature_K == pytest.approx(200, rel=0.1)
    pressures = []
    for frame in found.frames:
        frame.calc = EMT()
        static = -frame.get_stress()[:3].mean()
        pressures.append(static + (len(frame) - 1) * units.kB * 200 / frame.get_volume())
        shape = frame.cell.array / np.cbrt(frame.get_volume())
        assert (np.abs(shape - np.eye(3)).max() < 1e-12) == (cell == "isotropic")
        assert frame.info["pressure_GPa"] == 5.0
    assert np.mean(pressures) * GPA_PER_EV_PER_A3 == pytest.approx(5.0, abs=1.0)


def test_npt_is_refused_where_it_has_no_meaning() -> None:
    wanted = settings(ensemble="npt")
    slab = copper()
    add_vacuum(slab, 12.0)
    fixed = copper()
    fixed.set_constraint(FixAtoms([0]))
    wire = copper()
    wire.pbc = (True, True, False)
    for frame in (slab, wire, fixed):
        with pytest.raises(DataError, match="constant pressure"):
            run_md(frame, EMT(), wanted, temperature_K=300)
    with pytest.raises(ModelError, match="no stress"):
        run_md(copper(), FailsLater("never", 10**6), wanted, temperature_K=300)


def test_one_atom_alone_has_nothing_to_move() -> None:
    with pytest.raises(DataError, match="nothing can move"):
        run_md(bulk("Cu"), EMT(), settings(), temperature_K=300)


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("nan", "not finite"),
        ("energy", "energy spike"),
        ("kick", "temperature spike|too close"),
        ("attract", "too close|temperature spike"),
        ("raise", "the model failed"),
        ("torch", r"the model failed after step \d+: shape '\[0\]' is invalid$"),
        ("vesin", "the model failed"),
        ("index", "the model failed"),
        ("lammps", "the model failed"),
    ],
)
def test_a_failing_model_ends_the_run_and_keeps_the_good_part(how: str, says: str) -> None:
    wanted = settings(steps=100, every=5, equilibrate_steps=0, stop={"suspect_fs": 12.0})
    found = run_md(copper(), FailsLater(how, after=52), wanted, temperature_K=300, seed=1)
    assert not found.finished
    assert found.stop_reason
    assert re.search(says, found.stop_reason)
    assert 48 <= found.steps_done < 100
    steps = [frame.info["step"] for frame in found.frames]
    assert steps == [step for step in range(5, 101, 5) if step < found.steps_done - 12]
    assert found.suspicious >= 2
    good = run_md(copper(), FailsLater("never", 10**6), wanted, temperature_K=300, seed=1)
    assert [frame.info["id"] for frame in found.frames] == [frame.info["id"] for frame in good.frames][: len(steps)]


def test_the_onset_of_a_failure_can_be_kept() -> None:
    wanted = settings(steps=100, every=20, equilibrate_steps=0, stop={"suspect_fs": 12.0, "onset_frames": 3})
    found = run_md(copper(), FailsLater("nan", after=52), wanted, temperature_K=300, seed=1)
    last = found.steps_done - 1
    steps = {frame.info["step"]: frame.info.get("onset", False) for frame in found.frames}
    assert steps == {20: False, last - 2: True, last - 1: True, last: True}
    good = run_md(copper(), FailsLater("never", 10**6), wanted, temperature_K=300, seed=1)
    assert not any(frame.info.get("onset") for frame in good.frames)


def test_memory_that_ran_out_is_the_machines_fault_unless_the_frame_is_a_wreck() -> None:
    with pytest.raises(RuntimeError, match="CUDA out of memory"):
        run_md(copper(), FailsLater("memory", after=20), settings(), temperature_K=300, seed=1)
    wreck = run_md(copper(), FailsLater("memory of a wreck", after=52), settings(), temperature_K=300, seed=1)
    assert "the model failed" in str(wreck.stop_reason)
    assert wreck.frames


def test_a_model_that_lacks_something_or_never_answered_is_no_trajectory() -> None:
    with pytest.raises(NotImplementedError):
        run_md(copper(), FailsLater("lacks", after=20), settings(), temperature_K=300, seed=1)
    with pytest.raises(ValueError, match="cutoff"):
        run_md(copper(), FailsLater("vesin", after=0), settings(), temperature_K=300, seed=1)


def test_a_start_that_is_already_broken_stops_at_once() -> None:
    start = copper()
    start.positions[1] = start.positions[0] + [0.5, 0, 0]
    found = run_md(start, LennardJones(sigma=2.3, epsilon=0.4), settings(), temperature_K=300)
    assert found.frames == ()
    assert found.steps_done == 0
    assert "too close" in str(found.stop_reason)


def test_relaxed_crystals_start_at_twice_the_temperature_and_displaced_ones_lower() -> None:
    crystal = copper(3)
    crystal.calc = EMT()
    degrees = 3 * len(crystal) - 3
    assert start_temperature(300.0, stored_temperature(crystal, degrees)) == 600.0
    displaced = crystal.copy()
    displaced.calc = EMT()
    displaced.positions += np.random.default_rng(0).normal(size=displaced.positions.shape) * 0.05
    stored = stored_temperature(displaced, degrees)
    rise = displaced.get_potential_energy() - crystal.get_potential_energy()
    true = 2.0 * rise / (degrees * units.kB)
    assert stored == pytest.approx(true, rel=0.3)
    assert start_temperature(300.0, stored) == pytest.approx(max(600.0 - stored, 30.0))
    assert start_temperature(300.0, 5000.0) == 30.0
    assert start_temperature(300.0, None) == 300.0


def test_a_start_that_stores_more_than_its_bath_gives_is_hotter_than_it() -> None:
    settings = MDSettings(temperatures_K=[300], steps=100, timestep_fs=2.0)
    found = [baseline(bulk("Cu"), 0.0, settings, 300.0, 300.0, stored, 3) for stored in (0.0, 300.0, 6000.0, None)]
    assert [each.hotter_than_bath for each in found] == [False, False, True, True]  # None: a liquid
    assert {each.timestep_fs for each in found} == {2.0}


def test_velocities_have_the_temperature_and_no_momentum() -> None:
    atoms = copper()
    set_velocities(atoms, 450.0, 3 * len(atoms) - 3, np.random.default_rng(0))
    assert 2 * atoms.get_kinetic_energy() / (3 * len(atoms) - 3) / units.kB == pytest.approx(450.0)
    np.testing.assert_allclose(atoms.get_momenta().sum(axis=0), 0.0, atol=1e-10)


def test_progress_ends_at_one() -> None:
    seen: list[float] = []
    run_md(
        copper(), EMT(), settings(steps=40), temperature_K=300, progress=lambda fraction, text: seen.append(fraction)
    )
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_frames_name_their_group_and_the_structure_they_began_from() -> None:
    start = copper()
    start.info["structure"] = 2
    wanted = settings(steps=10, every=5, equilibrate_steps=0)
    for frame in run_md(start, EMT(), wanted, temperature_K=300, group="s0-g1").frames:
        assert (frame.info["group"], frame.info["structure"]) == ("s0-g1", 2)
    for frame in run_md(copper(), EMT(), wanted, temperature_K=300).frames:
        assert not {"group", "structure"} & set(frame.info)
