"""How a run of an engine's program failed by nothing of its own: ended from outside, not started, or cut short."""

from __future__ import annotations

from pfd.errors import MissingError, PFDError, TransientError
from pfd.label.engine_program import last_words
from pfd.program import Finished

DISK = ("No space left on device", "Disk quota exceeded")
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
        hint = f"raise label.wall_time, or give {program} more cores with label.command"
        what = f"{program} was ended after {finished.seconds:.0f} s, its time limit"
        return TransientError(what, where=where, hint=hint)
    if any(words in finished.output for words in (*DISK, *more_of_disk)):
        return TransientError(f"the disk is full: {last_words(finished)}", where=where, hint="free some space")
    if finished.killed or any(words in finished.output for words in KILLED):
        what = f"{program} was killed (code {finished.code})"
        return TransientError(what, where=where, hint="was there enough memory?")
    return None


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
        return MissingError(what, where="label.command", hint=f"is {program} installed in full? try it by hand")
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
