"""How surprising an environment is: minus the logarithm of a sum of Gaussian kernels, kept in the log domain."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from pfd.arrays import Descriptors

_ROWS_AT_ONCE = 128
_COLUMNS_AT_ONCE = 2048
_NOTHING = -60.0
"""Exponents this far below the largest of a row add nothing to its sum in double precision."""
_Features = Float[np.ndarray, "features"]
_Left = Float[np.ndarray, "points augmented"]
_Right = Float[np.ndarray, "reference augmented"]
_PerPoint = Float[np.ndarray, "points"]


class Kernel:
    """The Gaussian kernel for environments that meet: exponents of a block are one matrix product ``left @ right.T``.

    Args:
        features: one row per environment, 1/Å.
        bandwidth_per_A: h, 1/Å.
    """

    def __init__(self, features: Descriptors, bandwidth_per_A: float) -> None:
        self.bandwidth_per_A = bandwidth_per_A
        lowest, highest = features.min(axis=0, initial=np.inf), features.max(axis=0, initial=-np.inf)
        self.varying = np.flatnonzero(highest > lowest)
        # Distances do not depend on the centre, but near it little is lost to cancellation.
        self._centre = features.mean(axis=0)[self.varying] if len(features) else np.zeros(len(self.varying))

    @property
    def width(self) -> int:
        """Columns of ``left`` and ``right``."""
        return len(self.varying) + 2

    def left(self, features: Descriptors) -> _Left:
        """Environments as the left factor: scaled features, minus half their square, one."""
        scaled = (features[:, self.varying] - self._centre) / self.bandwidth_per_A
        half = -0.5 * np.einsum("ef,ef->e", scaled, scaled)[:, None]
        return np.hstack([scaled, half, np.ones_like(half)])

    def right(self, features: Descriptors) -> _Right:
        """Environments as the right factor: scaled features, one, minus half their square."""
        left = self.left(features)
        left[:, -2:] = left[:, [-1, -2]]
        return left


def log_kernel_sums(left: _Left, right: _Right) -> _PerPoint:
    """Logarithm of sum_y exp(-|x - y|^2 / (2 h^2)) of every point x over all reference y; -inf if there are none.

    Args:
        left: what ``Kernel.left`` gave, in double or single precision.
        right: what ``Kernel.right`` gave, in the same.

    Every block is a log-sum-exp of its own: where environments are rare, plain sums underflow for most rows.

    Source: Schwalbe-Koda et al., arXiv:2404.12367, eq. for the differential entropy dH(Y|X).
    """
    total = np.full(len(left), -np.inf)
    if not len(left) or not len(right):
        return total
    for first in range(0, len(left), _ROWS_AT_ONCE):
        rows = slice(first, first + _ROWS_AT_ONCE)
        for begin in range(0, len(right), _COLUMNS_AT_ONCE):
            block = _block_log_sums(left[rows], right[begin : begin + _COLUMNS_AT_ONCE])
            np.logaddexp(total[rows], block, out=total[rows])
    return total


def single_precision_error(left: _Left, largest_right: float) -> _PerPoint:
    """Most that single precision can change a log kernel sum of each point, nats.

    Args:
        left: what ``Kernel.left`` gave.
        largest_right: largest half square (minus the last column of ``Kernel.right``) of the points compared with.

    The exponent is a sum of n products, each of which is off by at most n + 2 roundings: n u (|x| + |y|)^2 / 2.
    """
    terms = left.shape[1] + 4
    norms = np.sqrt(-2.0 * np.minimum(left[:, -2], 0.0)) + np.sqrt(2.0 * largest_right)
    return np.asarray(1e-5 + terms * 2.0**-24 * norms.astype(float) ** 2 / 2.0)


def _block_log_sums(left: _Left, right: _Right) -> _PerPoint:
    exponents = left @ right.T
    largest = exponents.max(axis=1, keepdims=True)
    exponents -= largest
    np.maximum(exponents, _NOTHING, out=exponents)  # results that underflow are slow to compute
    np.exp(exponents, out=exponents)
    logs: _PerPoint = largest[:, 0].astype(float) + np.log(exponents.sum(axis=1).astype(float))
    return logs
