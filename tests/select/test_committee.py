"""Disagreement of models: the definition, its calibration, trust levels, and the ranking with surprise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfd.errors import DataError
from pfd.select.committee import calibrate, force_deviations, more_disputed_half, sort_by_trust


def test_the_deviation_is_that_of_the_atom_in_dispute() -> None:
    forces = np.zeros((4, 3, 3))
    forces[:, 1, 0] = [1.0, -1.0, 1.0, -1.0]
    forces[:, 2] = 7.0
    assert force_deviations(forces) == pytest.approx([0.0, 1.0, 0.0])


def test_one_model_cannot_disagree() -> None:
    with pytest.raises(DataError, match="two or more"):
        force_deviations(np.zeros((1, 3, 3)))


def test_calibration_finds_the_factor_and_the_correlation() -> None:
    generator = np.random.default_rng(0)
    committee, labels = [], []
    for width in np.linspace(0.05, 1.0, 60):
        truth = generator.normal(size=(20, 3))
        shared = generator.normal(size=(20, 3)) * width * 2.0
        committee.append(truth + shared + generator.normal(size=(8, 20, 3)) * width)
        labels.append(truth)
    deviations = [force_deviations(forces) for forces in committee]

    def errors(noise: float) -> list[np.ndarray]:
        wrong = [label + noise * generator.normal(size=(20, 3)) for label in labels]
        return [np.linalg.norm(f.mean(axis=0) - label, axis=1) for f, label in zip(committee, wrong, strict=True)]

    found = calibrate(deviations, errors(0.0))
    assert found.scale == pytest.approx(np.sqrt((4 + 1 / 8) / (7 / 8)), rel=0.1)
    assert found.correlation > 0.8
    unrelated = calibrate(deviations, errors(50.0))
    assert unrelated.scale > 20
    assert abs(unrelated.correlation) < 0.4


def test_calibration_refuses_what_says_nothing() -> None:
    with pytest.raises(DataError, match="calibrate nothing"):
        calibrate([np.zeros(1)], [np.zeros(1)])
    with pytest.raises(DataError, match="different seeds"):
        calibrate([np.zeros(1)] * 2, [np.zeros(1)] * 2)


def test_trust_levels_part_the_frames() -> None:
    deviation = np.array([0.01, 0.05, 0.1, 0.2, 5.0, np.nan, np.inf])
    trust = sort_by_trust(deviation, 0.05, 0.2)
    assert trust.accurate == (0,)
    assert trust.candidate == (1, 2)
    assert trust.failed == (3, 4, 5, 6)
    with pytest.raises(DataError, match="low < high"):
        sort_by_trust(deviation, 0.2, 0.05)


@given(st.lists(st.floats(0, 10) | st.just(float("nan")), max_size=8))
def test_the_more_disputed_half_are_candidates(values: list[float]) -> None:
    deviation = np.array(values)
    trust = more_disputed_half(deviation)
    assert sorted([*trust.accurate, *trust.candidate, *trust.failed]) == list(range(len(values)))
    assert 2 * len(trust.candidate) >= len(values) - len(trust.failed)
    assert all(values[a] < values[c] for a in trust.accurate for c in trust.candidate)
    assert all(np.isnan(values[index]) for index in trust.failed)
