"""The descriptor of atomic environments: QUESTS' sorted inverse distances, told apart by the neighbours' elements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int

from pfd.arrays import Descriptors
from pfd.frames.neighbours import pairs_within

if TYPE_CHECKING:
    from ase import Atoms

_ALL_PAIRS_UP_TO = 1000
"""Atoms times periodic images up to which trying all pairs beats building a cell list."""
_Starts = Int[np.ndarray, "frames_plus_one"]
_Index = Int[np.ndarray, "pairs"]
_Vectors = Float[np.ndarray, "pairs 3"]
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


def describe(frame: Atoms, k: int = 32, cutoff_A: float = 5.0, species: Sequence[int] | None = None) -> Descriptors:
    """Descriptor of every atom of a frame, 1/Å.

    With w = (1 - (r/cutoff)^2)^2, for each neighbouring element in turn X1: the k largest w_ij / r_ij, in falling
    order; then once X2: with the k nearest neighbours j of any element, for each rank the mean over j of the l-th
    largest of sqrt(w_ij w_il) / r_jl. Missing neighbours are zeros.

    With one element it is the published descriptor of 2k - 1 numbers. Environments of different central elements are
    never compared (see ``environments_by_species``), so X1 by element is all that tells compounds apart;
    docs/selection.md says what else was tried.

    Args:
        frame: positions and cell must be finite.
        k: neighbours that count.
        cutoff_A: radius of an environment, Å.
        species: atomic numbers of the elements that have a block in X1; default: those of the frame.

    Source: Schwalbe-Koda et al., arXiv:2404.12367, Methods, "Representation of atomic environments".
    """
    from pfd.select.environment_kernel import fill_features

    species = np.unique(frame.numbers).tolist() if species is None else species
    first, second, vectors = _pairs(frame, cutoff_A)
    block_of = np.full(int(frame.numbers.max(initial=0)) + 1, -1)
    for block, number in enumerate(species):
        if number < len(block_of):
            block_of[number] = block
    features = np.zeros((len(frame), len(species) * k + k - 1))
    begin = np.searchsorted(first, np.arange(len(frame) + 1))
    block = block_of[frame.numbers[second]]
    fill_features(begin, vectors, block, len(species), k, float(cutoff_A), _sorting_network(k), features)
    return features


def _pairs(frame: Atoms, cutoff_A: float) -> tuple[_Index, _Index, _Vectors]:
    """First and second atom and vector of all ordered pairs, sorted by the first; small cells need no cell list."""
    from pfd.select.environment_kernel import all_pairs

    cell = frame.cell.array if frame.cell.rank == 3 else frame.cell.complete().array
    inverse = np.linalg.inv(cell)
    reach = np.where(frame.pbc, np.floor(cutoff_A * np.sqrt((inverse**2).sum(axis=0)) + 0.5), 0).astype(np.int64)
    most = len(frame) * int(np.prod(2 * reach + 1))
    if most <= _ALL_PAIRS_UP_TO:
        first, second = np.empty((2, len(frame) * most), dtype=np.int64)
        vectors = np.empty((len(frame) * most, 3))
        fractional = frame.positions @ inverse
        found = all_pairs(fractional, cell, frame.pbc.astype(float), reach, float(cutoff_A), first, second, vectors)
        return first[:found], second[:found], vectors[:found]
    pairs = pairs_within(frame, cutoff_A)
    return pairs.first, pairs.second, pairs.vector


@cache
def _sorting_network(size: int) -> Int[np.ndarray, "comparisons two"]:
    """Which places to compare, one after the other, to sort ``size`` things: Batcher's odd-even merge sort.

    Source: Knuth, The Art of Computer Programming 3, 5.2.2, algorithm M.
    """
    steps: list[tuple[int, int]] = []
    merged = 1
    while merged < size:
        apart = merged
        while apart >= 1:
            for start in range(apart % merged, size - apart, 2 * apart):
                steps += [
                    (place, place + apart)
                    for place in range(start, start + min(apart, size - start - apart))
                    if place // (2 * merged) == (place + apart) // (2 * merged)
                ]
            apart //= 2
        merged *= 2
    return np.array(steps, dtype=np.int64).reshape(-1, 2)


def described_bytes(frames: Sequence[Atoms], k: int) -> int:
    """Memory that ``environments_by_species`` needs for the environments of these frames."""
    species = {int(number) for frame in frames for number in np.unique(frame.numbers)}
    return sum(len(frame) for frame in frames) * (len(species) * k + k - 1) * 8


def environments_by_species(
    frames: Sequence[Atoms], k: int, cutoff_A: float, progress: Callable[[float, str], None] | None = None
) -> dict[int, Environments]:
    """The environments of all frames, for each central species by its atomic number."""
    species = sorted({int(number) for frame in frames for number in np.unique(frame.numbers)})
    starts = {number: np.cumsum([0, *(int((frame.numbers == number).sum()) for frame in frames)]) for number in species}
    features = {number: np.empty((int(starts[number][-1]), len(species) * k + k - 1)) for number in species}
    for index, frame in enumerate(frames):
        described = describe(frame, k, cutoff_A, species)
        for number in species:
            rows = slice(int(starts[number][index]), int(starts[number][index + 1]))
            features[number][rows] = described[frame.numbers == number]
        if progress:
            progress((index + 1) / len(frames), f"described {index + 1} of {len(frames)} frames")
    return {number: Environments(features[number], starts[number]) for number in species}


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
