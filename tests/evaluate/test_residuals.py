"""The interval covers the truth about as often as it says: over frames, and over few trajectories."""

from __future__ import annotations

import numpy as np
import pytest

from pfd.evaluate.residuals import Residuals, root_ratio_interval


def test_intervals_cover_a_known_rmse():
    random = np.random.default_rng(2)
    frames, components, truth, trials = 40, 12, 0.7, 400
    hits = []
    for _ in range(trials):
        squares = (random.normal(scale=truth, size=(frames, components)) ** 2).sum(axis=1)
        low, high = root_ratio_interval(squares, np.full(frames, float(components)))
        hits.append(low <= truth <= high)
    assert 0.92 <= np.mean(hits) <= 0.98


SPREAD_OF_TRAJECTORIES, SPREAD_OF_FRAMES = 0.4, 0.2  # of the logarithm of a frame's mean squared error
TRUE_RMSE = np.exp((SPREAD_OF_TRAJECTORIES**2 + SPREAD_OF_FRAMES**2) / 4)


def simulated(random, trajectories, frames=6, components=30):
    """Labels of zero and predictions off by what trajectory and frame draw; the RMSE over all that could be drawn is
    ``TRUE_RMSE`` (mean of a log-normal)."""
    variance = np.exp(
        random.normal(scale=SPREAD_OF_TRAJECTORIES, size=(trajectories, 1))
        + random.normal(scale=SPREAD_OF_FRAMES, size=(trajectories, frames))
    )
    residuals = random.normal(size=(trajectories, frames, components)) * np.sqrt(variance)[:, :, None]
    pairs = [(np.zeros(components), row) for row in residuals.reshape(-1, components)]
    return pairs, [f"run {number}" for number in range(trajectories) for _ in range(frames)]


def coverage(trajectories, *, grouped, trials=400):
    random = np.random.default_rng(trajectories)
    hits = 0
    for _ in range(trials):
        pairs, names = simulated(random, trajectories)
        low, high = Residuals.of(pairs, names if grouped else None).rmse_interval()
        hits += low <= TRUE_RMSE <= high
    return hits / trials


@pytest.mark.parametrize("trajectories", [4, 5, 12])
def test_frames_of_few_trajectories_have_honest_intervals(trajectories):
    assert 0.90 <= coverage(trajectories, grouped=True) <= 0.98  # 95 % within the noise of 400 trials and skewness


def test_frames_taken_as_independent_would_cover_far_less():
    assert coverage(5, grouped=False) < 0.75


@pytest.mark.parametrize("trajectories", [1, 2, 3])
def test_of_fewer_than_four_trajectories_frames_are_all_there_is(trajectories):
    pairs, names = simulated(np.random.default_rng(0), trajectories)
    few = Residuals.of(pairs, names)
    assert few.trajectories == trajectories
    assert few.rmse_interval() == Residuals.of(pairs).rmse_interval()


def test_trajectories_without_labels_do_not_count():
    pairs, names = simulated(np.random.default_rng(0), 5)
    lacking = [None if name == "run 1" else pair for pair, name in zip(pairs, names, strict=True)]
    there = [(pair, name) for pair, name in zip(lacking, names, strict=True) if pair is not None]
    sums = Residuals.of(lacking, names)
    assert sums.trajectories == 4
    assert sums.rmse_interval() == Residuals.of(*map(list, zip(*there, strict=True))).rmse_interval()


def test_intervals_shrink_with_the_root_of_the_frames():
    random = np.random.default_rng(0)
    widths = []
    for frames in (50, 5000):
        low, high = root_ratio_interval(random.normal(size=frames) ** 2, np.ones(frames))
        widths.append(high - low)
    assert widths[0] / widths[1] == pytest.approx(10, rel=0.5)


def test_equal_frames_have_an_interval_of_no_width():
    assert root_ratio_interval(np.full(5, 4.0), np.ones(5)) == (2.0, 2.0)
    assert root_ratio_interval(np.zeros(5), np.ones(5)) == (0.0, 0.0)


def test_the_widest_interval_is_finite():
    low, high = root_ratio_interval(np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    assert 0.0 < low < 1.0 < high < np.inf


def test_nothing_to_divide_by_is_no_interval():
    assert root_ratio_interval(np.ones(2), np.zeros(2)) is None
    assert root_ratio_interval(np.ones(1), np.ones(1)) is None


def test_residuals_of_nothing():
    empty = Residuals.of([])
    assert empty.rmse() is None
    assert empty.bad == 0
    assert Residuals.of([None, None]).slope() is None
