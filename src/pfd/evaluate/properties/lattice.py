"""The Bravais lattice of a cell: its constants, and the crystal axes that components of tensors refer to."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pfd.arrays import Cell

if TYPE_CHECKING:
    from ase import Atoms

EPS = 1e-3
"""How far, as a part, lengths and angles may be from those of a lattice: cells relaxed by a model are a little off."""
CUBIC = {"CUB", "FCC", "BCC"}


class Lattice(NamedTuple):
    """What a cell is; a supercell that is less symmetric than its crystal is taken for what it is."""

    name: str
    """ASE's name: CUB, FCC, BCC, HEX, TET ...; empty if it is none."""
    constants_A: dict[str, float]
    """The lengths a, b, c that are independent, of the conventional cell, Å."""
    rotation: Cell
    """Orthogonal matrix R: row vectors times R stand along the crystal's axes."""

    @property
    def cubic(self) -> bool:
        """Whether all three axes are alike."""
        return self.name in CUBIC


def lattice_of(atoms: Atoms) -> Lattice:
    """The lattice of a cell that is periodic in all directions.

    Constants are those of the conventional cell, also where the cell is primitive; of a supercell of a conventional
    cell, they are the supercell's.
    """
    from ase.lattice import identify_lattice

    cell = atoms.cell.array
    try:
        lattice, operation = identify_lattice(atoms.cell, eps=EPS)
    except RuntimeError:
        return Lattice("", dict(zip("abc", map(float, atoms.cell.lengths()), strict=True)), np.eye(3))
    constants = {key: float(value) for key, value in lattice.vars().items() if key in "abc"}
    standard, reduced = lattice.tocell().array, operation.T @ cell
    rotation = np.linalg.solve(reduced, standard)
    u, _, v = np.linalg.svd(rotation)  # the nearest orthogonal matrix; a cell that is a little off shears too
    nearest = u @ v
    fits = np.linalg.det(nearest) > 0 and np.allclose(rotation, nearest, atol=50 * EPS)
    return Lattice(lattice.name, constants, nearest) if fits else Lattice("", constants, np.eye(3))


def turned(atoms: Atoms, rotation: Cell) -> Atoms:
    """The same atoms with the cell turned; the calculator goes along."""
    copy = atoms.copy()
    copy.set_cell(atoms.cell.array @ rotation, scale_atoms=True)
    copy.calc = atoms.calc
    return copy
