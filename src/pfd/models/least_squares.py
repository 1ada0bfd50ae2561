"""Linear least squares on many rows, kept as one small triangle, with ridge regularisation."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from pfd.errors import TaskFailed

Rows = Float[np.ndarray, "rows features"]
Targets = Float[np.ndarray, "rows"]
Coefficients = Float[np.ndarray, "features"]

BATCH_ROWS = 4096
"""Rows that are gathered before they are folded into the triangle: the best of memory and speed."""

FULL_RANK = 1e-12
"""Smallest over largest entry of the triangle's diagonal from which on it is solved directly, twice as fast."""


LEAST_RIDGE = 1e-12
"""Smallest ridge with which inequalities are obeyed."""


class Inequalities(NamedTuple):
    """What coefficients c must obey: each row times c is at least its bound."""

    rows: Rows
    bounds: Targets


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

    def solve(self, ridge: float, at_least: Inequalities | None = None) -> Coefficients:
        """The c that minimises |X c - y|^2 + ridge * sum of (|column of X| c)^2, and obeys inequalities.

        Scaled by their columns, all features are shrunk alike, whatever their units; a feature that is zero in all
        rows gets the coefficient zero.

        Args:
            ridge: see above.
            at_least: what must hold.

        Raises:
            TaskFailed: if no c obeys the inequalities.
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
        if at_least is not None and len(at_least.rows):
            scaled = Inequalities(at_least.rows / scale, at_least.bounds)
            if ridge < LEAST_RIDGE:  # what rows leave open must cost something to be moved
                lowest = np.vstack([augmented, np.sqrt(LEAST_RIDGE) * np.eye(features)])
                triangle = np.asarray(np.linalg.qr(lowest, mode="r"))
            solution = nearest_allowed(solution, triangle[:features, :features], scaled)
        return np.asarray(solution / scale, dtype=float)

    def _fold(self) -> None:
        if self._waiting:
            self._triangle = np.asarray(np.linalg.qr(np.vstack([self._triangle, *self._waiting]), mode="r"))
            self._waiting, self._waiting_rows = [], 0


def nearest_allowed(
    solution: Coefficients, triangle: Float[np.ndarray, "features features"], at_least: Inequalities
) -> Coefficients:
    """The x with the smallest |R (x - solution)| that obeys inequalities; the solution itself if it does.

    Args:
        solution: of the same problem without them.
        triangle: R, of full rank.
        at_least: what must hold.

    Raises:
        TaskFailed: if no x obeys them.

    Source: Lawson and Hanson, Solving Least Squares Problems (1974), chapter 23: with z = R (x - solution) it is a
    least distance problem, whose dual asks for a non-negative u that brings (A^T u, b^T u) nearest to (0, 1).
    """
    from scipy.linalg import solve_triangular
    from scipy.optimize import nnls

    missing = at_least.bounds - at_least.rows @ solution
    if missing.max() <= 0.0:
        return solution
    rows = solve_triangular(triangle, at_least.rows.T, trans="T").T
    sizes = np.linalg.norm(rows, axis=1)
    sizes = np.where(sizes > 0.0, sizes, 1.0)
    rows, missing = rows / sizes[:, None], missing / sizes
    unit = float(np.abs(missing).max())
    duals, _ = nnls(
        np.vstack([rows.T, missing / unit]), np.append(np.zeros(rows.shape[1]), 1.0), maxiter=30 * len(rows)
    )
    height = 1.0 - float(missing @ duals) / unit
    if height < 1e-10:
        raise TaskFailed("no coefficients obey the inequalities", hint="fit without them")
    moved = unit * (rows.T @ duals) / height
    return np.asarray(solution + solve_triangular(triangle, moved))
