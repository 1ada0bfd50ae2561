"""What every engine's output tells of one static run, and what its own error message means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pfd.errors import InputError, LabelRejected, PFDError
from pfd.frames import Labels

if TYPE_CHECKING:
    from ase import Atoms


@dataclass(frozen=True, kw_only=True)
class EngineOutput:
    """One static run; arrays are in the order of atoms of the engine's input.

    Attributes:
        started: whether the engine came to life at all.
        iterating: whether it came as far as the SCF cycle.
        done: whether its output ends as it should.
        converged: True, False, or None if it says neither.
        scf_steps: SCF steps done.
        error: its own words about what stopped it, or nothing.
        labels: energy, forces, stress; each None if it is not there in full.
        echoed: the atoms as the engine understood them, None if not told.
        total_magmom: final total moment, Bohr magnetons; None without spin.
    """

    started: bool
    iterating: bool
    done: bool
    converged: bool | None
    scf_steps: int | None
    error: str
    labels: Labels
    echoed: Atoms | None
    total_magmom: float | None = None


def own_error(output: EngineOutput, program: str, where: str, of_frame: tuple[str, ...]) -> PFDError | None:
    """An error before the SCF cycle is one of the input, except that of the geometry; inside it, one of the frame.

    Args:
        output: what the engine said.
        program: its name, for the message.
        where: the frame.
        of_frame: what it says before the SCF cycle of this one geometry; another frame may well run.
    """
    if not output.error:
        return None
    told = f"{program}: {output.error}"
    if output.iterating or any(words in output.error for words in of_frame):
        return LabelRejected(told, where=where, hint="look at the frame: is it sane?")
    return InputError(told, where=where, hint="mend the label section of the input")


def says_nothing(output: EngineOutput, program: str, where: str) -> PFDError | None:
    """A run that ended well and does not say whether it converged is no label."""
    if output.converged is not None:
        return None
    return LabelRejected(f"{program} does not say that it converged", where=where, hint="look into its output")
