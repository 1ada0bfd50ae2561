"""One labelled set at the gate: its frames, what they are called, and what a model says of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from pfd.arrays import Forces
from pfd.errors import DataError
from pfd.frames import Labels, frame_id, labels_of
from pfd.frames.sane import problem_of

if TYPE_CHECKING:
    from ase import Atoms

FORCE_THAT_COUNTS_EV_PER_A = 0.1
"""Smaller forces are not asked whether they follow the structure: near a minimum, what any simple relation leaves
unexplained is as large as they are (relaxed surfaces of silicon, RMS force 0.03 eV/Å: no relation to be seen)."""


def counts(forces: Forces) -> bool:
    """Whether the RMS force of a frame is large enough to be asked whether it follows the structure."""
    return float(np.sqrt((forces**2).sum(axis=1).mean())) >= FORCE_THAT_COUNTS_EV_PER_A


LARGEST_FORCE_EV_PER_A = 1e5
"""Larger forces are none of a structure: a unit was mistaken, or a file is damaged."""


def require_sane(labelled: LabelledSet) -> None:
    """Refuse a set with a frame of which nothing can be asked.

    Raises:
        DataError: naming the first: no atoms, numbers that are none, a flat cell, sizes and forces that no frame has.
    """
    if not labelled.frames:
        raise DataError("no frames", where=labelled.name, hint="check the file")
    for index, frame in enumerate(labelled.frames):
        if problem := _senseless(frame):
            raise DataError(problem, where=f"{labelled.name}: frame {index}", hint="leave this frame out, or mend it")


def _senseless(frame: Atoms) -> str:
    if problem := problem_of(frame):
        return problem
    forces = labels_of(frame).forces
    if forces is not None and np.abs(forces[np.isfinite(forces)]).max(initial=0.0) > LARGEST_FORCE_EV_PER_A:
        return f"forces of more than {LARGEST_FORCE_EV_PER_A:g} eV/Å"
    return ""


@dataclass(frozen=True)
class LabelledSet:
    """Frames of one file.

    Attributes:
        name: how messages call it.
        frames: those that may be used, in the order of the file.
        predicted: number of a frame -> what the model says of it; empty without a model.
        model: how messages call the model.
        left_out: one reason for each frame that may not be used.
    """

    name: str
    frames: list[Atoms]
    predicted: dict[int, Labels] = field(default_factory=dict)
    model: str = ""
    left_out: tuple[str, ...] = ()

    def called(self, index: int) -> str:
        """A frame's name: file, number from 0 among those that may be used, and id."""
        return f"{self.name} {self.short(index)}"

    def short(self, index: int) -> str:
        """A frame's name where the file is told already."""
        return f"frame {index} ({frame_id(self.frames[index])})"

    def forces(self) -> Iterator[tuple[int, Atoms, Forces]]:
        """Number, frame and forces (eV/Å) of each frame that is labelled with forces."""
        for index, frame in enumerate(self.frames):
            forces = labels_of(frame).forces
            if forces is not None and len(frame):
                yield index, frame, forces

    def compared(self) -> Iterator[tuple[int, Atoms, Labels, Labels]]:
        """Number, frame, labels and finite prediction of each frame that has one."""
        for index, prediction in sorted(self.predicted.items()):
            if prediction.energy is None or prediction.forces is None:
                continue
            if np.isfinite(prediction.energy) and np.isfinite(prediction.forces).all():
                yield index, self.frames[index], labels_of(self.frames[index]), prediction
