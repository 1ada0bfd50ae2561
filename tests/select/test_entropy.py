"""Log kernel sums against the definition, where it is easy and where it underflows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logsumexp

from pfd.select.entropy import KernelPoints, log_kernel_sums


def definition(x: np.ndarray, y: np.ndarray, bandwidth: float) -> np.ndarray:
    squared = ((x[:, None, :] - y[None, :, :]) ** 2).sum(axis=2)
    return logsumexp(-squared / (2 * bandwidth**2), axis=1)


@pytest.mark.parametrize("spread", [0.001, 0.02, 0.3, 3.0])
def test_equal_to_the_definition(spread: float) -> None:
    generator = np.random.default_rng(0)
    x = 0.2 + spread * generator.normal(size=(40, 63))
    y = 0.2 + spread * generator.normal(size=(700, 63))
    points = KernelPoints(np.vstack([x, y]), 0.015, np.full(63, 0.2))
    ours = log_kernel_sums(points.left[:40], points.right(slice(40, None)))
    np.testing.assert_allclose(ours, definition(x, y, 0.015), rtol=1e-11, atol=1e-9)


def test_far_rows_beside_near_ones_do_not_underflow() -> None:
    x = np.array([[0.0], [100.0]])
    y = np.zeros((3, 1))
    points = KernelPoints(np.vstack([x, y]), 0.015, np.zeros(1))
    ours = log_kernel_sums(points.left[:2], points.right(slice(2, None)))
    np.testing.assert_allclose(ours, [np.log(3), np.log(3) - 100.0**2 / (2 * 0.015**2)])


def test_many_blocks_give_the_sum_of_all() -> None:
    generator = np.random.default_rng(1)
    x, y = generator.normal(size=(3, 2)), generator.normal(size=(600_000, 2))
    points = KernelPoints(np.vstack([x, y]), 1.0, np.zeros(2))
    ours = log_kernel_sums(points.left[:3], points.right(slice(3, None)))
    np.testing.assert_allclose(ours, definition(x, y, 1.0), rtol=1e-12)


def test_nothing_to_compare_with_is_minus_infinity() -> None:
    points = KernelPoints(np.ones((2, 3)), 1.0, np.zeros(3))
    assert np.isneginf(log_kernel_sums(points.left, points.right(slice(0, 0)))).all()
