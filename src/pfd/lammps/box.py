"""LAMMPS' box of a frame: a lower-triangular cell, and the rotation that leads to it and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from pfd.arrays import Cell, Positions
from pfd.errors import DataError

if TYPE_CHECKING:
    from ase import Atoms

Vector = Float[np.ndarray, "3"]
"""One Cartesian vector, Å."""
Rotation = Float[np.ndarray, "3 3"]
"""Orthogonal matrix that acts on column vectors."""

FREE_MARGIN_A = 5.0
"""Empty room on both sides of the atoms in a direction without periodicity; it has no influence on the energy."""


@dataclass(frozen=True)
class LammpsBox:
    """A box whose rows are a = (x, 0, 0), b = (xy, y, 0), c = (xz, yz, z), as LAMMPS wants it.

    Attributes:
        cell: the box vectors in LAMMPS' orientation, Å; directions without periodicity enclose the atoms.
        origin: the lower corner in LAMMPS' orientation, Å.
        rotation: orthogonal matrix Q with (LAMMPS vector) = Q (frame's vector); a left-handed cell makes it a
            reflection, under which energies do not change.
    """

    cell: Cell
    origin: Vector
    rotation: Rotation

    def rotated(self, vectors: Positions) -> Positions:
        """Vectors of the frame, one per row, in LAMMPS' orientation."""
        rotated: Positions = vectors @ self.rotation.T
        return rotated

    def restored(self, vectors: Positions) -> Positions:
        """Vectors of LAMMPS, one per row, in the frame's orientation."""
        restored: Positions = vectors @ self.rotation
        return restored

    def wrapped(self, frame: Atoms) -> Positions:
        """Positions inside the box (on its faces: within rounding) in LAMMPS' orientation, Å."""
        positions = self.rotated(frame.positions)
        fractional = (positions - self.origin) @ np.linalg.inv(self.cell)
        wrapped: Positions = positions - np.where(frame.pbc, np.floor(fractional), 0.0) @ self.cell
        return wrapped


def box_of(frame: Atoms) -> LammpsBox:
    """The box of a frame, from the LQ decomposition of its cell.

    Directions without periodicity get a vector at right angles to all others, long enough to hold the atoms.

    Raises:
        DataError: if the periodic cell vectors do not span a space, or a number is not finite.
    """
    cell = np.where(frame.pbc[:, None], frame.cell.array, 0.0)
    if not (np.isfinite(cell).all() and np.isfinite(frame.positions).all()):
        raise DataError("positions or cell are not finite numbers", where="LAMMPS box")
    if np.linalg.matrix_rank(cell, tol=1e-6) < int(frame.pbc.sum()):
        raise DataError("the periodic cell vectors do not span a space", where="LAMMPS box")
    complete = frame.cell.new(cell).complete().array
    orthogonal, upper = np.linalg.qr(complete.T)
    signs = np.where(np.diag(upper) < 0.0, -1.0, 1.0)
    rotation = signs[:, None] * orthogonal.T
    triangular = np.tril(upper.T * signs)
    origin = np.zeros(3)
    for axis in np.flatnonzero(~frame.pbc):
        unit = triangular[axis] / np.linalg.norm(triangular[axis])
        along = frame.positions @ rotation.T @ unit
        low, high = along.min() - FREE_MARGIN_A, along.max() + FREE_MARGIN_A
        triangular[axis] = unit * (high - low)
        origin += unit * low
    # Free vectors are at right angles to the rest, so rounding is all that is removed here.
    return LammpsBox(np.where(np.abs(triangular) < 1e-12, 0.0, triangular), origin, rotation)
