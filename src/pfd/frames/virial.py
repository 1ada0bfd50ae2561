"""The virial that many labelled sets carry instead of the stress: minus the stress times the volume."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pfd.arrays import Stress
from pfd.errors import DataError

if TYPE_CHECKING:
    from ase import Atoms

VIRIAL_KEYS = ("virial", "virials", "REF_virial", "REF_virials")
"""Where a virial is looked for, in this order."""


def is_virial(key: str) -> bool:
    """Whether the name of a key says that it holds a virial: ``virial``, ``dft_virials`` ..."""
    return key.lower().endswith(("virial", "virials"))


def virial_key(frame: Atoms) -> str:
    """The first key of the frame's info that holds a virial, empty if there is none."""
    return next((key for key in VIRIAL_KEYS if key in frame.info), "")


def stress_of_virial(frame: Atoms, virial: Any, where: str) -> Stress | None:
    """The stress (eV/Å^3, Voigt, ASE's sign) of a virial; None where it has no meaning: not periodic everywhere.

    Args:
        frame: whose volume it is.
        virial: eV, minus stress times volume: 3 x 3, nine numbers, or six as xx yy zz yz xz xy.
        where: the frame in a message.

    Raises:
        DataError: if the virial is of another shape.

    Source: DeePMD-kit's documentation, "Formats of a system", whose sign and unit GAP, NEP and MACE share.
    """
    try:
        numbers = np.asarray(virial, dtype=float)
    except (ValueError, TypeError) as error:
        raise DataError(f"the virial is no matrix of numbers ({error})", where=where, hint="remove it") from error
    if numbers.size not in {6, 9}:
        raise DataError(f"the virial is of shape {numbers.shape}", where=where, hint="3 x 3 or six numbers are known")
    volume = abs(float(frame.cell.volume))
    if not frame.pbc.all() or volume < 1e-9:
        return None
    if numbers.size == 9:
        matrix = numbers.reshape(3, 3)
        numbers = ((matrix + matrix.T) / 2.0)[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
    return -numbers.ravel() / volume
