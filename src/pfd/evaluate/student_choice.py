"""Which of several students to take: the fastest that is accurate enough."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from pfd.settings import Settings

ALIKE = 1.1
"""Two students whose times differ by less than this factor are equally fast: a clock on a busy machine knows no better,
and the more accurate one is taken."""


class StudentTrial(Settings):
    """One student that was fitted, judged and timed."""

    name: str
    """Its family and size, such as ``pod S``."""
    family: str
    """Its family."""
    parameters: int | None = None
    """How many numbers were fitted; None if the fit failed."""
    force_rmse_meV_per_A: float | None = None
    """Against the teacher, on distillation's test set; None if the fit failed, or no prediction is finite."""
    force_rmse_relative: float | None = None
    """The same over the RMS force."""
    energy_rmse_meV_per_atom: float | None = None
    """Of the energy per atom."""
    us_per_atom_step: float | None = None
    """Microseconds per atom and MD step on one thread; None if it could not be timed."""
    passed: bool = False
    """Whether it meets every limit of ``converge``."""
    failed: str = ""
    """Why it was not fitted, or not timed."""
    chosen: bool = False
    """Whether it is the student."""


class Choice(NamedTuple):
    """What was chosen, and why."""

    place: int
    reason: str


def choose_student(trials: Sequence[StudentTrial]) -> Choice | None:
    """The fastest student that passed; without one, the most accurate; None if none was fitted.

    Of those that pass and are as fast as the fastest (``ALIKE``), the most accurate is taken. A student that could not
    be timed is taken to be the slowest.
    """
    fitted = [index for index, trial in enumerate(trials) if trial.force_rmse_meV_per_A is not None]
    if not fitted:
        return None
    good = [index for index in fitted if trials[index].passed]
    if not good:
        best = min(fitted, key=lambda index: (_error(trials[index]), index))
        return Choice(best, f"none of {len(fitted)} meets converge: {_told(trials[best])} is the most accurate")
    fastest = min(_time(trials[index]) for index in good)
    quick = [index for index in good if _time(trials[index]) <= ALIKE * fastest]
    best = min(quick, key=lambda index: (_error(trials[index]), index))
    which = f"the fastest of {len(good)} that do" if len(good) > 1 else "the only one that does"
    return Choice(best, f"{len(good)} of {len(fitted)} meet converge: {_told(trials[best])} is {which}")


def _time(trial: StudentTrial) -> float:
    return math.inf if trial.us_per_atom_step is None else trial.us_per_atom_step


def _error(trial: StudentTrial) -> float:
    return math.inf if trial.force_rmse_meV_per_A is None else trial.force_rmse_meV_per_A


def _told(trial: StudentTrial) -> str:
    speed = "" if trial.us_per_atom_step is None else f", {trial.us_per_atom_step:.3g} µs per atom and step"
    return f"{trial.name} ({_error(trial):.3g} meV/Å{speed})"
