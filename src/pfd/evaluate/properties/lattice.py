"""The Bravais lattice of a cell: its constants, and the crystal axes that components of tensors refer to."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pfd.arrays import Cell

if TYPE_CHECKING:
    from ase import Atoms

EPS = 1e-3
"""How far, as a part, lengths and angles may be from those of a lattice: cells relaxed by a model are a little off."""
RIGHT = 10 * EPS
"""An angle whose cosine is smaller is right, in a lattice that has such angles."""
CUBIC = {"CUB", "FCC", "BCC"}
SQUARE = {"TET", "BCT"}
OF_PRIMITIVE = {
    "P": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "C": [[1, 1, 0], [-1, 1, 0], [0, 0, 1]],
    "A": [[1, 0, 0], [0, 1, 1], [0, -1, 1]],
    "B": [[1, 0, 1], [0, 1, 0], [-1, 0, 1]],
    "I": [[0, 1, 1], [1, 0, 1], [1, 1, 0]],
    "F": [[-1, 1, 1], [1, -1, 1], [1, 1, -1]],
}
"""The conventional vectors from the usual primitive ones, by centring, as spglib, pymatgen and ASE write them: the
inverse of International Tables for Crystallography A, table 1.5.1.1."""
CENTRINGS = {"ORC": "P", "ORCC": "CAB", "ORCI": "I", "ORCF": "F", "MCL": "P", "MCLC": "CAIB", "TRI": "P"}
RIGHT_ANGLES = {"ORC": 3, "MCL": 2, "TRI": 0}
"""How many the conventional cell has, by the first letters of the lattice."""
RHOMBOHEDRAL = [[1, -1, 0], [0, 1, -1], [1, 1, 1]]
"""The hexagonal vectors from the rhombohedral ones, obverse setting (the same table)."""


class Lattice(NamedTuple):
    """What a cell is; a supercell that is less symmetric than its crystal is taken for what it is."""

    name: str
    """ASE's name: CUB, FCC, BCC, HEX, TET ...; empty if it is none."""
    constants_A: dict[str, float]
    """The lengths a, b, c that are independent, of the conventional cell, Å."""
    rotation: Cell
    """Rotation matrix R: row vectors times R stand along the crystal's axes."""

    @property
    def cubic(self) -> bool:
        """Whether all three axes are alike."""
        return self.name in CUBIC


def lattice_of(atoms: Atoms) -> Lattice:
    """The lattice of a cell that is periodic in all directions.

    Constants are those of the conventional cell, also where the cell is primitive; of a supercell of a conventional
    cell, they are the supercell's. Cubic and tetragonal: x, y, z along a, b, c. Hexagonal: x along a, z along c;
    rhombohedral: the same of the hexagonal cell in the obverse setting. Lower symmetries keep the names that the cell
    gives to its axes: x along a, y in the plane of a and b, z along their normal; only an orthorhombic primitive cell
    that is no usual one has ASE's, the shorter first. Neither a rotation of the cell nor its handedness changes this.
    """
    from ase.lattice import identify_lattice

    cell = atoms.cell.array
    try:
        lattice, operation = identify_lattice(atoms.cell, eps=EPS)
    except RuntimeError:
        return _of_vectors("", cell, "abc")
    name, reduced = lattice.name, np.linalg.solve(operation.T, cell)
    if name == "HEX":
        return _of_vectors(name, _hexagonal(cell, reduced), "ac")
    if name == "RHL":
        vectors = np.array(RHOMBOHEDRAL) @ reduced * np.sign(np.linalg.det(reduced))
        return _of_vectors(name, vectors, "ac")
    if name not in CUBIC | SQUARE:
        vectors = _conventional(name, cell)
        if vectors is not None:
            return _of_vectors(name, vectors, "abc")
    u, _, v = np.linalg.svd(np.linalg.solve(reduced, lattice.tocell().array))
    nearest = u @ v  # a cell that is a little off shears too
    constants = {key: float(value) for key, value in lattice.vars().items() if key in "abc"}
    return Lattice(name, constants, nearest * np.sign(np.linalg.det(nearest)))


def _of_vectors(name: str, vectors: Cell, independent: str) -> Lattice:
    """The lattice of conventional vectors a, b, c: x along a, y in the plane of a and b, z on the side of c."""
    a, b, _ = vectors
    normal = np.cross(a, b) * np.sign(np.linalg.det(vectors))
    x, z = a / np.linalg.norm(a), normal / np.linalg.norm(normal)
    lengths = dict(zip("abc", map(float, np.linalg.norm(vectors, axis=1)), strict=True))
    return Lattice(name, {key: lengths[key] for key in independent}, np.column_stack([x, np.cross(z, x), z]))


def _hexagonal(cell: Cell, reduced: Cell) -> Cell:
    """The cell's own vectors from the one on whose right its axis stands, if it has an axis; else the reduced ones."""
    for first in range(3):
        vectors = np.roll(cell, -first, axis=0)
        between, *across = _cosines(vectors)
        if abs(between) > 0.4 and max(map(abs, across)) < RIGHT:
            return vectors
    return reduced


def _conventional(name: str, cell: Cell) -> Cell | None:
    """The conventional vectors that a cell of low symmetry has by its own naming of the axes.

    None if an orthorhombic cell is no usual one; such a cell of lower symmetry is taken as it is.
    """
    candidates: list[Cell] = [np.array(OF_PRIMITIVE[centring]) @ cell for centring in CENTRINGS[name]]
    right = RIGHT_ANGLES[name[:3]]
    oblique = [max(sorted(map(abs, _cosines(each)))[:right], default=0.0) for each in candidates]
    if min(oblique) < RIGHT:
        return candidates[int(np.argmin(oblique))]
    return None if right == 3 else cell


def _cosines(vectors: Cell) -> list[float]:
    """Of the angles between a and b, a and c, b and c."""
    units = vectors / np.linalg.norm(vectors, axis=1)[:, None]
    return [float(units[one] @ units[other]) for one, other in ((0, 1), (0, 2), (1, 2))]


def turned(atoms: Atoms, rotation: Cell) -> Atoms:
    """The same atoms with the cell turned; the calculator goes along."""
    copy = atoms.copy()
    copy.set_cell(atoms.cell.array @ rotation, scale_atoms=True)
    copy.calc = atoms.calc
    return copy
