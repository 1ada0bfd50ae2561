"""Each stop check: silent on a healthy state, and heard on its own illness."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule

from pfd.explore.checks import Baseline, State, standard_checks
from pfd.explore.settings import StopSettings


def state(frame: Atoms, energy: float = -28.0, temperature_K: float = 300.0, force: float | None = 1.0) -> State:
    return State(7, frame, energy, temperature_K, force)


def heard(start: Atoms, now: State) -> list[str]:
    baseline = Baseline(start, -28.0, 300.0, 300.0, 3 * len(start) - 3)
    return [check.name for check in standard_checks(StopSettings(), baseline) if check.problem(now)]


def scaled(frame: Atoms, factor: float) -> Atoms:
    frame = frame.copy()
    frame.set_cell(frame.cell.array * factor, scale_atoms=True)
    return frame


COPPER = bulk("Cu", cubic=True).repeat(2)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (state(COPPER), []),
        (state(COPPER, force=None), []),
        (state(COPPER, energy=np.nan), ["not finite", "energy spike"]),
        (state(COPPER, force=np.inf), ["not finite"]),
        (state(COPPER, temperature_K=np.nan), ["not finite"]),
        (state(COPPER, temperature_K=2000.0), []),
        (state(COPPER, temperature_K=5000.0), ["temperature spike"]),
        (state(COPPER, energy=-28.0 + 1.02 * 32), []),
        (state(COPPER, energy=-28.0 + 1.05 * 32), ["energy spike"]),
        (state(COPPER, energy=-28.0 - 1.02 * 32), ["energy spike"]),
        (state(scaled(COPPER, 1.3)), ["lost volume"]),
        (state(scaled(COPPER, 0.7)), ["lost volume"]),
    ],
)
def test_on_copper(now: State, expected: list[str]) -> None:
    assert heard(COPPER, now) == expected


def test_close_atoms_across_the_boundary() -> None:
    frame = COPPER.copy()
    frame.positions[0] = [0.0, 0.0, 0.1]
    frame.positions[1] = [0.0, 0.0, frame.cell[2, 2] - 0.6]
    assert heard(COPPER, state(frame)) == ["too close"]


def test_a_molecule_that_flies_apart() -> None:
    start = molecule("CH3CH2OH")
    flown = start.copy()
    flown.positions[0] += 30.0
    assert heard(start, state(start)) == []
    assert heard(start, state(flown)) == ["lost volume"]


def test_few_atoms_may_fluctuate_more() -> None:
    start = molecule("H2O")
    assert heard(start, state(start, temperature_K=3000.0)) == []
    assert heard(COPPER, state(COPPER, temperature_K=3000.0)) == ["temperature spike"]
