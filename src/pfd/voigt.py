"""Stress as a symmetric matrix and as its six Voigt components; the one place that knows their order."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

ROWS, COLUMNS = [0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]
PLACES = [[0, 5, 4], [5, 1, 3], [4, 3, 2]]


def to_voigt(matrix: Float[np.ndarray, "3 3 ..."]) -> Float[np.ndarray, "6 ..."]:
    """The components xx yy zz yz xz xy (ASE's order) of a matrix; its antisymmetric part, which is noise, is dropped.

    Units and sign are those of the matrix, shears are not doubled. In labels that is eV/Å^3 with ASE's sign (tension
    is positive); codes that count compression as positive change the sign before.

    Args:
        matrix: 3 x 3; further axes are carried along.
    """
    components: np.ndarray = (matrix[ROWS, COLUMNS] + matrix[COLUMNS, ROWS]) / 2
    return components


def from_voigt(components: Float[np.ndarray, "6 ..."]) -> Float[np.ndarray, "3 3 ..."]:
    """The symmetric matrix of the components xx yy zz yz xz xy; ``to_voigt`` gives exactly them back."""
    matrix: np.ndarray = components[PLACES]
    return matrix
