"""Where the vacuum of a slab is: the widest gap between its atoms along the direction that is not periodic."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ase import Atoms


def widest_gap(frame: Atoms, axis: int) -> tuple[float, float]:
    """The widest interval without an atom along a cell vector, periodic images of the atoms included.

    Args:
        frame: of a cell of three vectors.
        axis: number of the vector, 0 to 2.

    Returns:
        Its middle and its width, as parts of the vector from 0 to 1.
    """
    places = np.sort(frame.get_scaled_positions(wrap=False)[:, axis] % 1.0)
    gaps = np.diff(np.append(places, places[0] + 1.0))
    widest = int(gaps.argmax())
    return float((places[widest] + 0.5 * gaps[widest]) % 1.0), float(gaps[widest])
