"""The dipole correction of slabs in pw.x: a sawtooth potential that jumps in the middle of the vacuum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pfd.errors import InputError
from pfd.label.vacuum import widest_gap

if TYPE_CHECKING:
    from ase import Atoms

LEAST_VACUUM_A = 6.0
"""The density has to be gone where the potential jumps: 3 Å on each side are the least."""
JUMP = 0.1
"""Width of the jump as a part of the cell vector: pw.x's own, made narrower where it would fill half of the vacuum."""


def dipole_keys(frame: Atoms, where: str) -> dict[str, dict[str, Any]]:
    """Keys of ``control`` and ``system`` that correct a slab for its dipole; none for a frame with three periods.

    pw.x's potential rises along the vector and falls within ``eopreg`` from ``emaxpos`` on; ``eamp`` 0 leaves nothing
    of it but the part that cancels the slab's own dipole.

    Args:
        frame: of a cell of three vectors.
        where: the frame, for the error message.

    Raises:
        InputError: if the frame is no slab, or its vacuum is thinner than 6 Å.

    Source: L. Bengtsson, Phys. Rev. B 59, 12301 (1999), doi:10.1103/PhysRevB.59.12301; keys of
    https://www.quantum-espresso.org/Doc/INPUT_PW.html.
    """
    open_axes = [axis for axis in range(3) if not frame.pbc[axis]]
    if not open_axes:
        return {}
    if len(open_axes) != 1:
        what = "pw.x corrects the dipole of slabs only, which are periodic in two directions"
        raise InputError(what, where=where, hint="leave dipole_correction out")
    middle, width = widest_gap(frame, open_axes[0])
    width_A = width / float(np.linalg.norm(frame.cell.reciprocal().array[open_axes[0]]))
    if width_A < LEAST_VACUUM_A:
        what = f"the dipole correction needs {LEAST_VACUUM_A:g} Å of vacuum at least, and the slab has {width_A:.1f} Å"
        raise InputError(what, where=where, hint="put more vacuum into the cell")
    jump = round(min(JUMP, 0.5 * width), 6)
    return {
        "control": {"tefield": True, "dipfield": True},
        "system": {
            "edir": open_axes[0] + 1,
            "emaxpos": round((middle - 0.5 * jump) % 1.0, 6),
            "eopreg": jump,
            "eamp": 0.0,
        },
    }
