"""Frames of which nothing can be asked: told before a model, a neighbour list or a labeler meets them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pfd.errors import DataError

if TYPE_CHECKING:
    from ase import Atoms

LARGEST_SIZE_A = 1e4
"""Beyond this a frame holds no structure: a unit was mistaken, or a file is damaged."""
SHORTEST_A = 0.3
"""A shorter periodic vector is none: neighbours would be counted without end."""
LEAST_VOLUME_A3 = 0.1
"""Of an atom of a fully periodic frame, Å^3: far below that of any matter that a model or a labeler meets."""
ONE_PLACE_A = 0.01
"""Atoms nearer than this are at one place."""


def problem_of(frame: Atoms) -> str:
    """Why nothing can be asked of a frame, in words; empty if it is sane."""
    if not len(frame):
        return "no atoms"
    if not (np.isfinite(frame.positions).all() and np.isfinite(frame.cell.array).all()):
        return "positions or cell are not finite numbers"
    if (frame.cell.lengths()[frame.pbc] < SHORTEST_A).any():
        return "the cell has no length along a periodic direction"
    if frame.pbc.all() and abs(np.linalg.det(frame.cell.array)) < LEAST_VOLUME_A3 * len(frame):
        return "periodic in all directions, and its cell has no volume"
    if max(float(np.ptp(frame.positions, axis=0).max()), float(np.abs(frame.cell.array).max())) > LARGEST_SIZE_A:
        return f"more than {LARGEST_SIZE_A:g} Å long"
    shortest = _nearest_below(frame, ONE_PLACE_A)
    return "" if shortest is None else f"two atoms at one place ({shortest:.1g} Å apart)"


def _nearest_below(frame: Atoms, limit_A: float) -> float | None:
    """The shortest distance between two different atoms if it is below a limit that is tiny beside the cell.

    A neighbour list would divide the cell into boxes of that size, and fill the memory with them.
    """
    from scipy.spatial import cKDTree

    cell = frame.cell.complete()
    wrapped = cell.scaled_positions(frame.positions)
    wrapped = np.where(frame.pbc, wrapped % 1.0 % 1.0, wrapped)  # the second turns 1.0, a rounded -1e-17 % 1.0, into 0
    heights = 1.0 / np.linalg.norm(cell.reciprocal().array, axis=1)
    radius = min(0.4, np.sqrt(3.0) * limit_A / float(heights.min()))
    pairs = cKDTree(wrapped, boxsize=frame.pbc.astype(float)).query_pairs(radius, output_type="ndarray")
    apart = wrapped[pairs[:, 0]] - wrapped[pairs[:, 1]]
    apart -= np.where(frame.pbc, np.round(apart), 0.0)
    distances = np.linalg.norm(apart @ cell.array, axis=1)
    below = distances[distances < limit_A]
    return float(below.min()) if len(below) else None


def require_sane(frames: Sequence[Atoms], name: str) -> None:
    """Refuse frames of which nothing can be asked.

    Args:
        frames: those of one file.
        name: of the file, for messages.

    Raises:
        DataError: naming the first.
    """
    for index, frame in enumerate(frames):
        if problem := problem_of(frame):
            hint = "correct the cell, its periodicity (pbc) or the positions, or leave the frame out"
            raise DataError(problem, where=f"{name}: frame {index}", hint=hint)
