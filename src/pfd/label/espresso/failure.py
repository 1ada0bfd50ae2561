"""How a run of pw.x failed: by the frame, by the input, or by something outside that a new attempt may outlive."""

from __future__ import annotations

from pfd.errors import InputError, LabelRejected, PFDError, TransientError
from pfd.label.espresso.output import PwOutput
from pfd.label.program_failure import cut_short, ended_from_outside
from pfd.program import Finished


def failure_of(finished: Finished, output: PwOutput, where: str) -> PFDError | None:
    """What went wrong in a run, or None if pw.x came to its own end (converged or not).

    Exit codes alone tell little: pw.x ends with 2 if unconverged, and with 0 on a full disk, its output cut short.

    Args:
        finished: how the program ended.
        output: what its text says.
        where: the frame, for the error message.
    """
    failure = (
        ended_from_outside(finished, "pw.x", where)
        or _own_error(output, where)
        or cut_short(finished, "pw.x", where, started=output.started, done=output.done)
    )
    if failure is None and output.converged is None:
        return LabelRejected("pw.x does not say that it converged", where=where, hint="look into its output")
    return failure


def _own_error(output: PwOutput, where: str) -> PFDError | None:
    """An error before the SCF cycle is one of the input, except atoms that overlap; inside it, one of the frame.

    Of disk and time it speaks in the same way.
    """
    if not output.error:
        return None
    if "error while writing" in output.error.lower():
        return TransientError(f"the disk is full: {output.error}", where=where, hint="free some space")
    if output.error == "Maximum CPU time exceeded":
        return TransientError("pw.x: maximum CPU time exceeded", where=where, hint="raise control.max_seconds")
    if output.iterating or "overlap" in output.error:
        return LabelRejected(f"pw.x: {output.error}", where=where, hint="look at the frame: is it sane?")
    return InputError(f"pw.x: {output.error}", where=where, hint="mend the label section of the input")
