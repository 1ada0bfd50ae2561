"""How a run of VASP failed: by the input, by the frame, in the SCF cycle, or by something outside."""

from __future__ import annotations

import re

from pfd.errors import InputError, LabelRejected, PFDError, TransientError
from pfd.label.program_failure import cut_short, ended_from_outside, failed_when_done
from pfd.label.vasp.output import VaspOutput
from pfd.program import Finished

DISK = ("error during write",)
"""What Fortran says of a full disk."""
CYCLE = {
    "Call to ZHEGV failed": "EDDDAV",
    "call to ZHEGV failed": "EDDRMM",
    "ZPOTRF": "LAPACK ZPOTRF",
    "call to ZHEEV": "EDDIAG",
    "Call to routine ZHEEV failed": "EDDIAG",
    "ERROR in subspace rotation": "subspace rotation",
    "the gradient is not orthogonal": "EDWAV",
    "BRMIX: very serious problems": "BRMIX",
}
"""What VASP says when the SCF cycle fails numerically -> the routine: another algorithm or mixing may succeed."""
SYMMETRY = (
    *("rotation matrix was not found", "subroutine SGRCON", "Found some non-integer element in rotation"),
    *("internal error in subroutine PRICEL", "internal error in subroutine IBZKPT", "PRICELV:", "POSMAP", "RHOSYG"),
    *("group operation missing", "Inconsistent Bravais lattice", "not all point group operations", "HNFORM:"),
    "Could not get correct shifts",
)
"""What VASP says where its search for symmetry fails, at this one geometry; another frame may well run."""
CUT = "is the disk full, or the stack small (ulimit -s unlimited)?"
TOO_FEW_BANDS = "TOO FEW BANDS"
"""What VASP says in a run that ends as usual, and whose highest band is occupied: its energy is too high."""
_BANNER = re.compile(r"\|\s+EEEEEEE  RRRRRR.*?\n(.*?)^ -{20,}", re.DOTALL | re.MULTILINE)
_PLAIN = (
    re.compile(r"Error reading item[^\n]*(?:\n\s*Error code[^\n]*)?"),
    re.compile(r"VERY BAD NEWS![^\n]*\n[^\n]*"),
    re.compile(r"^\s*(?:ERROR|Error)\b[^\n]*", re.MULTILINE),
    re.compile(r"^\s*forrtl: severe[^\n]*", re.MULTILINE),
)


def own_message(text: str) -> str:
    """VASP's own words about what stopped it: the box with the banner ERROR, else its line; or nothing."""
    for box in _BANNER.findall(text):
        lines = [line.strip().strip("|").strip() for line in box.splitlines()]
        words = [line for line in lines if line and "SICK JOB" not in line and not re.fullmatch(r"[ERO #]+", line)]
        if words:
            return " ".join(" ".join(words).split())
    for pattern in _PLAIN:
        if found := pattern.search(text):
            return " ".join(found[0].split())
    return ""


def failed_in_cycle(finished: Finished, output: VaspOutput, *, charged: bool) -> str:
    """The routine in which the SCF cycle failed numerically, or nothing: the run is worth another algorithm.

    A mixer that lost charge is one such sign even where the run ends as usual; of a charged frame it says so in the
    first step, whose density is that of neutral atoms, and nothing is wrong.
    """
    if ended_from_outside(finished, "VASP", "", DISK):
        return ""
    for words, routine in CYCLE.items():
        if words in finished.output and (not output.done or (routine == "BRMIX" and not charged)):
            return routine
    return ""


def failure_of(finished: Finished, output: VaspOutput, where: str) -> PFDError | None:
    """What went wrong in a run, or None if VASP came to its own end (converged or not).

    VASP 5 ends with code 0 also where it gave up, and its last lines stand in files that it may not have flushed: only
    both end marks count.

    Args:
        finished: how the program ended.
        output: what its files say.
        where: the frame, for the error message.
    """
    return (
        ended_from_outside(finished, "VASP", where, DISK)
        or _own_error(finished, output, where)
        or cut_short(finished, "VASP", where, started=output.started, done=output.done, hint=CUT)
        or failed_when_done(finished, "VASP", where)
    )


def _own_error(finished: Finished, output: VaspOutput, where: str) -> PFDError | None:
    """An error before the SCF cycle is one of the input, except those of the geometry; inside it, one of the frame.

    What the Fortran run time says (``forrtl``) is a crash, which less memory in use may spare the next attempt.
    """
    if TOO_FEW_BANDS in finished.output:
        return LabelRejected("VASP: too few bands", where=where, hint="raise NBANDS in finetune.label.incar")
    message = "" if output.done else own_message(finished.output)
    if not message:
        return None
    told = f"VASP: {message}"
    if any(words in finished.output for words in SYMMETRY):
        hint = "finetune.label.incar: {ISYM: 0} does without symmetry; it changes no label"
        return LabelRejected(told, where=where, hint=hint)
    if "forrtl: severe" in message:
        return TransientError(told, where=where, hint="is there enough memory and stack (ulimit -s unlimited)?")
    if output.iterating or "xchange-correlation table" in message:
        return LabelRejected(told, where=where, hint="look at the frame: are atoms too close?")
    return InputError(told, where=where, hint="mend the label section of the input")
