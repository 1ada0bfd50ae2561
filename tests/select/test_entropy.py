"""Log kernel sums against the definition, where it is easy and where it underflows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logsumexp

from pfd.select.entropy import Kernel, log_kernel_sums, single_precision_error


def definition(x: np.ndarray, y: np.ndarray, bandwidth: float) -> np.ndarray:
    squared = ((x[:, None, :] - y[None, :, :]) ** 2).sum(axis=2)
    return logsumexp(-squared / (2 * bandwidth**2), axis=1)


@pytest.mark.parametrize("spread", [0.001, 0.02, 0.3, 3.0])
def test_equal_to_the_definition(spread: float) -> None:
    generator = np.random.default_rng(0)
    x = 0.2 + spread * generator.normal(size=(40, 63))
    y = 0.2 + spread * generator.normal(size=(700, 63))
    kernel = Kernel(np.vstack([x, y]), 0.015)
    left, right = kernel.left(x), kernel.right(y)
    exact = definition(x, y, 0.015)
    np.testing.assert_allclose(log_kernel_sums(left, right), exact, rtol=1e-11, atol=1e-9)
    coarse = log_kernel_sums(left.astype(np.float32), right.astype(np.float32))
    allowed = single_precision_error(left.astype(np.float32), -right[:, -1].min())
    assert (np.abs(coarse - exact) <= allowed).all()
    assert (allowed < 0.002 * np.abs(exact) + 0.02).all()


def test_far_rows_beside_near_ones_do_not_underflow() -> None:
    x = np.array([[0.0], [100.0]])
    y = np.zeros((3, 1))
    kernel = Kernel(np.vstack([x, y]), 0.015)
    ours = log_kernel_sums(kernel.left(x), kernel.right(y))
    np.testing.assert_allclose(ours, [np.log(3), np.log(3) - 100.0**2 / (2 * 0.015**2)])


def test_many_blocks_give_the_sum_of_all() -> None:
    generator = np.random.default_rng(1)
    x, y = generator.normal(size=(3, 2)), generator.normal(size=(600_000, 2))
    kernel = Kernel(np.vstack([x, y]), 1.0)
    ours = log_kernel_sums(kernel.left(x), kernel.right(y))
    np.testing.assert_allclose(ours, definition(x, y, 1.0), rtol=1e-12)


def test_nothing_to_compare_with_is_minus_infinity() -> None:
    kernel = Kernel(np.ones((2, 3)), 1.0)
    assert np.isneginf(log_kernel_sums(kernel.left(np.ones((2, 3))), kernel.right(np.ones((0, 3))))).all()
