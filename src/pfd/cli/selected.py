"""What a run that was paused after selection would label: how many frames, and the files that hold them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pfd.tasks.folder import TaskFolder
from pfd.wording import counted

PURPOSES = {"test": "the test set"}
"""What frames are for, by the part of a loop that chose them; of any other part, for training."""


class Chosen(NamedTuple):
    """Frames that one task chose."""

    purpose: str
    frames: int
    file: Path


def chosen_frames(run: Path, tasks: Sequence[TaskFolder]) -> list[Chosen]:
    """What the selecting tasks chose, training first.

    Args:
        run: the run folder.
        tasks: those that the submission used.
    """
    found = []
    for folder in tasks:
        _, part, step = folder.path.relative_to(run).parts[:3]
        if step == "select" and folder.done():
            outputs = folder.path / "outputs"
            frames = sum(1 for _ in (outputs / "frames").iterdir())
            found.append(Chosen(PURPOSES.get(part, "training"), frames, outputs / "selected.extxyz"))
    return sorted(found, key=lambda chosen: chosen.purpose in PURPOSES.values())


def say_chosen(chosen: Sequence[Chosen]) -> list[str]:
    """Lines for a person."""
    if not chosen:
        return []
    sums = ", ".join(f"{counted(each.frames, 'frame')} for {each.purpose}" for each in chosen)
    later = "" if any(each.purpose in PURPOSES.values() for each in chosen) else "; the test set is chosen later"
    return [f"to be labelled: {sums}{later}", *(f"  {each.file}" for each in chosen)]
