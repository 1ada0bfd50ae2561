"""How a run of pw.x failed: by the frame, by the input, or by something outside that a new attempt may outlive."""

from __future__ import annotations

from pfd.errors import PFDError, TransientError
from pfd.label.engine_output import own_error, says_nothing
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
        or _disk_or_time(output, where)
        or own_error(output, "pw.x", where, ("overlap",))
        or cut_short(finished, "pw.x", where, started=output.started, done=output.done)
    )
    return failure or says_nothing(output, "pw.x", where)


def _disk_or_time(output: PwOutput, where: str) -> PFDError | None:
    """Of disk and time pw.x speaks as of errors."""
    if "error while writing" in output.error.lower():
        return TransientError(f"the disk is full: {output.error}", where=where, hint="free some space")
    if output.error == "Maximum CPU time exceeded":
        return TransientError("pw.x: maximum CPU time exceeded", where=where, hint="raise control.max_seconds")
    return None
