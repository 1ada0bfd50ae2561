"""The QUESTS descriptor of atomic environments: sorted inverse distances to and between the nearest neighbours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int

from pfd.arrays import Descriptors
from pfd.frames.neighbours import pairs_within

if TYPE_CHECKING:
    from ase import Atoms

_ATOMS_AT_ONCE = 512
_Starts = Int[np.ndarray, "frames_plus_one"]
_Vectors = Float[np.ndarray, "atoms k 3"]
_Weights = Float[np.ndarray, "atoms k"]
FrameDescriptors = Float[np.ndarray, "frames features"]
"""One row per frame."""


@dataclass(frozen=True)
class Environments:
    """The environments of one central species in a sequence of frames, in the order of the frames.

    Attributes:
        features: one row per environment, 1/Å.
        start: frame f owns the rows start[f] to start[f + 1].
    """

    features: Descriptors
    start: _Starts

    def of(self, frame: int) -> Descriptors:
        """The rows of one frame."""
        return self.features[self.start[frame] : self.start[frame + 1]]


def describe(frame: Atoms, k: int = 32, cutoff_A: float = 5.0) -> Descriptors:
    """Descriptor of every atom of a frame, 1/Å, 2k - 1 numbers each.

    With the k nearest neighbours j of atom i inside the cutoff and w = (1 - (r/cutoff)^2)^2:
    X1 = w_ij / r_ij in falling order; X2 = for each rank, the mean over j of the l-th largest of
    sqrt(w_ij w_il) / r_jl. Missing neighbours are zeros.

    Species: neighbours of another element than the centre enter X1 with a negative sign (the k values are sorted
    as signed numbers, so X1 stays continuous), and environments of different centres are never compared (see
    ``environments_by_species``). With one element it is the published descriptor; which of several other elements a
    neighbour is makes no difference.

    Source: Schwalbe-Koda et al., arXiv:2404.12367, Methods, "Representation of atomic environments".
    """
    pairs = pairs_within(frame, cutoff_A)
    atoms = len(frame)
    count = np.bincount(pairs.first, minlength=atoms)
    begin = np.cumsum(count) - count
    rank = np.arange(len(pairs.first)) - begin[pairs.first]
    near = rank < k
    slot = (pairs.first[near], rank[near])
    weight = np.zeros((atoms, k))
    weight[slot] = (1.0 - (pairs.distance[near] / cutoff_A) ** 2) ** 2
    inverse = np.zeros((atoms, k))
    inverse[slot] = 1.0 / pairs.distance[near]
    sign = np.ones((atoms, k))
    sign[slot] = np.where(frame.numbers[pairs.first[near]] == frame.numbers[pairs.second[near]], 1.0, -1.0)
    vectors = np.zeros((atoms, k, 3))
    vectors[slot] = pairs.vector[near]
    radial = -np.sort(-sign * weight * inverse, axis=1)
    angular = [
        _cross_distances(vectors[block], np.sqrt(weight[block]))
        for block in (slice(first, first + _ATOMS_AT_ONCE) for first in range(0, atoms, _ATOMS_AT_ONCE))
    ]
    return np.hstack([radial, np.concatenate(angular) if angular else np.zeros((0, k - 1))])


def _cross_distances(vectors: _Vectors, root_weight: _Weights) -> Descriptors:
    """X2: mean over the neighbours of their sorted weighted inverse distances to the other neighbours."""
    squared = np.einsum("akx,akx->ak", vectors, vectors)
    between = squared[:, :, None] + squared[:, None, :] - 2.0 * vectors @ vectors.transpose(0, 2, 1)
    k = vectors.shape[1]
    between[:, range(k), range(k)] = 1.0
    between[between <= 0.0] = 1.0
    values = root_weight[:, :, None] * root_weight[:, None, :] / np.sqrt(between)
    values[:, range(k), range(k)] = 0.0
    values.sort(axis=2)
    return np.asarray(values.mean(axis=1)[:, :0:-1])


def environments_by_species(
    frames: Sequence[Atoms], k: int, cutoff_A: float, progress: Callable[[float, str], None] | None = None
) -> dict[int, Environments]:
    """The environments of all frames, for each central species by its atomic number."""
    species = sorted({int(number) for frame in frames for number in np.unique(frame.numbers)})
    rows: dict[int, list[np.ndarray]] = {number: [] for number in species}
    for index, frame in enumerate(frames):
        features = describe(frame, k, cutoff_A)
        for number in species:
            rows[number].append(features[frame.numbers == number])
        if progress:
            progress((index + 1) / len(frames), f"described {index + 1} of {len(frames)} frames")
    return {
        number: Environments(np.concatenate(parts), np.cumsum([0, *(len(part) for part in parts)]))
        for number, parts in rows.items()
    }


def frame_descriptors(environments: dict[int, Environments]) -> FrameDescriptors:
    """Per frame, mean and standard deviation of its environments of each species, side by side, 1/Å.

    A species that a frame lacks gives zeros, which no real environment is near to.
    """
    columns = []
    for _, group in sorted(environments.items()):
        parts = [group.of(frame) for frame in range(len(group.start) - 1)]
        width = group.features.shape[1]
        columns.append(np.array([part.mean(axis=0) if len(part) else np.zeros(width) for part in parts]))
        columns.append(np.array([part.std(axis=0) if len(part) else np.zeros(width) for part in parts]))
    return np.hstack(columns)
