"""Dynamics in batches: one system that explodes leaves the others alone. Needs torch-sim, which CI does not install."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.lj import LennardJones
from ase.constraints import FixAtoms

from pfd.errors import DataError, ModelError
from pfd.explore import Job
from pfd.explore.batch_md import BatchSettings

ARGON = {"sigma": 3.4, "epsilon": 0.0104}


def argon() -> Atoms:
    return bulk("Ar", "fcc", a=5.26, cubic=True).repeat(2)


def job(start: Atoms, **changes: Any) -> Job:
    def model() -> Any:
        import torch
        from torch_sim.models.lennard_jones import LennardJonesModel

        return LennardJonesModel(**ARGON, cutoff=8.0, dtype=torch.float64)

    made = {"temperature_K": 40.0, "seed": 1, "name": "run", "group": "s0-g0", "batch_model": model}
    return Job(start, lambda: LennardJones(**ARGON, rc=8.0), **made | changes)


def settings(**changes: Any) -> BatchSettings:
    return BatchSettings(**{"temperatures_K": (40.0,), "steps": 400, "every": 20, "copies": 3} | changes)


def test_copies_have_their_temperature_and_their_own_way() -> None:
    pytest.importorskip("torch_sim", reason="torch-sim is not installed (pip install torch-sim-atomistic)")
    found = settings(timestep_fs=4.0).run(job(argon()))
    assert found.finished
    assert found.mean_temperature_K == pytest.approx(40.0, rel=0.15)
    names = [frame.info["trajectory"] for frame in found.frames]
    assert {name: names.count(name) for name in names} == {f"run-c{number}": 15 for number in range(3)}
    assert len({frame.info["id"] for frame in found.frames}) == 45


def test_a_copy_that_explodes_leaves_the_others_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch_sim", reason="torch-sim is not installed (pip install torch-sim-atomistic)")
    from pfd.explore import batch_md

    honest = batch_md._start

    def kicked(job: Job, wanted: BatchSettings, number: int) -> Any:
        atoms, recorder = honest(job, wanted, number)
        if number == 1:
            momenta = atoms.get_momenta()
            momenta[0] += 60.0
            atoms.set_momenta(momenta)
        return atoms, recorder

    monkeypatch.setattr(batch_md, "_start", kicked)
    found = settings().run(job(argon()))
    assert not found.finished
    assert "1 of 3 copies: temperature spike at step 0" in str(found.stop_reason)
    names = {frame.info["trajectory"] for frame in found.frames}
    assert names == {"run-c0", "run-c2"}
    assert all(np.isfinite(frame.positions).all() for frame in found.frames)


def test_what_it_cannot_do_is_refused() -> None:
    fixed = argon()
    fixed.set_constraint(FixAtoms([0]))
    with pytest.raises(DataError, match="no atoms fixed"):
        settings().require(fixed)
    with pytest.raises(ModelError, match="no model for torch-sim"):
        settings().run(job(argon(), batch_model=None))


@pytest.mark.chgnet
def test_a_torch_family_says_the_same_in_batches(tmp_path) -> None:
    pytest.importorskip("torch_sim", reason="torch-sim is not installed (pip install torch-sim-atomistic)")
    from pfd.frames import MODEL_ENERGY_KEY
    from pfd.models.training import adopt_model, make_family

    family = make_family("chgnet")
    adopt_model(family, "0.3.0", None, tmp_path)
    silicon = bulk("Si", cubic=True)
    silicon.rattle(0.05, seed=0)
    made = {"temperature_K": 300.0, "seed": 1, "name": "run", "batch_model": lambda: family.batch_model(tmp_path)}
    wanted = settings(temperatures_K=(300.0,), steps=4, every=2, copies=2, equilibrate_steps=0)
    found = wanted.run(Job(silicon, lambda: family.calculator(tmp_path), **made))
    assert found.finished
    for frame in found.frames:
        again = frame.copy()
        again.calc = family.calculator(tmp_path)
        assert again.get_potential_energy() == pytest.approx(frame.info[MODEL_ENERGY_KEY], abs=1e-4)
