"""A short list of numbers that tells two geometries apart whatever their origin, orientation or atom order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from pfd.frames.frame import frame_id
from pfd.frames.neighbours import pairs_within

if TYPE_CHECKING:
    from ase import Atoms

NEAR = 1e-3
"""Largest difference of two fingerprints that still means the same geometry: displacements of some 1e-3 Å."""
_CUTOFF_A = 5.0
PerAtom = Float[np.ndarray, "atoms"]
"""One number per atom."""


@dataclass(frozen=True)
class Overlap:
    """One frame that is found in both of two sets.

    Attributes:
        frame: id of the frame in the second set.
        twin: id of its twin in the first set.
        exact: True if the ids are equal; False if only the geometry is, within ``NEAR``.
    """

    frame: str
    twin: str
    exact: bool


def fingerprint(frame: Atoms) -> PerAtom:
    """Per atom, a sum over its neighbours that falls steeply with distance, sorted within each element.

    The sum is (Z_j / Z_mean) (s_ij / r)^6 (1 - (r/5 Å)^2)^2 with s_ij the sum of the covalent radii (dimensionless). It
    does not change when the frame is translated, rotated, wrapped or its atoms are reordered, and it is continuous
    in the positions. Frames of different composition have no common measure: see ``formula``.
    """
    from ase.data import covalent_radii

    pairs = pairs_within(frame, _CUTOFF_A)
    numbers, radii = frame.numbers, covalent_radii[frame.numbers]
    ratio = (radii[pairs.first] + radii[pairs.second]) / np.maximum(pairs.distance, 1e-3)
    weight = ratio**6 * (1.0 - (pairs.distance / _CUTOFF_A) ** 2) ** 2 * numbers[pairs.second] / numbers.mean()
    sums = np.bincount(pairs.first, weight, minlength=len(frame))
    return np.asarray(sums[np.lexsort((sums, numbers))])


def formula(frame: Atoms) -> tuple[int, ...]:
    """The sorted atomic numbers: frames are compared only with frames of the same formula."""
    return tuple(sorted(int(number) for number in frame.numbers))


def overlap(first: Sequence[Atoms], second: Sequence[Atoms], near: float = NEAR) -> list[Overlap]:
    """The frames of ``second`` that are found in ``first``, by id or by a near-equal fingerprint, in order.

    Args:
        first: one set, such as the training frames.
        second: another, such as the test frames.
        near: largest difference of fingerprints that counts as equal; 0 compares ids only.
    """
    from scipy.spatial import cKDTree

    ids = [frame_id(frame) for frame in first]
    known = set(ids)
    by_formula: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for index, frame in enumerate(first):
        by_formula[formula(frame)].append(index)
    trees = {}
    found = []
    for frame in second:
        name = frame_id(frame)
        group = formula(frame)
        if name in known:
            found.append(Overlap(name, name, exact=True))
        elif near > 0 and group in by_formula:
            if group not in trees:
                trees[group] = cKDTree(np.array([fingerprint(first[index]) for index in by_formula[group]]))
            distance, nearest = trees[group].query(fingerprint(frame), p=np.inf)
            if distance <= near:
                found.append(Overlap(name, ids[by_formula[group][int(nearest)]], exact=False))
    return found


def near_pairs(frames: Sequence[Atoms], near: float = NEAR) -> list[tuple[int, int]]:
    """Index pairs (i < j, sorted) of frames with the same formula and fingerprints closer than ``near``."""
    from scipy.spatial import cKDTree

    by_formula: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for index, frame in enumerate(frames):
        by_formula[formula(frame)].append(index)
    found = []
    for members in by_formula.values():
        if len(members) > 1:
            tree = cKDTree(np.array([fingerprint(frames[index]) for index in members]))
            found += [(members[a], members[b]) for a, b in tree.query_pairs(near, p=np.inf)]
    return sorted((min(pair), max(pair)) for pair in found)
