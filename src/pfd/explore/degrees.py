"""How many ways there are to move, and whether there is any."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pfd.errors import DataError
from pfd.frames import frame_id

if TYPE_CHECKING:
    from ase import Atoms


def degrees_of_freedom(atoms: Atoms) -> int:
    """Degrees of freedom of the motion; without constraints the centre of mass rests and is not counted.

    Raises:
        DataError: if nothing can move.
    """
    degrees = int(atoms.get_number_of_degrees_of_freedom()) - (0 if atoms.constraints else 3)
    if degrees <= 0:
        raise DataError(
            "nothing can move in this structure",
            where=f"frame {frame_id(atoms)} ({len(atoms)} atoms)",
            hint="use a supercell, or free some atoms",
        )
    return degrees
