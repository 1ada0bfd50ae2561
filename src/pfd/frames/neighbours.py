"""Pairs of atoms closer than a cutoff, in any periodicity, and how close the closest pair is."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float, Int

if TYPE_CHECKING:
    from ase import Atoms


_Index = Int[np.ndarray, "pairs"]
_Distance = Float[np.ndarray, "pairs"]
_Vector = Float[np.ndarray, "pairs 3"]


class Pairs(NamedTuple):
    """All ordered pairs within a cutoff, periodic images included, sorted by the first atom and then by distance.

    Attributes:
        first: index of the atom at whose place the vector starts.
        second: index of the other.
        distance: Å.
        vector: from the first to the second, Å.
    """

    first: _Index
    second: _Index
    distance: _Distance
    vector: _Vector

    def below(self, cutoff_A: float) -> Pairs:
        """Those closer than a smaller cutoff."""
        near = self.distance < cutoff_A
        return Pairs(self.first[near], self.second[near], self.distance[near], self.vector[near])


def pairs_within(frame: Atoms, cutoff_A: float) -> Pairs:
    """Every ordered pair of atoms closer than the cutoff (Å), by a cell list.

    Positions and cell must be finite. A direction counts as periodic if the frame says so.
    """
    from matscipy.neighbours import neighbour_list  # vesin would do as well, but imports torch where it is installed

    box, corner = _box(frame)
    first, second, distance, vector = neighbour_list(
        "ijdD", positions=frame.positions, cell=box, pbc=frame.pbc, cutoff=float(cutoff_A), cell_origin=corner
    )
    order = np.lexsort((second, distance, first))
    return Pairs(first[order].astype(np.int64), second[order].astype(np.int64), distance[order], vector[order])


def _box(frame: Atoms) -> tuple[np.ndarray, np.ndarray]:
    """Cell and its corner such that in the directions without periodicity the box just holds the atoms."""
    box = np.array(frame.cell.complete().array, dtype=float)
    fractional = np.linalg.solve(box.T, frame.positions.T).T
    low, high = np.zeros(3), np.ones(3)
    if len(frame):
        low = np.where(frame.pbc, 0.0, fractional.min(axis=0) - 1e-3)
        high = np.where(frame.pbc, 1.0, fractional.max(axis=0) + 1e-3)
    return box * (high - low)[:, None], low @ box


def closest_contact(frame: Atoms, up_to: float = 1.0) -> float:
    """The smallest distance between two atoms as a fraction of the sum of their covalent radii.

    Args:
        frame: positions and cell must be finite.
        up_to: the largest fraction of interest; infinity is returned if no pair is closer than that.

    Radii: Cordero et al., Dalton Trans. 2008, 2832 (as in ``ase.data``).
    """
    from ase.data import covalent_radii

    radii = covalent_radii[frame.numbers]
    if len(radii) == 0:
        return float("inf")
    crowded = _crowded(frame, float(radii.max()))
    if crowded < 0.25 * up_to:
        return crowded  # more images than anyone can count, and too close by far
    pairs = pairs_within(frame, 2.0 * up_to * float(radii.max()))
    fractions = pairs.distance / (radii[pairs.first] + radii[pairs.second])
    smallest = float(fractions.min(initial=np.inf))
    return smallest if smallest < up_to else float("inf")


def shortest_distance(frame: Atoms, below_A: float) -> float | None:
    """The shortest distance of two atoms, images included, Å; None if none is shorter than a limit (Å).

    Positions and cell must be finite.
    """
    if below_A <= 0.0 or len(frame) == 0:
        return None
    distances = pairs_within(frame, below_A).distance
    return float(distances.min()) if len(distances) else None


def _crowded(frame: Atoms, radius_A: float) -> float:
    """An upper bound, cheap to find, of the distance of some atom to an image of its own, over twice a radius.

    That is the shortest cell vector, and in bulk Minkowski's bound for lattices in three dimensions (Cassels, An
    Introduction to the Geometry of Numbers, chapter II): sqrt(2)^(1/3) times the cube root of the volume.
    """
    lengths = frame.cell.lengths()[frame.pbc]
    bounds = [*lengths]
    if frame.pbc.all():
        bounds.append(2.0 ** (1.0 / 6.0) * float(np.cbrt(abs(frame.cell.volume))))
    return float(min(bounds, default=np.inf)) / (2.0 * radius_A)
