"""How a run of ABACUS failed: by the frame, by the input, or by something outside that a new attempt may outlive."""

from __future__ import annotations

from pfd.errors import InputError, LabelRejected, MissingError, PFDError, TransientError
from pfd.label.abacus_output import AbacusOutput
from pfd.label.engine_program import last_words
from pfd.program import Finished

DISK = ("No space left on device", "Disk quota exceeded")
KILLED = ("KILLED BY SIGNAL: 9", "signal 9 (Killed)", "oom-kill", "Out Of Memory", "CANCELLED AT", "std::bad_alloc")
FRAME = ("structure is unreasonable", "too close", "atoms are overlap")
"""What ABACUS says before the SCF cycle of this one geometry; another frame may well run."""


def failure_of(finished: Finished, output: AbacusOutput, where: str) -> PFDError | None:
    """What went wrong in a run, or None if ABACUS came to its own end (converged or not).

    Exit codes alone tell little: older versions end with 0 also where they gave up, and print the final energy then.

    Args:
        finished: how the program ended.
        output: what its log says.
        where: the frame, for the error message.
    """
    return _ended_from_outside(finished, where) or _own_error(output, where) or _cut_short(finished, output, where)


def _ended_from_outside(finished: Finished, where: str) -> PFDError | None:
    if finished.timed_out:
        hint = "raise label.wall_time, or give ABACUS more cores with label.command"
        return TransientError(
            f"ABACUS was ended after {finished.seconds:.0f} s, its time limit", where=where, hint=hint
        )
    if any(words in finished.output for words in DISK):
        return TransientError(f"the disk is full: {last_words(finished)}", where=where, hint="free some space")
    if finished.killed or any(words in finished.output for words in KILLED):
        return TransientError(f"ABACUS was killed (code {finished.code})", where=where, hint="was there enough memory?")
    return None


def _own_error(output: AbacusOutput, where: str) -> PFDError | None:
    """An error before the SCF cycle is one of the input, except that of the geometry; inside it, one of the frame."""
    if not output.error:
        return None
    told = f"ABACUS: {output.error}"
    if output.iterating or any(words in output.error for words in FRAME):
        return LabelRejected(told, where=where, hint="look at the frame: is it sane?")
    return InputError(told, where=where, hint="mend the label section of the input")


def _cut_short(finished: Finished, output: AbacusOutput, where: str) -> PFDError | None:
    if not output.started and finished.code in {126, 127}:
        what = f"the command could not be run: {last_words(finished)}"
        return MissingError(what, where="label.command", hint="is ABACUS installed in full? try it by hand")
    if not output.done:
        what = "the log of ABACUS ends early" if output.started else "ABACUS wrote no log"
        what = f"{what} (code {finished.code}); its last words: {last_words(finished) or 'none'}"
        return TransientError(what, where=where, hint="is the disk full?")
    if finished.code != 0:
        what = f"ABACUS ended with code {finished.code} although its log is complete"
        return TransientError(what, where=where, hint=f"look at its last words: {last_words(finished)}")
    if output.converged is None:
        return LabelRejected("ABACUS does not say that it converged", where=where, hint="look into its log")
    return None
