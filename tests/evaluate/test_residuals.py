"""The bootstrap interval covers the truth about as often as it says."""

from __future__ import annotations

import numpy as np
import pytest

from pfd.evaluate.residuals import Residuals, bootstrap_interval


def test_intervals_cover_a_known_rmse():
    random = np.random.default_rng(2)
    frames, components, truth, trials = 40, 12, 0.7, 200
    hits = []
    for trial in range(trials):
        squares = (random.normal(scale=truth, size=(frames, components)) ** 2).sum(axis=1)
        low, high = bootstrap_interval(squares, np.full(frames, float(components)), seed=trial)
        hits.append(low <= truth <= high)
    assert 0.88 <= np.mean(hits) <= 0.99  # 0.95 minus the known shortfall of percentile intervals at 40 frames


def test_intervals_shrink_with_the_root_of_the_frames():
    random = np.random.default_rng(0)
    widths = []
    for frames in (50, 5000):
        low, high = bootstrap_interval(random.normal(size=frames) ** 2, np.ones(frames), seed=0)
        widths.append(high - low)
    assert widths[0] / widths[1] == pytest.approx(10, rel=0.5)


def test_equal_frames_have_an_interval_of_no_width():
    assert bootstrap_interval(np.full(5, 4.0), np.ones(5), seed=1) == (2.0, 2.0)


def test_nothing_to_divide_by_is_no_interval():
    assert bootstrap_interval(np.ones(2), np.array([0.0, 1.0]), seed=0) is None
    assert bootstrap_interval(np.ones(1), np.ones(1), seed=0) is None


def test_residuals_of_nothing():
    empty = Residuals.of([])
    assert empty.rmse() is None
    assert empty.bad == 0
    assert Residuals.of([None, None]).slope() is None
