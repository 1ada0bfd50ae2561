"""Every condition gets its share, and the budget holds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from ase.build import bulk
from hypothesis import given, settings
from hypothesis import strategies as st

from pfd.frames import with_origin
from pfd.select.conditions import condition_of, select_by_condition
from pfd.select.settings import SelectSettings


def pool(counts, seed=0):
    frames = []
    for temperature, count in counts.items():
        for number in range(count):
            atoms = bulk("Al", cubic=True) * (2, 2, 2)
            atoms.rattle(0.02 + 0.0002 * temperature, seed=seed + number + int(temperature) * 100)
            frames.append(with_origin(atoms, temperature_K=temperature))
    return frames


def counts_of(frames, selection):
    conditions = [condition_of(frames[index])[0] for index in selection.indices]
    return {condition: conditions.count(condition) for condition in set(conditions)}


def test_entropy_alone_starves_the_cold_and_the_share_feeds_it():
    frames = pool({300: 10, 900: 10})
    alone = select_by_condition(frames, [], SelectSettings(max_frames=8, min_per_condition=0), 0)
    shared = select_by_condition(frames, [], SelectSettings(max_frames=8, min_per_condition=3), 0)
    assert counts_of(frames, alone).get(300, 0) < 3
    assert counts_of(frames, shared)[300] >= 3
    assert len(set(shared.indices)) == 8


@settings(max_examples=15, deadline=None)
@given(
    cold=st.integers(0, 5),
    hot=st.integers(0, 5),
    budget=st.integers(1, 12),
    share=st.integers(0, 4),
    method=st.sampled_from(["entropy", "random", "farthest", "msc", "mixed"]),
)
def test_the_budget_holds_whatever_the_shares(cold, hot, budget, share, method):
    frames = pool({300: cold, 900: hot})
    chosen = select_by_condition(
        frames, [], SelectSettings(method=method, max_frames=budget, min_per_condition=share), seed=1
    )
    assert len(chosen.indices) == len(set(chosen.indices)) == min(budget, cold + hot)
    assert chosen.candidates == cold + hot


def test_the_same_seed_gives_the_same_choice():
    frames = pool({300: 4, 900: 6})
    make = lambda: select_by_condition(frames, frames[:1], SelectSettings(max_frames=5), 3).indices  # noqa: E731
    assert make() == make()
    assert np.array(make()).max() < len(frames)
    assert pytest.approx(len(make())) == 5


def test_frames_of_no_condition_take_no_share():
    """One budgeted frame per temperature is enough for each to be judged, also where a pool is explored beside MD."""
    frames = pool({300: 6, 900: 6})
    for frame in pool({2000: 20}, seed=7):
        del frame.info["temperature_K"]
        frames.append(frame)
    chosen = select_by_condition(frames, [], SelectSettings(max_frames=2, min_per_condition=2), 0)
    assert counts_of(frames, chosen) == {300: 1, 900: 1}
    one = select_by_condition(frames[:6] + frames[12:], [], SelectSettings(max_frames=3, min_per_condition=1), 0)
    assert counts_of(frames[:6] + frames[12:], one)[300] >= 1


def test_the_insane_are_counted_once():
    frames = pool({300: 3, 900: 4})
    frames[0].positions[1] = frames[0].positions[0] + 0.1
    chosen = select_by_condition([*frames, frames[-1].copy()], [], SelectSettings(max_frames=4), 0)
    assert chosen.insane == 1
    assert chosen.candidates == 8
    assert len(chosen.indices) == 4


def test_each_kind_of_a_pool_gets_its_share():
    frames = pool({300: 6, 900: 12})
    for frame in frames:
        frame.info["group"] = "calm" if frame.info.pop("temperature_K") == 300 else "hot"
    alone = select_by_condition(frames, [], SelectSettings(max_frames=8, min_per_condition=0), 0)
    shared = select_by_condition(frames, [], SelectSettings(max_frames=8, min_per_condition=3), 0)
    kinds = [[frames[index].info["group"] for index in chosen.indices] for chosen in (alone, shared)]
    assert kinds[0].count("calm") < 3 <= kinds[1].count("calm")
    assert len(set(shared.indices)) == 8
    assert condition_of(frames[0]) < condition_of(with_origin(bulk("Al"), temperature_K=1.0))


def test_a_pool_of_many_kinds_takes_nothing_from_temperatures():
    frames = pool({300: 6, 900: 12})
    kinds = pool({600: 30}, seed=7)
    for number, frame in enumerate(kinds):
        frame.info.pop("temperature_K")
        frame.info["group"] = f"kind {number}"
    chosen = select_by_condition(frames + kinds, [], SelectSettings(max_frames=10, min_per_condition=4), 0)
    counts = counts_of(frames + kinds, chosen)
    assert min(counts[300], counts[900]) >= 4
    assert len(set(chosen.indices)) == 10


def test_what_temperatures_leave_is_shared_by_the_kinds_of_a_pool():
    frames = pool({300: 8, 900: 8})
    for frame in frames[:4]:
        frame.info.pop("temperature_K")
        frame.info["group"] = "calm"
    chosen = select_by_condition(frames, [], SelectSettings(max_frames=9, min_per_condition=4), 0)
    assert counts_of(frames, chosen)[-math.inf] == 1
    assert min(counts_of(frames, chosen)[each] for each in (300, 900)) >= 4
