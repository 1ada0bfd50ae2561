"""Times and decisions as a person says them: the same words on the page and on the terminal."""

from __future__ import annotations

from datetime import UTC, datetime

ACTIONS = {"again": "again", "next_stage": "on to the next stage", "converged": "converged", "give_up": "given up"}
"""Decisions after an iteration; others are shown as they are."""


def duration(seconds: float) -> str:
    """A time span in its two largest units.

    >>> duration(8.4), duration(192), duration(7380), duration(200000)
    ('8 s', '3 min 12 s', '2 h 3 min', '2 d 7 h')
    """
    whole = round(seconds)
    for size, unit, part, small in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // part} {small}"
    return f"{whole} s"


def utc(time: float) -> str:
    """Unix time as a date that reads the same everywhere.

    >>> utc(0)
    '1970-01-01 00:00:00'
    """
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%S")


def place_in_words(place: str) -> str:
    """A place of tasks as a person says it.

    >>> place_in_words("finetune/iter-001/label"), place_in_words("start/teacher/adopt")
    ('finetune iteration 1, label', 'start teacher, adopt')
    """
    loop, part, *step = place.split("/")
    words = f"iteration {int(part.removeprefix('iter-'))}" if part.startswith("iter-") else part.replace("-", " ")
    return f"{loop} {words}, {' '.join(step).replace('-', ' ')}"


def left_in_words(step_s: float | None, iteration_s: float | None, loop_s: float | None = None) -> str:
    """What is left of a step, of its iteration, and of the loop at most.

    >>> left_in_words(70.0, None), left_in_words(70.0, 200.0), left_in_words(None, None)
    ('about 1 min 10 s left of this step', 'about 1 min 10 s left of this step, 3 min 20 s of the iteration', '')
    >>> left_in_words(70.0, 200.0, 800.0).partition(", 3 min 20 s of the iteration, ")[2]
    'at most 13 min 20 s of the loop'
    """
    if step_s is None:
        return ""
    iteration = f", {duration(iteration_s)} of the iteration" if iteration_s is not None else ""
    loop = f", at most {duration(loop_s)} of the loop" if loop_s is not None else ""
    return f"about {duration(step_s)} left of this step{iteration}{loop}"
