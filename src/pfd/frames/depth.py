"""How deep below a surface each atom of a slab lies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from pfd.frames.frame import VACUUM_A, planar_gaps

if TYPE_CHECKING:
    from ase import Atoms

Depths = Float[np.ndarray, "atoms"]
"""Å."""


def depth_below_surface(frame: Atoms, vacuum_A: float = VACUUM_A) -> Depths | None:
    """Distance of each atom from the outermost atom of the nearer of a slab's two surfaces, along their normal, Å.

    A slab is periodic, has vacuum along one direction, and none along the two others; None of any other frame.

    Args:
        frame: cell and positions in Å; a slab may lie across the boundary of its cell.
        vacuum_A: a larger gap is vacuum, Å.
    """
    if not frame.pbc.any() or abs(frame.cell.volume) < 1e-9 or len(frame) == 0:
        return None
    gaps = planar_gaps(frame)
    open_axes = [axis for axis in range(3) if gaps[axis][0] > vacuum_A]
    if len(open_axes) != 1 or not all(frame.pbc[axis] for axis in range(3) if axis != open_axes[0]):
        return None
    (axis,) = open_axes
    height = 1.0 / np.linalg.norm(frame.cell.reciprocal().array[axis])
    above_bottom = (frame.cell.scaled_positions(frame.positions)[:, axis] - gaps[axis][1]) % 1.0 * height
    above_bottom[above_bottom > height - 1e-6] = 0.0  # the outermost atom itself, rounded to below it
    depth: np.ndarray = np.minimum(above_bottom, above_bottom.max() - above_bottom)
    return depth
