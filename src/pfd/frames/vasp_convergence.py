"""Which ionic steps of a VASP run did not converge electronically, whatever the file says of itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pfd.errors import DataError

_LIMIT = re.compile(r"\bNELM\s*=\s*(\d+)|name=\"NELM\">\s*(\d+)")
_ITERATION = re.compile(r"-\s+Iteration\s*\d+\(\s*(\d+)\)")
_FORCES = "TOTAL-FORCE (eV/Angst)"


@dataclass
class IonicStep:
    """Electronic steps of one geometry, and whether VASP itself said that they did not suffice."""

    scf_steps: int = 0
    said_unconverged: bool = False


def unconverged_steps(path: Path, frames: int) -> dict[int, str]:
    """Index and reason of each ionic step that must not be trained on.

    A step counts as converged only if it took fewer electronic steps than NELM: VASP 5 prints "EDIFF is reached"
    even when it stops at NELM, and vasprun.xml says nothing. VASP 6 says "EDIFF was not reached".

    Args:
        path: OUTCAR or vasprun.xml (by its content).
        frames: how many frames were read from it.

    Raises:
        DataError: if NELM, or the electronic steps of a frame, are not in the file.
    """
    limit, steps = scan_steps(path)
    if limit is None:
        raise DataError("no NELM in this file, so convergence cannot be told", where=str(path), hint="is it complete?")
    if len(steps) < frames:
        raise DataError(
            f"{frames} frames, but electronic steps of {len(steps)} only", where=str(path), hint="is it cut?"
        )
    reasons = {}
    for index, step in enumerate(steps[:frames]):
        if step.scf_steps == 0:
            reasons[index] = "no electronic steps were done (a step of VASP's own machine-learned force field?)"
        elif step.scf_steps >= limit:
            reasons[index] = f"the SCF cycle took {step.scf_steps} steps and NELM is {limit}: unconverged"
        elif step.said_unconverged:
            reasons[index] = "VASP says that EDIFF was not reached: unconverged"
    return reasons


def scan_steps(path: Path) -> tuple[int | None, list[IonicStep]]:
    """NELM, and every ionic step that came to its end, of an OUTCAR or vasprun.xml.

    Args:
        path: OUTCAR or vasprun.xml (by its content), complete or not.
    """
    limit: int | None = None
    steps: list[IonicStep] = []
    current = IonicStep()
    for line in _lines(path):
        if limit is None and "NELM" in line and (found := _LIMIT.search(line)):
            limit = int(found[1] or found[2])
        elif "Iteration" in line and (found := _ITERATION.search(line)):
            current.scf_steps = int(found[1])
        elif "<scstep>" in line:
            current.scf_steps += 1
        elif "EDIFF was not reached" in line:
            current.said_unconverged = True
        elif "<calculation>" in line:
            current = IonicStep()
        elif _FORCES in line or "</calculation>" in line:
            steps.append(current)
            current = IonicStep()
    return limit, steps


def _lines(path: Path) -> Iterator[str]:
    if path.suffix in {".gz", ".bz2", ".xz"}:
        raise DataError("compressed VASP output", where=str(path), hint=f"unpack it first: {path.name}")
    with path.open(encoding="utf-8", errors="replace") as stream:
        yield from stream
