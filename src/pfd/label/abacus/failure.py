"""How a run of ABACUS failed: by the frame, by the input, or by something outside that a new attempt may outlive."""

from __future__ import annotations

from pfd.errors import PFDError
from pfd.label.abacus.output import AbacusOutput
from pfd.label.engine_output import own_error, says_nothing
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
        or own_error(output, "ABACUS", where, FRAME)
        or cut_short(finished, "ABACUS", where, started=output.started, done=output.done)
        or failed_when_done(finished, "ABACUS", where)
    )
    return failure or says_nothing(output, "ABACUS", where)
