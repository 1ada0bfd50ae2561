"""The sanity gate: what it turns away, and how it counts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator

from pfd.frames import EXPLORED_WITH_KEY, MODEL_ENERGY_KEY, MODEL_FORCE_KEY
from pfd.select.gate import pass_gate
from pfd.select.settings import GateSettings


def silicon() -> Atoms:
    frame = bulk("Si", cubic=True)
    frame.positions += np.random.default_rng(5).normal(size=(8, 3)) * 0.05
    return frame


def too_close() -> Atoms:
    frame = silicon()
    frame.positions[1] = frame.positions[0] + [1.0, 0, 0]
    return frame


def not_finite() -> Atoms:
    frame = silicon()
    frame.positions[2, 1] = np.nan
    return frame


def sheared() -> Atoms:
    return Atoms("Si", cell=[[6, 0, 0], [40, 6, 0], [0, 0, 6]], pbc=True)


def flat() -> Atoms:
    return Atoms("Si", cell=[[60, 0, 0], [0, 60, 0], [0, 0, 2.5]], pbc=True)


def without_volume() -> Atoms:
    return Atoms("Si", cell=[[6, 0, 0], [0, 6, 0], [0, 0, 0]], pbc=True)


def strong_force() -> Atoms:
    frame = silicon()
    frame.calc = SinglePointCalculator(frame, forces=np.full((8, 3), 40.0))
    return frame


def strong_model_force() -> Atoms:
    frame = silicon()
    frame.info[MODEL_FORCE_KEY] = 51.0
    return frame


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (too_close, "atoms too close"),
        (not_finite, "positions or cell not finite"),
        (sheared, "cell too skewed or too thin"),
        (flat, "cell too skewed or too thin"),
        (without_volume, "cell too skewed or too thin"),
        (strong_force, "model force above the cap"),
        (strong_model_force, "model force above the cap"),
        (Atoms, "no atoms"),
    ],
)
def test_insane_frames_are_counted_by_reason(make: Callable[[], Atoms], reason: str) -> None:
    passed = pass_gate([make(), silicon()], [], GateSettings())
    assert passed.indices == (1,)
    assert passed.rejected == {reason: 1}


def test_sane_frames_of_many_kinds_pass() -> None:
    slab = silicon()
    slab.center(vacuum=30.0, axis=2)
    slab.pbc = (True, True, False)
    primitive = bulk("Al")
    frames = [silicon(), slab, primitive, Atoms("H2", positions=[[0, 0, 0], [0.74, 0, 0]]), Atoms("Ar")]
    assert pass_gate(frames, [], GateSettings()).indices == (0, 1, 2, 3, 4)


def test_twins_and_frames_of_the_data_are_turned_away() -> None:
    frame = silicon()
    shifted = frame.copy()
    shifted.positions += [0.3, 0.4, 0.5]
    shifted.wrap()
    known = bulk("Ge", cubic=True)
    near_known = known.copy()
    near_known.positions[0] += 1e-5
    passed = pass_gate([frame, frame.copy(), shifted, known.copy(), near_known], [known], GateSettings())
    assert len(passed.indices) == 1
    assert passed.rejected == {
        "already in the data": 1,
        "nearly in the data": 1,
        "nearly twice among the candidates": 1,
        "twice among the candidates": 1,
    }


def test_ids_only_if_near_duplicates_are_switched_off() -> None:
    frame = silicon()
    shifted = frame.copy()
    shifted.positions += [0.3, 0.4, 0.5]
    assert pass_gate([frame, shifted], [], GateSettings(near_duplicate=0)).indices == (0, 1)


def test_the_energy_window_looks_both_ways_and_at_one_composition() -> None:
    def with_energy(seed: int, energy_eV: float, frame: Atoms | None = None) -> Atoms:
        frame = silicon() if frame is None else frame
        frame.positions += np.random.default_rng(seed).normal(size=frame.positions.shape) * 0.05
        frame.info[MODEL_ENERGY_KEY] = energy_eV
        return frame

    usual = [with_energy(seed, -40.0 + seed) for seed in range(5)]
    hole, top, broken = with_energy(7, -90.0), with_energy(8, 10.0), with_energy(9, float("nan"))
    other = with_energy(10, -500.0, bulk("Ge", cubic=True))
    labelled = with_energy(11, -40.0)
    labelled.calc = SinglePointCalculator(labelled, energy=-90.0)
    shifted = with_energy(12, -4000.0)  # another model, another zero of energy
    shifted.info[EXPLORED_WITH_KEY] = "model:other"
    passed = pass_gate([*usual, hole, top, broken, other, labelled, shifted], [], GateSettings())
    assert passed.indices == (0, 1, 2, 3, 4, 8, 10)
    assert passed.rejected == {"model energy outside the window": 4}
    assert passed.insane == 4
    open_gate = GateSettings(energy_window_eV_per_atom=None)
    assert pass_gate([*usual, hole, top, broken, other], [], open_gate).insane == 0


def test_the_known_are_not_insane() -> None:
    frame = silicon()
    passed = pass_gate([frame, frame.copy(), too_close(), not_finite()], [frame], GateSettings())
    assert passed.indices == ()
    assert passed.insane == 2
    assert sum(passed.rejected.values()) == 4
