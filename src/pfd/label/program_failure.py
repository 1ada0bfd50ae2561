"""How a run of an engine's program failed by nothing of its own: ended from outside, not started, or cut short."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pfd.errors import LabelRejected, MissingError, PFDError, TransientError
from pfd.label.engine_program import last_words
from pfd.program import Finished

DISK = ("No space left on device", "Disk quota exceeded", "[Errno 28]", "ENOSPC", "disk full", "Disk full")
NO_SPACE_BYTES = 64 * 1024
"""A disk with less space than that is full: no label fits on it."""
KILLED = ("KILLED BY SIGNAL: 9", "signal 9 (Killed)", "oom-kill", "Out Of Memory", "CANCELLED AT", "std::bad_alloc")


def ended_from_outside(
    finished: Finished, program: str, where: str, more_of_disk: tuple[str, ...] = ()
) -> PFDError | None:
    """A time limit, a full disk, or a kill, by the program's exit and what it, MPI, or the queue printed.

    Args:
        finished: how the program ended.
        program: its name, for the message.
        where: the frame.
        more_of_disk: the program's own words for a disk that is full.
    """
    if finished.timed_out:
        hint = f"raise finetune.label.wall_time, or give {program} more cores with finetune.label.command"
        what = f"{program} was ended after {finished.seconds:.0f} s, its time limit"
        return TransientError(what, where=where, hint=hint)
    if any(words in finished.output for words in (*DISK, *more_of_disk)):
        return TransientError(f"the disk is full: {last_words(finished)}", where=where, hint="free some space")
    if finished.killed or any(words in finished.output for words in KILLED):
        what = f"{program} was killed (code {finished.code})"
        return TransientError(what, where=where, hint="was there enough memory?")
    return None


@contextmanager
def unless_disk_full(folder: Path, where: str) -> Iterator[None]:
    """Within it, a label that is rejected while a disk is full is no verdict on the frame, and is made again.

    Args:
        folder: where the program worked; the disk of temporary files is looked at too.
        where: the frame.

    Raises:
        TransientError: instead of the rejection.
    """
    try:
        yield
    except LabelRejected as rejected:
        told = any(words in rejected.what for words in DISK)
        full = [disk for disk in (folder, Path(tempfile.gettempdir())) if _is_full(disk)]
        if not told and not full:
            raise
        what = f"{'the disk' if told else f'the disk of {full[0]}'} is full: {rejected.what}"
        raise TransientError(what, where=where, hint="free some space") from rejected


def _is_full(folder: Path) -> bool:
    """Whether no space, or no file, is left for us on the disk of a folder."""
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize < NO_SPACE_BYTES or (disk.f_files > 0 and disk.f_favail == 0)


def cut_short(
    finished: Finished, program: str, where: str, *, started: bool, done: bool, hint: str = "is the disk full?"
) -> PFDError | None:
    """A command that could not be run, or an output without its end.

    Args:
        finished: how the program ended.
        program: its name, for the message.
        where: the frame.
        started: whether the program wrote anything.
        done: whether its output has its end mark.
        hint: what may have cut it.
    """
    words = last_words(finished)
    if not started and finished.code in {126, 127}:
        what = f"the command could not be run: {words}"
        return MissingError(
            what, where="finetune.label.command", hint=f"is {program} installed in full? try it by hand"
        )
    if not done:
        what = f"the output of {program} ends early" if started else f"{program} wrote no output"
        what = f"{what} (code {finished.code}); its last words: {words or 'none'}"
        return TransientError(what, where=where, hint=hint)
    return None


def failed_when_done(finished: Finished, program: str, where: str) -> PFDError | None:
    """An exit code that contradicts an output that is complete."""
    if finished.code == 0:
        return None
    what = f"{program} ended with code {finished.code} although its output is complete"
    return TransientError(what, where=where, hint=f"look at its last words: {last_words(finished)}")
