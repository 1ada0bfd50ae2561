"""Where a training set ends: calibrated inside, far outside, and nothing known of new elements."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pfd.errors import DataError
from pfd.select import SelectSettings
from pfd.select.descriptor import describe
from pfd.select.domain import INSIDE, domain_of

SETTINGS = SelectSettings()


def test_frames_like_the_training_set_are_inside_and_others_are_not(rattled):
    train = rattled(30, seed=0)
    like, far = rattled(20, seed=1), rattled(5, seed=2)
    for frame in far:
        frame.set_cell(frame.cell * 0.85, scale_atoms=True)
    found = domain_of([*like, *far], train, SETTINGS)
    outside = np.array([frame.outside for frame in found.frames])
    assert outside[:20].mean() < 5 * (1 - INSIDE)
    assert (outside[20:] > 0.9).all()


def test_the_surprise_is_minus_the_log_of_the_sum_of_kernels(rattled):
    train, (frame,) = rattled(3, seed=3), rattled(1, seed=4)
    own = describe(frame)
    known = np.vstack([describe(each) for each in train])
    squares = ((own[:, None] - known[None]) ** 2).sum(axis=2) / (2 * SETTINGS.bandwidth_per_A**2)
    smallest = squares.min(axis=1)
    expected = smallest - np.log(np.exp(smallest[:, None] - squares).sum(axis=1))
    found = domain_of([frame], train, SETTINGS).frames[0]
    assert found.mean_nats == pytest.approx(expected.mean(), rel=1e-9)
    assert found.largest_nats == pytest.approx(expected.max(), rel=1e-9)
    assert found.worst_atom == expected.argmax()


def test_an_element_that_was_never_seen_is_outside(rattled):
    (frame,) = rattled(1, seed=5)
    frame.symbols[2] = "Ge"
    found = domain_of([frame], rattled(4, seed=6), SETTINGS).frames[0]
    assert math.isinf(found.largest_nats)
    assert found.worst_atom == 2
    assert found.outside >= 1 / len(frame)


def test_an_element_that_one_training_frame_has_gives_no_limit(rattled):
    train, (frame,) = rattled(4, seed=6), rattled(1, seed=5)
    for each in (train[0], frame):
        each.symbols[2] = "Ge"
    found = domain_of([frame], train, SETTINGS)
    assert found.once == (32,)
    assert set(found.limits_nats) == {14}
    assert found.frames[0].outside >= 1 / len(frame)


def test_the_limit_leaves_out_the_frame_itself(rattled):
    """Twins of one frame know each other; frames that differ do not, and the limit must say so."""
    (one,) = rattled(1, seed=7)
    twins = domain_of([one], [one.copy() for _ in range(3)], SETTINGS).limits_nats[14]
    others = domain_of([one], rattled(3, seed=8), SETTINGS).limits_nats[14]
    assert twins < 0.0 < others


@pytest.mark.parametrize(("frames", "train"), [(1, 1), (0, 3)])
def test_too_little_is_refused(rattled, frames, train):
    with pytest.raises(DataError):
        domain_of(rattled(frames, seed=9), rattled(train, seed=10), SETTINGS)
