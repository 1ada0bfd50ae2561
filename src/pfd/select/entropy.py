"""How surprising an environment is: minus the logarithm of a sum of Gaussian kernels, kept in the log domain."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from pfd.arrays import Descriptors

_ROWS_AT_ONCE = 128
_COLUMNS_AT_ONCE = 2048
_TINY = 1e-280
_Features = Float[np.ndarray, "features"]
_Left = Float[np.ndarray, "points augmented"]
_Right = Float[np.ndarray, "reference augmented"]
_PerPoint = Float[np.ndarray, "points"]


class KernelPoints:
    """Environments prepared so that the exponents -|x - y|^2 / (2 h^2) of a block are one matrix product.

    Args:
        features: one row per environment, 1/Å.
        bandwidth_per_A: h, 1/Å.
        centre: subtracted from all rows (the same for all points that meet), so that little is lost to cancellation.
    """

    def __init__(self, features: Descriptors, bandwidth_per_A: float, centre: _Features) -> None:
        scaled = (features - centre) / bandwidth_per_A
        half = -0.5 * np.einsum("ef,ef->e", scaled, scaled)[:, None]
        self.left = np.hstack([scaled, half, np.ones_like(half)])

    def __len__(self) -> int:
        return len(self.left)

    def right(self, rows: slice) -> _Right:
        """Some of the points as the other factor of the product: ``left @ right.T`` holds the exponents."""
        return np.hstack([self.left[rows, :-2], self.left[rows, -1:], self.left[rows, -2:-1]])


def log_kernel_sums(left: _Left, right: _Right) -> _PerPoint:
    """Logarithm of sum_y exp(-|x - y|^2 / (2 h^2)) of every point x over all reference y; -inf if there are none.

    Args:
        left: rows of ``KernelPoints.left``.
        right: what ``KernelPoints.right`` gave.

    Sums are taken directly; only rows whose sum underflows are done again by log-sum-exp.

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


def _block_log_sums(left: _Left, right: _Right) -> _PerPoint:
    exponents = left @ right.T
    np.exp(exponents, out=exponents)
    sums = exponents.sum(axis=1)
    lost = np.flatnonzero(sums < _TINY)
    sums[lost] = 1.0
    logs: _PerPoint = np.log(sums)
    if len(lost):
        exponents = left[lost] @ right.T
        largest = exponents.max(axis=1, keepdims=True)
        logs[lost] = largest[:, 0] + np.log(np.exp(exponents - largest).sum(axis=1))
    return logs
