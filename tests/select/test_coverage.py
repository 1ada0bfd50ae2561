"""Coverage of the candidates by the data: what its definition says, and its limits."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk

from pfd.select.coverage import MOST_ENVIRONMENTS, coverage_of
from pfd.select.descriptor import environments_by_species
from pfd.select.settings import SelectSettings

SETTINGS = SelectSettings()


def rattled(count, size=0.05, symbol="Si", first=0):
    frames = []
    for seed in range(first, first + count):
        frame = bulk(symbol, "diamond", a=5.43, cubic=True)
        frame.rattle(size, seed=seed)
        frames.append(frame)
    return frames


def test_it_is_what_the_definition_says():
    pool, before, chosen = rattled(6, 0.1), rattled(3, 0.1, first=50), rattled(2, 0.1, first=90)
    found = coverage_of(pool, before, chosen, SETTINGS)
    (group,) = environments_by_species([*pool, *before, *chosen], SETTINGS.k, SETTINGS.cutoff_A).values()
    x, y = group.features[: group.start[6]], group.features[group.start[6] :]
    squares = ((x[:, None, :] - y[None, :, :]) ** 2).sum(axis=2)
    kernels = np.exp(-squares / (2 * SETTINGS.bandwidth_per_A**2))
    known = group.start[9] - group.start[6]
    assert found == pytest.approx(((kernels[:, :known].sum(axis=1) >= 1).mean(), (kernels.sum(axis=1) >= 1).mean()))
    assert 0 < found[0] < found[1] < 1


def test_nothing_holds_nothing_and_all_holds_all():
    pool = rattled(4)
    assert coverage_of(pool, [], [], SETTINGS) == (0.0, 0.0)
    assert coverage_of(pool, [], pool, SETTINGS) == (0.0, 1.0)
    assert coverage_of(pool, pool, [], SETTINGS) == (1.0, 1.0)
    assert coverage_of(pool, rattled(4, symbol="Ge"), [], SETTINGS) == (0.0, 0.0)


def test_broken_candidates_and_data_do_not_count():
    pool = rattled(4)
    exploded = pool[0].copy()
    exploded.positions[:] = np.nan
    close = pool[0].copy()
    close.positions[1] = close.positions[0] + 0.1
    assert coverage_of([exploded, close, *pool], [exploded, *pool], [], SETTINGS) == (1.0, 1.0)
    assert coverage_of([exploded, close], pool, [], SETTINGS) is None
    assert coverage_of([], pool, [], SETTINGS) is None


def test_of_a_large_pool_an_even_share_is_looked_at():
    large = [bulk("Si", cubic=True).repeat(5) for _ in range(12)]
    for seed, frame in enumerate(large):
        frame.rattle(0.05, seed=seed)
    assert sum(map(len, large)) > 2 * MOST_ENVIRONMENTS
    before, after = coverage_of(large, large[:1], [], SETTINGS)
    assert before == after
    assert before >= 1 / 5  # five of twelve frames are looked at, one of which is known
