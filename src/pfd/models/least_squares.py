"""Linear least squares on many rows, kept as one small triangle, with ridge regularisation."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

Rows = Float[np.ndarray, "rows features"]
Targets = Float[np.ndarray, "rows"]
Coefficients = Float[np.ndarray, "features"]

BATCH_ROWS = 4096
"""Rows that are gathered before they are folded into the triangle: the best of memory and speed."""

FULL_RANK = 1e-12
"""Smallest over largest entry of the triangle's diagonal from which on it is solved directly, twice as fast."""


class ReducedRows:
    """Rows x of a linear model and their targets y, reduced to the triangle R of a QR decomposition of [X | y].

    Whatever least squares asks of the rows, R answers with the accuracy of the rows themselves (the normal equations
    would square their condition number). Source: Golub and Van Loan, Matrix Computations, 4th ed., section 5.3.

    Args:
        features: length of a row.
    """

    def __init__(self, features: int) -> None:
        self.features = features
        self.count = 0
        self._triangle = np.zeros((0, features + 1))
        self._waiting: list[np.ndarray] = []
        self._waiting_rows = 0

    def add(self, rows: Rows, targets: Targets) -> None:
        """Take rows in."""
        self._waiting.append(np.column_stack([rows, targets]))
        self._waiting_rows += len(rows)
        self.count += len(rows)
        if self._waiting_rows >= BATCH_ROWS:
            self._fold()

    def rms(self, coefficients: Coefficients) -> float:
        """Root mean square of X c - y over all rows."""
        self._fold()
        return float(np.linalg.norm(self._triangle @ np.append(coefficients, -1.0)) / np.sqrt(max(self.count, 1)))

    def solve(self, ridge: float) -> Coefficients:
        """The c that minimises |X c - y|^2 + ridge * sum of (|column of X| c)^2.

        Scaled by their columns, all features are shrunk alike, whatever their units; a feature that is zero in all
        rows gets the coefficient zero.
        """
        from scipy.linalg import solve_triangular

        self._fold()
        matrix, target = self._triangle[:, :-1], self._triangle[:, -1]
        norms = np.linalg.norm(matrix, axis=0)
        scale = np.where(norms > 0.0, norms, 1.0)
        features = matrix.shape[1]
        augmented = np.vstack([matrix / scale, np.sqrt(ridge) * np.eye(features)])
        targets = np.append(target, np.zeros(features))
        triangle = np.asarray(np.linalg.qr(np.column_stack([augmented, targets]), mode="r"))
        diagonal = np.abs(np.diag(triangle)[:features])
        if diagonal.min(initial=np.inf) > FULL_RANK * diagonal.max(initial=0.0):
            solution = solve_triangular(triangle[:features, :features], triangle[:features, features])
        else:  # without a ridge, rows may leave coefficients open: the smallest ones will do
            solution = np.linalg.lstsq(augmented, targets, rcond=None)[0]
        return np.asarray(solution / scale, dtype=float)

    def _fold(self) -> None:
        if self._waiting:
            self._triangle = np.asarray(np.linalg.qr(np.vstack([self._triangle, *self._waiting]), mode="r"))
            self._waiting, self._waiting_rows = [], 0
