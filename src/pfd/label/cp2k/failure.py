"""How a run of CP2K failed: by the frame, by the input, or by something outside that a new attempt may outlive."""

from __future__ import annotations

from pfd.errors import PFDError
from pfd.label.cp2k.output import CP2KOutput
from pfd.label.engine_output import own_error, says_nothing
from pfd.label.program_failure import cut_short, ended_from_outside, failed_when_done
from pfd.program import Finished

FRAME = ("GEOMETRY wrong", "Cholesky", "CPASSERT failed")
"""What CP2K says of this one geometry before the SCF cycle (of an overlap matrix without a Cholesky decomposition in
two ways); another frame may well run."""


def failure_of(finished: Finished, output: CP2KOutput, where: str) -> PFDError | None:
    """What went wrong in a run, or None if the SCF cycle came to its end (converged or not).

    Exit codes alone tell little: up to 2023 CP2K ends with 0 where the cycle did not converge, and prints everything;
    since 2024 it aborts there, as it does on any mistake in the input.

    Args:
        finished: how the program ended.
        output: what its text says.
        where: the frame, for the error message.
    """
    if (outside := ended_from_outside(finished, "CP2K", where)) or output.converged is False:
        return outside
    failure = (
        own_error(output, "CP2K", where, FRAME)
        or cut_short(finished, "CP2K", where, started=output.started, done=output.done)
        or failed_when_done(finished, "CP2K", where)
    )
    return failure or says_nothing(output, "CP2K", where)
