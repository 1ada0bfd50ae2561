"""How far one geometry is from another of the same atoms, periodic images apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ase import Atoms


def apart_A(frame: Atoms, other: Atoms) -> tuple[float, float]:
    """Largest difference of a cell component, and largest distance of an atom from its other place, Å.

    An engine may give an atom back as one of its periodic images, also along a vacuum of which it does not know.

    Args:
        frame: the frame that was asked for.
        other: what was given back; the directions in which it is periodic count.
    """
    cell_off = float(np.abs(other.cell.array - frame.cell.array).max())
    shift = other.positions - frame.positions
    if frame.cell.rank == 3:
        fractional = np.linalg.solve(frame.cell.array.T, shift.T).T
        shift = shift - np.where(other.pbc, np.round(fractional), 0.0) @ frame.cell.array
    return cell_off, float(np.linalg.norm(shift, axis=1).max(initial=0.0))
