"""Pools of frames for the tests of selection."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

Pool = Callable[..., list[Atoms]]


@pytest.fixture
def rattled() -> Pool:
    """A maker of rattled crystals of growing disorder."""

    def make(count: int, seed: int, symbol: str = "Si", repeat: int = 1) -> list[Atoms]:
        generator = np.random.default_rng(seed)
        base = bulk(symbol, cubic=True).repeat(repeat)
        frames = []
        for _ in range(count):
            frame = base.copy()
            frame.positions += generator.normal(size=frame.positions.shape) * (0.03 + 0.1 * generator.random())
            frames.append(frame)
        return frames

    return make
