"""Molecular dynamics through LAMMPS: the same contract as in ASE."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.constraints import FixAtoms

from pfd.errors import DataError
from pfd.explore.lammps_md import run_md_in_lammps
from pfd.explore.settings import MDSettings
from pfd.frames import frame_id
from pfd.lammps.session import LammpsPotential

pytestmark = pytest.mark.lammps

ARGON = LammpsPotential("lj/cut 8.5", ("1 1 0.0104 3.4",), ("Ar",))


def argon() -> Atoms:
    return bulk("Ar", "fcc", a=5.26, cubic=True).repeat(3)


def settings(**changes: Any) -> MDSettings:
    return MDSettings(**{"temperatures_K": (30.0,), "steps": 100, "every": 10, **changes})


@pytest.mark.parametrize("thermostat", ["langevin", "bussi"])
def test_temperature_origin_and_seed(thermostat: str) -> None:
    wanted = settings(thermostat=thermostat, steps=3000, every=300, coupling_fs=50.0)
    found = run_md_in_lammps(argon(), ARGON, wanted, temperature_K=30.0, seed=1)
    assert found.finished
    assert found.mean_temperature_K == pytest.approx(30.0, rel=0.1)
    assert [frame.info["step"] for frame in found.frames] == list(range(900, 3001, 300))
    for frame in found.frames:
        assert frame.info["id"] == frame_id(frame)
        assert frame.info["parent"] == frame_id(argon())
        assert "momenta" not in frame.arrays
    again = run_md_in_lammps(argon(), ARGON, wanted, temperature_K=30.0, seed=1)
    other = run_md_in_lammps(argon(), ARGON, wanted, temperature_K=30.0, seed=2)
    ids = [[frame.info["id"] for frame in run.frames] for run in (found, again, other)]
    assert ids[0] == ids[1]
    assert not set(ids[0]) & set(ids[2])


@pytest.mark.parametrize("cell", ["full", "isotropic"])
def test_npt_moves_the_cell(cell: str) -> None:
    wanted = settings(ensemble="npt", cell=cell, steps=400)
    found = run_md_in_lammps(argon(), ARGON, wanted, temperature_K=30.0, pressure_GPa=1.0, seed=1)
    assert found.finished
    assert found.frames[-1].info["pressure_GPa"] == 1.0
    assert found.frames[-1].get_volume() < 0.98 * argon().get_volume()


def test_fixed_atoms_stay() -> None:
    start = argon()
    start.set_constraint(FixAtoms(range(20)))
    found = run_md_in_lammps(start, ARGON, settings(), temperature_K=30.0, seed=1)
    for frame in found.frames:
        np.testing.assert_allclose(frame.positions[:20], start.positions[:20], atol=1e-10)
        assert len(frame.constraints) == 1


def test_an_exploding_run_ends_early_and_says_why() -> None:
    wanted = settings(timestep_fs=10.0, steps=2000, every=10, equilibrate_steps=0, temperatures_K=(3000.0,))
    found = run_md_in_lammps(argon(), ARGON, wanted, temperature_K=3000.0, seed=1)
    assert not found.finished
    assert found.stop_reason
    assert found.steps_done < 2000


def test_npt_with_vacuum_is_refused() -> None:
    slab = argon()
    slab.center(vacuum=10.0, axis=2)
    with pytest.raises(DataError, match="constant pressure"):
        run_md_in_lammps(slab, ARGON, settings(ensemble="npt"), temperature_K=30.0)
