"""A frame: an ``ase.Atoms`` whose ``info`` carries an id, its origin and its conditions."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ase import Atoms

MODEL_FORCE_KEY = "model_max_force_eV_per_A"
"""In the ``info`` of a frame of MD: largest force on any atom that the exploring model gave, eV/Å; the gate
reads it."""
MODEL_ENERGY_KEY = "model_energy_eV"
"""Likewise: the energy that the exploring model gave, eV."""
EXPLORED_WITH_KEY = "explored_with"
"""Likewise: which model that was; energies of two models have no common zero."""
STATE_KEYS = ("charge", "spin")
"""The electronic state asked for: total charge (e), and spin multiplicity 2S+1."""
READER_NOTES = ("spacegroup", "unit_cell", "occupancy", "comment", "spacegroup_kinds")
"""What ASE's readers note of a crystal file: true of the file, not of supercells and displaced copies of it."""


def frame_id(frame: Atoms) -> str:
    """``f`` and the first 12 hexadecimal digits of the sha256 of what makes this frame a different calculation.

    That is species, positions, cell, periodicity, total charge, spin, initial moments and charges, bit for bit (except
    that -0 and 0 are one number).
    """
    digest = hashlib.sha256()
    for array in (
        frame.numbers.astype("<i4"),
        frame.positions.astype("<f8") + 0.0,
        frame.cell.array.astype("<f8") + 0.0,
        frame.pbc,
    ):
        digest.update(np.ascontiguousarray(array).tobytes())
    for key in STATE_KEYS:
        if key in frame.info:
            digest.update(f"{key}={float(frame.info[key])!r}".encode())
    for key in ("initial_magmoms", "initial_charges"):
        if key in frame.arrays:
            digest.update(key.encode() + np.ascontiguousarray(frame.arrays[key].astype("<f8")).tobytes())
    return "f" + digest.hexdigest()[:12]


def with_origin(frame: Atoms, **origin: Any) -> Atoms:
    """A copy of the frame (labels dropped) with a fresh id and the given origin and conditions in ``info``."""
    copy = frame.copy()
    copy.calc = None
    for key in READER_NOTES:
        copy.info.pop(key, None)
        copy.arrays.pop(key, None)
    copy.info.update({key: value for key, value in origin.items() if value is not None})
    copy.info["id"] = frame_id(copy)
    return copy


VACUUM_A = 6.0
"""A larger gap between atomic planes is vacuum, Å."""


def is_bulk(frame: Atoms, vacuum_A: float = VACUUM_A) -> bool:
    """True if the frame is periodic in all directions and no gap of more than ``vacuum_A`` crosses it.

    Only such frames have a stress that a model should be trained on.
    """
    if not frame.pbc.all() or abs(frame.cell.volume) < 1e-9 or len(frame) == 0:
        return False
    return all(gap <= vacuum_A for gap, _ in planar_gaps(frame))


def planar_gaps(frame: Atoms) -> list[tuple[float, float]]:
    """The largest empty interval between consecutive atomic planes along each reciprocal direction.

    Args:
        frame: with atoms, and a cell of three vectors; it is taken as periodic. For a single atom, the next plane is
            its own image.

    Returns:
        For each direction the interval in Å, and the fractional coordinate of the plane that ends it.
    """
    fractional = frame.cell.scaled_positions(frame.positions) % 1.0
    heights = 1.0 / np.linalg.norm(frame.cell.reciprocal().array, axis=1)
    found = []
    for axis in range(3):
        ordered = np.sort(fractional[:, axis])
        gaps = np.diff(np.append(ordered, ordered[0] + 1.0))
        largest = int(gaps.argmax())
        found.append((float(gaps[largest] * heights[axis]), float(ordered[(largest + 1) % len(ordered)])))
    return found
