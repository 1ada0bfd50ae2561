"""How a run of pw.x failed: by the frame, by the input, or by something outside that a new attempt may outlive."""

from __future__ import annotations

from pfd.errors import InputError, LabelRejected, MissingError, PFDError, TransientError
from pfd.label.engine_program import last_words
from pfd.label.espresso_output import PwOutput
from pfd.program import Finished


def failure_of(finished: Finished, output: PwOutput, where: str) -> PFDError | None:
    """What went wrong in a run, or None if pw.x came to its own end (converged or not).

    Exit codes alone tell little: pw.x ends with 2 if unconverged, and with 0 on a full disk, its output cut short.

    Args:
        finished: how the program ended.
        output: what its text says.
        where: the frame, for the error message.
    """
    return (
        _ended_from_outside(finished, output, where) or _own_error(output, where) or _cut_short(finished, output, where)
    )


def _ended_from_outside(finished: Finished, output: PwOutput, where: str) -> PFDError | None:
    if finished.timed_out:
        hint = "raise label.wall_time, or give pw.x more cores with label.command"
        return TransientError(f"pw.x was ended after {finished.seconds:.0f} s, its time limit", where=where, hint=hint)
    if "No space left on device" in finished.output or "error while writing" in output.error.lower():
        what = output.error or last_words(finished)
        return TransientError(f"the disk is full: {what}", where=where, hint="free some space")
    if output.error == "Maximum CPU time exceeded":
        return TransientError("pw.x: maximum CPU time exceeded", where=where, hint="raise control.max_seconds")
    if finished.killed:
        return TransientError(f"pw.x was killed (code {finished.code})", where=where, hint="was there enough memory?")
    return None


def _own_error(output: PwOutput, where: str) -> PFDError | None:
    """An error before the SCF cycle is one of the input, except atoms that overlap; inside it, one of the frame."""
    if not output.error:
        return None
    if output.iterating or "overlap" in output.error:
        return LabelRejected(f"pw.x: {output.error}", where=where, hint="look at the frame: is it sane?")
    return InputError(f"pw.x: {output.error}", where=where, hint="mend the label section of the input")


def _cut_short(finished: Finished, output: PwOutput, where: str) -> PFDError | None:
    if not output.started and finished.code in {126, 127}:
        what = f"the command could not be run: {last_words(finished)}"
        return MissingError(what, where="label.command", hint="is pw.x installed in full? try it by hand")
    if not output.done:
        what = f"the output of pw.x ends early (code {finished.code})" if output.started else "pw.x wrote no output"
        what = f"{what}; its last words: {last_words(finished) or 'none'}"
        return TransientError(what, where=where, hint="is the disk full?")
    if output.converged is None:
        return LabelRejected("pw.x does not say that it converged", where=where, hint="look into its output")
    return None
