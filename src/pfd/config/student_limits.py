"""What the student, and LAMMPS where it runs there, cannot do: told before the teacher has been paid for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pfd.config.reading import ResolvedInput, at
from pfd.errors import DataError
from pfd.frames import frame_id
from pfd.models.family import Family

if TYPE_CHECKING:
    from ase import Atoms


def check_student_elements(
    resolved: ResolvedInput, explored: Sequence[Atoms], test: Sequence[Atoms], key: str = "evaluate.test_file"
) -> None:
    """Refuse a test set with an element that the student will never have seen: it is fitted to what is explored.

    Args:
        resolved: the input.
        explored: the frames that exploration starts from, and those of the pools.
        test: the user's test set.
        key: where the input names it.

    Raises:
        DataError: naming the elements.
    """
    foreign = sorted(_elements(test) - _elements(explored))
    if resolved.student is not None and foreign:
        raise DataError(
            f"the student will not know {', '.join(foreign)}: it is fitted to what is explored, which has none",
            where=resolved.place(key),
            hint="explore a structure with these elements too, or leave such frames out",
        )


def check_lammps(resolved: ResolvedInput, moving: Mapping[str, Sequence[Atoms]], all_frames: Sequence[Atoms]) -> None:
    """Refuse constraints and masses that a model which runs in LAMMPS cannot be run with.

    Args:
        resolved: the input.
        moving: ``finetune`` and ``distill`` -> the frames that MD starts from there.
        all_frames: everything that a model will have to predict.

    Raises:
        DataError: naming the family, the constraint or element, and the frame.
    """
    drivers: dict[str, list[Family | None]] = {
        "finetune": [resolved.teacher],
        "distill": [resolved.teacher, resolved.student],
    }
    for loop, frames in moving.items():
        for family in drivers[loop]:
            if family is not None and runs_in_lammps(family):
                with at(resolved, f"{loop}.explore"):
                    _refuse_partly_fixed(frames, family)
    for family in (resolved.teacher, resolved.student):
        if family is not None and runs_in_lammps(family):
            with at(resolved, "structures"):
                _refuse_isotopes(all_frames, family)


def runs_in_lammps(family: Family) -> bool:
    """Whether the MD of a family's models is done by LAMMPS."""
    return type(family).lammps_potential is not Family.lammps_potential


def _refuse_partly_fixed(frames: Sequence[Atoms], family: Family) -> None:
    from ase.constraints import FixAtoms

    for frame in frames:
        for constraint in frame.constraints:
            if not isinstance(constraint, FixAtoms):
                raise DataError(
                    f"{type(constraint).__name__} in frame {frame_id(frame)}: MD of {family.name!r} is done by LAMMPS, "
                    "which here keeps whole atoms fixed only",
                    hint="fix these atoms altogether (FixAtoms), free them, or choose a student that runs in ASE",
                )


def _refuse_isotopes(frames: Sequence[Atoms], family: Family) -> None:
    for frame in frames:
        masses = frame.get_masses()
        for number in np.unique(frame.numbers):
            if np.ptp(masses[frame.numbers == number]) > 0.0:
                symbol = frame.symbols[int(np.flatnonzero(frame.numbers == number)[0])]
                raise DataError(
                    f"atoms of {symbol} in frame {frame_id(frame)} have different masses, which {family.name!r} in "
                    "LAMMPS cannot tell apart",
                    hint="give all atoms of an element one mass, or choose a student that runs in ASE",
                )


def _elements(frames: Sequence[Atoms]) -> set[str]:
    return {symbol for frame in frames for symbol in frame.get_chemical_symbols()}
