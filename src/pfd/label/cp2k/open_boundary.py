"""Directions in which a frame is not periodic: the Poisson solver, and where the atoms stand in their box."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pfd.errors import InputError
from pfd.frames import frame_id
from pfd.label.cp2k.settings import CP2KSettings

if TYPE_CHECKING:
    from ase import Atoms

DECAY_A = 1.5
"""How far beyond the outermost atoms, Å, the density is taken to reach where a frame is not periodic."""
AXES = "XYZ"


def periodicity(settings: CP2KSettings, frame: Atoms) -> str:
    """The directions that CP2K takes as periodic, such as XY, or NONE."""
    if settings.open_boundaries == "periodic":
        return AXES
    return "".join(axis for axis, flag in zip(AXES, frame.pbc, strict=True) if flag) or "NONE"


def poisson(settings: CP2KSettings, frame: Atoms) -> dict[str, Any]:
    """The section POISSON: ANALYTIC cuts the Coulomb interaction off in open directions."""
    periodic = periodicity(settings, frame)
    return {"POISSON": {"PERIODIC": periodic, "POISSON_SOLVER": "PERIODIC" if periodic == AXES else "ANALYTIC"}}


def centred(settings: CP2KSettings, frame: Atoms) -> np.ndarray:
    """The shift that puts the atoms into the middle of their box along open directions, Å.

    Raises:
        InputError: if the box is no place for a cut-off Coulomb interaction.
    """
    where = f"frame {frame_id(frame)}"
    shift = np.zeros(3)
    if frame.pbc.all() or settings.open_boundaries == "periodic":
        return shift
    fractional = np.linalg.solve(frame.cell.array.T, frame.positions.T).T
    lengths = frame.cell.lengths()
    for axis in np.flatnonzero(~frame.pbc):
        vector = frame.cell.array[axis]
        others = np.delete(frame.cell.array, axis, axis=0)
        if max(np.abs(np.delete(vector, axis)).max(), np.abs(others[:, axis]).max()) > 1e-6 * lengths.max():
            what = (
                f"the frame is not periodic along cell vector {axis + 1}, which does not lie along {AXES[axis].lower()}"
            )
            hint = "turn and straighten the cell, or write open_boundaries: periodic"
            raise InputError(f"{what}, at right angles to the others", where=where, hint=hint)
        low, high = fractional[:, axis].min(), fractional[:, axis].max()
        needed = 2.0 * ((high - low) * lengths[axis] + 2.0 * DECAY_A)
        if lengths[axis] < needed - 1e-6:
            what = f"the box is {lengths[axis]:.2f} Å along cell vector {axis + 1}, and cutting off the Coulomb"
            what += f" interaction of these atoms takes {needed:.2f} Å"
            raise InputError(what, where=where, hint="enlarge the box, or write open_boundaries: periodic")
        shift += (0.5 - (low + high) / 2.0) * vector
    return shift
