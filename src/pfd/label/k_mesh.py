"""Divisions of a k-mesh from the largest distance of its points, with one point along directions of vacuum."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ase import Atoms


def k_divisions(frame: Atoms, spacing_per_A: float) -> tuple[int, int, int]:
    """Divisions along the three reciprocal vectors: ceil(|b| / spacing), at least 1; 1 where the frame is not periodic.

    The lengths |b| hold the factor 2 pi, as in VASP's KSPACING and ABACUS's kspacing. A length that is a multiple of
    the spacing up to 1e-6 counts as one, so that the rounding of a cell decides nothing.

    Args:
        frame: of a cell of three vectors.
        spacing_per_A: largest distance of neighbouring k-points, 1/Å.

    Source: https://vasp.at/wiki/KSPACING (with b_i a_j = delta_ij there, and the factor 2 pi in the formula).
    """
    lengths = 2.0 * np.pi * np.linalg.norm(frame.cell.reciprocal().array, axis=1)
    counts = np.ceil(lengths / spacing_per_A - 1e-6).clip(1)
    first, second, third = (int(count) if flag else 1 for count, flag in zip(counts, frame.pbc, strict=True))
    return first, second, third
