"""Whether an engine gives what the trained model gives: asked after every fit and export of a file that it reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pfd.errors import TaskFailed
from pfd.frames import Labels
from pfd.lammps.session import LammpsPotential, LammpsSession

if TYPE_CHECKING:
    from ase import Atoms

OFF_EV_PER_A = 1e-4
"""Largest difference of a force component, eV/Å, and of an energy per atom, eV, between a model and its file."""


def require_agreement(
    engine: str, found: Sequence[Labels], model: Sequence[Labels], frames: Sequence[Atoms], hint: str
) -> None:
    """Refuse a file with which an engine gives other energies or forces than the model that was written into it.

    Args:
        engine: what to call it.
        found: what the engine gives, frame by frame.
        model: what the model gives.
        frames: the frames.
        hint: what to try.

    Raises:
        TaskFailed: with both differences, of the first frame where one is above 1e-4 eV per atom or eV/Å.
    """
    for one, other, frame in zip(found, model, frames, strict=True):
        off_energy = abs(float(one.energy or 0.0) - float(other.energy or 0.0)) / len(frame)
        off_force = float(np.abs(np.asarray(one.forces) - np.asarray(other.forces)).max())
        if not (off_energy <= OFF_EV_PER_A and off_force <= OFF_EV_PER_A):
            what = f"{engine} is off the model by {off_energy:.1e} eV/atom and {off_force:.1e} eV/Å"
            raise TaskFailed(what, where=f"frame {frame.info.get('id', '')}", hint=hint)


def require_agreement_in_lammps(
    potential: LammpsPotential, model: Sequence[Labels], frames: Sequence[Atoms], hint: str
) -> None:
    """The same of LAMMPS with a pair style.

    Raises:
        TaskFailed: with both differences.
    """
    found = []
    with LammpsSession(potential) as session:
        for frame in frames:
            session.place(frame)
            energy, forces, _ = session.evaluate()
            found.append(Labels(energy, forces))
    require_agreement("LAMMPS", found, model, frames, hint)
