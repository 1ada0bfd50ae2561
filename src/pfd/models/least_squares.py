"""Linear least squares on many rows, kept as one small triangle, with ridge regularisation."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float

from pfd.errors import TaskFailed

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Rows = Float[np.ndarray, "rows features"]
Targets = Float[np.ndarray, "rows"]
Coefficients = Float[np.ndarray, "features"]

BATCH_ROWS = 1024
"""Rows that are gathered before they are folded into the triangle: with more, a fold was no faster."""

BLOCK = 64
"""Columns that LAPACK reduces at once; 32 and 128 were no better at 300 to 5000 features."""

FULL_RANK = 1e-12
"""Smallest over largest entry of the triangle's diagonal from which on it is solved directly, twice as fast."""

NEGLIGIBLE = 1e-12
"""Norm of a column over the largest of any, below which it holds rounding errors only: a coefficient of 1e17 would
make forces of them."""

LEAST_RIDGE = 1e-12
"""Smallest ridge with which inequalities are obeyed."""


def fit_memory_GB(features: int) -> float:
    """What a fit of so many features holds at most, GB: three squares (rows, what is solved, its copy) and a batch."""
    return 8e-9 * (3.0 * features**2 + 3.0 * BATCH_ROWS * features)


class Inequalities(NamedTuple):
    """What coefficients c must obey: each row times c is at least its bound."""

    rows: Rows
    bounds: Targets


class ReducedRows:
    """Rows x of a linear model and their targets y, reduced to the triangle R of a QR decomposition of [X | y].

    Whatever least squares asks of the rows, R answers with the accuracy of the rows themselves (the normal equations
    would square their condition number). Source: Golub and Van Loan, Matrix Computations, 4th ed., section 5.3. Folding
    in M rows of F features costs 2 M F^2 operations, however few they are.

    Args:
        features: length of a row.
    """

    def __init__(self, features: int) -> None:
        self.features = features
        self.count = 0
        self._triangle = np.zeros((features + 1, features + 1), order="F")
        self._waiting: list[np.ndarray] = []
        self._waiting_rows = 0

    def add(self, rows: Rows, targets: Targets, times: int = 1) -> None:
        """Take rows in, as if they stood there so many times."""
        self._waiting.append(np.sqrt(times) * np.column_stack([rows, targets]))
        self._waiting_rows += len(rows)
        self.count += times * len(rows)
        if self._waiting_rows >= BATCH_ROWS:
            self._fold()

    def rms(self, coefficients: Coefficients) -> float:
        """Root mean square of X c - y over all rows."""
        self._fold()
        return float(np.linalg.norm(self._triangle @ np.append(coefficients, -1.0)) / np.sqrt(max(self.count, 1)))

    def solve(
        self, ridge: float, at_least: Inequalities | None = None, penalties: csr_array | None = None
    ) -> Coefficients:
        """The c that minimises |X c - y|^2 + |P c|^2 + ridge * sum of (|column of X, P| c)^2, and obeys inequalities.

        Scaled by their columns, all features are shrunk alike, whatever their units; a feature that is zero in all
        rows, but for rounding errors, gets the coefficient zero.

        Args:
            ridge: see above.
            at_least: what must hold.
            penalties: P, sparse (any number, features): what should be small.

        Raises:
            TaskFailed: if no c obeys the inequalities.
        """
        from scipy.linalg import solve_triangular

        self._fold()
        features, whole = self.features, self._triangle
        if penalties is not None:
            whole = whole.copy(order="F")
            for begin in range(0, penalties.shape[0], BATCH_ROWS):
                rows = penalties[begin : begin + BATCH_ROWS].toarray()
                whole = _folded(whole, np.column_stack([rows, np.zeros(len(rows))]))
        norms = np.linalg.norm(whole[:, :features], axis=0)
        scale = np.where(norms > NEGLIGIBLE * norms.max(initial=0.0), norms, np.inf)
        triangle = whole / np.append(scale, 1.0)
        if ridge > 0.0:
            triangle = _ridged(triangle, ridge)
        matrix, target = triangle[:features, :features], triangle[:features, features]
        diagonal = np.abs(np.diag(matrix))
        if diagonal.min(initial=np.inf) > FULL_RANK * diagonal.max(initial=0.0):
            solution = solve_triangular(matrix, target)
        else:  # without a ridge, rows may leave coefficients open: the smallest ones will do
            solution = np.linalg.lstsq(matrix, target, rcond=None)[0]
        if at_least is not None and len(at_least.rows):
            scaled = Inequalities(at_least.rows / scale, at_least.bounds)
            if ridge < LEAST_RIDGE:  # what rows leave open must cost something to be moved
                matrix = _ridged(triangle, LEAST_RIDGE)[:features, :features]
            solution = nearest_allowed(solution, matrix, scaled)
        return np.asarray(solution / scale, dtype=float)

    def _fold(self) -> None:
        if self._waiting:
            self._triangle = _folded(self._triangle, np.vstack(self._waiting))
            self._waiting, self._waiting_rows = [], 0


def _folded(
    triangle: Float[np.ndarray, "columns columns"], rows: Float[np.ndarray, "rows columns"], triangular: int = 0
) -> Float[np.ndarray, "columns columns"]:
    """The triangle of what a triangle (overwritten if its columns lie one after the other) and more rows hold together.

    Args:
        triangle: upper triangular.
        rows: to be folded in.
        triangular: how many of the last rows are an upper triangle, which costs less.
    """
    from scipy.linalg.lapack import dtpqrt

    block = min(BLOCK, len(triangle))
    folded, _, _, _ = dtpqrt(triangular, block, triangle, np.asfortranarray(rows), overwrite_a=1, overwrite_b=1)
    return np.asarray(folded)


def _ridged(triangle: Float[np.ndarray, "columns columns"], ridge: float) -> Float[np.ndarray, "columns columns"]:
    """What a triangle (overwritten) and one row of sqrt(ridge) for each feature hold; its last column is y."""
    features = len(triangle) - 1
    rows = np.eye(features, features + 1, order="F")
    rows *= np.sqrt(ridge)
    return _folded(triangle, rows, triangular=features)


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
