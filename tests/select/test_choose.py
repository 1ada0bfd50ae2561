"""The choice: the picks of the plain definition, a hard budget, and no influence of order."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp

from pfd.frames import frame_id
from pfd.select import GateSettings, SelectSettings, select_frames
from pfd.select.descriptor import describe

Pool = Callable[..., list[Atoms]]
METHODS = ["entropy", "random", "farthest", "msc", "mixed"]
OPEN = GateSettings(min_distance=0.0, near_duplicate=0.0, max_force_eV_per_A=None)


def naive_entropy(candidates: list[Atoms], reference: list[Atoms], count: int) -> tuple[list[int], list[float]]:
    """The definition, recomputed from nothing at every pick, in float64."""
    described = [describe(frame) for frame in candidates]
    known = [describe(frame) for frame in reference]
    picks: list[int] = []
    gains: list[float] = []
    for _ in range(count):
        data = np.concatenate([*known, *(described[index] for index in picks)])
        best, best_gain = -1, -np.inf
        for index in sorted(set(range(len(candidates))) - set(picks), key=lambda i: frame_id(candidates[i])):
            squared = ((described[index][:, None] - data[None]) ** 2).sum(axis=2)
            gain = float(np.mean(-logsumexp(-squared / (2 * 0.015**2), axis=1)))
            if gain > best_gain:
                best, best_gain = index, gain
        picks.append(best)
        gains.append(best_gain)
    return picks, gains


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_same_picks_and_gains_as_the_definition(rattled: Pool, seed: int) -> None:
    candidates, reference = rattled(30, seed), rattled(4, 100 + seed)
    chosen = select_frames(candidates, reference, SelectSettings(max_frames=12, score="mean", gate=OPEN), 0)
    picks, gains = naive_entropy(candidates, reference, 12)
    assert list(chosen.indices) == picks
    np.testing.assert_allclose(chosen.gains, gains, rtol=1e-9, atol=1e-9)


def test_without_reference_it_starts_at_the_most_typical_frame(rattled: Pool) -> None:
    candidates = rattled(20, 3)
    chosen = select_frames(candidates, [], SelectSettings(max_frames=8, score="mean", gate=OPEN), 0)
    first = chosen.indices[0]
    picks, _ = naive_entropy(
        [frame for index, frame in enumerate(candidates) if index != first], [candidates[first]], 7
    )
    rest = [index for index in range(20) if index != first]
    assert list(chosen.indices[1:]) == [rest[pick] for pick in picks]
    means = np.array([np.hstack([describe(f).mean(axis=0), describe(f).std(axis=0)]) for f in candidates])
    assert first == int(np.argmin(np.linalg.norm(means - means.mean(axis=0), axis=1)))
    assert np.isfinite(chosen.gains).all()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    method=st.sampled_from(METHODS),
    budget=st.integers(1, 9),
    size=st.integers(0, 7),
    known=st.integers(0, 2),
    order=st.randoms(use_true_random=False),
    data=st.data(),
)
def test_budget_holds_no_frame_twice_and_order_does_not_matter(
    rattled: Pool, method: str, budget: int, size: int, known: int, order: object, data: st.DataObject
) -> None:
    pool = rattled(size, 7)
    copies = data.draw(st.lists(st.integers(0, max(size - 1, 0)), max_size=3 if size else 0))
    candidates = [*pool, *(pool[index].copy() for index in copies)]
    reference = rattled(known, 8)
    wanted = SelectSettings(method=method, max_frames=budget, gate=OPEN)
    chosen = select_frames(candidates, reference, wanted, 3)
    ids = [frame_id(candidates[index]) for index in chosen.indices]
    assert len(ids) == len(set(ids)) == min(budget, size)
    assert chosen.candidates == len(candidates)
    assert chosen.passed == size
    assert chosen.rejected.get("twice among the candidates", 0) == len(copies)
    shuffled = list(candidates)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    again = select_frames(shuffled, reference, wanted, 3)
    assert [frame_id(shuffled[index]) for index in again.indices] == ids
    assert again.gains == chosen.gains


@pytest.mark.parametrize("method", METHODS)
def test_nothing_passing_is_a_result(rattled: Pool, method: str) -> None:
    known = rattled(3, 0)
    chosen = select_frames(known, known, SelectSettings(method=method), 0)
    assert chosen.indices == ()
    assert chosen.passed == 0
    assert chosen.rejected == {"already in the data": 3}
    assert select_frames([], known, SelectSettings(method=method), 0).candidates == 0


def test_stops_where_the_gain_is_too_small(rattled: Pool) -> None:
    candidates, reference = rattled(12, 0), rattled(2, 1)
    full = select_frames(candidates, reference, SelectSettings(max_frames=12, gate=OPEN), 0)
    limit = (full.gains[4] + full.gains[5]) / 2
    part = select_frames(candidates, reference, SelectSettings(max_frames=12, min_gain_nats=limit, gate=OPEN), 0)
    assert part.indices == full.indices[:5]
    assert list(full.gains) == sorted(full.gains, reverse=True)


def test_a_new_element_goes_first_and_is_not_compared_with_others(rattled: Pool) -> None:
    candidates = [*rattled(5, 0), *rattled(1, 1, symbol="Ge")]
    chosen = select_frames(candidates, rattled(3, 2), SelectSettings(max_frames=2, gate=OPEN), 0)
    assert chosen.indices[0] == 5
    assert chosen.indices[1] != 5


def test_size_of_a_frame_is_no_merit() -> None:
    crystal = bulk("Si", cubic=True)
    warm = crystal.copy()
    warm.positions += np.random.default_rng(0).normal(size=(8, 3)) * 0.1
    double = warm.repeat((1, 1, 2))
    double.positions[0] += 1e-3
    chosen = select_frames([warm, double], [crystal], SelectSettings(max_frames=2, score="mean", gate=OPEN), 0)
    assert chosen.gains[0] == pytest.approx(
        select_frames([double], [crystal], SelectSettings(max_frames=1, score="mean", gate=OPEN), 0).gains[0], rel=0.02
    )
    assert chosen.gains[0] == pytest.approx(
        select_frames([warm], [crystal], SelectSettings(max_frames=1, score="mean", gate=OPEN), 0).gains[0], rel=0.02
    )


def test_farthest_covers_the_extremes(rattled: Pool) -> None:
    pool = [bulk("Si", cubic=True, a=a) for a in np.linspace(5.2, 5.8, 13)]
    chosen = select_frames(pool, [], SelectSettings(method="farthest", max_frames=3, gate=OPEN), 0)
    assert {0, 12} < set(chosen.indices)
    assert chosen.gains == ()


def test_random_depends_on_the_seed_only(rattled: Pool) -> None:
    pool = rattled(20, 0)
    wanted = SelectSettings(method="random", max_frames=5, gate=OPEN)
    assert select_frames(pool, [], wanted, 1) == select_frames(pool, [], wanted, 1)
    assert select_frames(pool, [], wanted, 1) != select_frames(pool, [], wanted, 2)


def test_budget_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        SelectSettings(max_frames=0)


@pytest.mark.parametrize("method", METHODS)
def test_odd_frames_are_chosen_or_counted(method: str) -> None:
    broken = bulk("Si", cubic=True)
    broken.positions[3, 1] = np.nan
    no_cell = Atoms("Si2", positions=[[0, 0, 0], [2.3, 0, 0]])
    candidates = [Atoms("Si"), no_cell, bulk("Si"), broken, Atoms()]
    chosen = select_frames(candidates, [broken, Atoms()], SelectSettings(method=method, max_frames=9), 0)
    assert set(chosen.indices) == {0, 1, 2}
    assert chosen.rejected == {"no atoms": 1, "positions or cell not finite": 1}
    assert chosen.insane == 2
    assert np.isfinite(chosen.gains).all()
    assert select_frames([broken, Atoms()], [], SelectSettings(method=method), 0).indices == ()


@pytest.mark.parametrize("method", ["entropy", "mixed", "msc", "farthest", "random"])
def test_each_method_refuses_what_it_does_not_use_and_nothing_else(method):
    given = {"score": "top", "k": 16, "cutoff_A": 4.0, "bandwidth_per_A": 0.02, "min_gain_nats": 0.1}
    idle = {"msc": {"score"}, "random": set(given), "farthest": {"score", "bandwidth_per_A", "min_gain_nats"}}
    for key, value in given.items():
        if key in idle.get(method, ()):
            with pytest.raises(ValueError, match=f"{key} are without effect in method {method}"):
                SelectSettings.model_validate({"method": method, key: value})
        else:
            assert getattr(SelectSettings.model_validate({"method": method, key: value}), key) == value
