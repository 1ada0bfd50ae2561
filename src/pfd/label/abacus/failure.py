"""How a run of ABACUS failed: by the frame, by the input, or by something outside that a new attempt may outlive."""

from __future__ import annotations

from pfd.errors import InputError, LabelRejected, PFDError
from pfd.label.abacus.output import AbacusOutput
from pfd.label.program_failure import cut_short, ended_from_outside, failed_when_done
from pfd.program import Finished

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
    failure = (
        ended_from_outside(finished, "ABACUS", where)
        or _own_error(output, where)
        or cut_short(finished, "ABACUS", where, started=output.started, done=output.done)
        or failed_when_done(finished, "ABACUS", where)
    )
    if failure is None and output.converged is None:
        return LabelRejected("ABACUS does not say that it converged", where=where, hint="look into its log")
    return failure


def _own_error(output: AbacusOutput, where: str) -> PFDError | None:
    """An error before the SCF cycle is one of the input, except that of the geometry; inside it, one of the frame."""
    if not output.error:
        return None
    told = f"ABACUS: {output.error}"
    if output.iterating or any(words in output.error for words in FRAME):
        return LabelRejected(told, where=where, hint="look at the frame: is it sane?")
    return InputError(told, where=where, hint="mend the label section of the input")
