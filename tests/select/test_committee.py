"""Disagreement of models: the definition, its calibration, trust levels, and the ranking with surprise."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfd.errors import DataError
from pfd.select.committee import calibrate, max_force_deviation, rank_by_disagreement, sort_by_trust


def test_the_deviation_is_that_of_the_atom_in_dispute() -> None:
    forces = np.zeros((4, 3, 3))
    forces[:, 1, 0] = [1.0, -1.0, 1.0, -1.0]
    forces[:, 2] = 7.0
    assert max_force_deviation(forces) == pytest.approx(1.0)
    assert max_force_deviation(forces[:, :0]) == 0.0


def test_one_model_cannot_disagree() -> None:
    with pytest.raises(DataError, match="two or more"):
        max_force_deviation(np.zeros((1, 3, 3)))


def test_calibration_finds_the_factor_and_the_correlation() -> None:
    generator = np.random.default_rng(0)
    committee, labels = [], []
    for width in np.linspace(0.05, 1.0, 60):
        truth = generator.normal(size=(20, 3))
        shared = generator.normal(size=(20, 3)) * width * 2.0
        committee.append(truth + shared + generator.normal(size=(8, 20, 3)) * width)
        labels.append(truth)
    found = calibrate(committee, labels)
    assert found.scale == pytest.approx(np.sqrt((4 + 1 / 8) / (7 / 8)), rel=0.1)
    assert found.correlation > 0.8
    unrelated = calibrate(committee, [label + 50.0 * generator.normal(size=(20, 3)) for label in labels])
    assert unrelated.scale > 20
    assert abs(unrelated.correlation) < 0.4


def test_calibration_refuses_what_says_nothing() -> None:
    with pytest.raises(DataError, match="calibrate nothing"):
        calibrate([np.zeros((2, 1, 3))], [np.zeros((1, 3))])
    with pytest.raises(DataError, match="different seeds"):
        calibrate([np.zeros((2, 1, 3))] * 2, [np.zeros((1, 3))] * 2)


def test_trust_levels_part_the_frames() -> None:
    deviation = np.array([0.01, 0.05, 0.1, 0.2, 5.0, np.nan, np.inf])
    trust = sort_by_trust(deviation, 0.05, 0.2)
    assert trust.accurate == (0,)
    assert trust.candidate == (1, 2)
    assert trust.failed == (3, 4, 5, 6)
    with pytest.raises(DataError, match="low < high"):
        sort_by_trust(deviation, 0.2, 0.05)


@given(st.lists(st.floats(0, 10), max_size=8), st.integers(0, 9))
def test_the_ranking_keeps_the_budget_and_the_order(values: list[float], budget: int) -> None:
    deviation = np.array(values)
    picks = rank_by_disagreement(deviation, budget)
    assert len(picks) == len(set(picks)) == min(budget, len(values))
    assert all(values[a] >= values[b] for a, b in itertools.pairwise(picks))


def test_surprise_moves_the_ranking() -> None:
    deviation, surprise = np.array([3.0, 2.0, 1.0]), np.array([-9.0, 5.0, 100.0])
    assert rank_by_disagreement(deviation, 3) == [0, 1, 2]
    assert rank_by_disagreement(deviation, 3, surprise, weight=1.0) == [2, 1, 0]
    assert rank_by_disagreement(deviation, 1, surprise, weight=0.9) == [2]
