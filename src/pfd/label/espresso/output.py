"""Read what pw.x wrote: how it ended, energy, forces, stress, and the geometry as it understood it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pfd.frames import Labels
from pfd.label.engine_output import EngineOutput
from pfd.units import A_PER_BOHR, EV_PER_RYDBERG
from pfd.voigt import to_voigt

if TYPE_CHECKING:
    from ase import Atoms

_NUMBER = r"(-?\d+\.\d+)"
_DECIMAL = re.compile(r"-?\d+\.\d{8}")


@dataclass(frozen=True, kw_only=True)
class PwOutput(EngineOutput):
    """One run of pw.x, as its text tells; no total moment is told of moments that are vectors.

    Attributes:
        local_magmoms: final moments in spheres about the atoms, Bohr magnetons; None as above, or not told in full.
    """

    local_magmoms: np.ndarray | None = None


def read_pw_output(text: str) -> PwOutput:
    """Read the text of a single-point run; what is missing or garbled is None, and nothing is guessed."""
    good = re.findall(r"convergence has been achieved in\s+(\d+) iterations", text)
    bad = re.findall(r"convergence NOT achieved after\s+(\d+) iterations", text)
    steps = [int(count) for count in (*good, *bad)]
    echoed = _geometry(text)
    atoms = _count_atoms(text)
    return PwOutput(
        started="Program PWSCF" in text,
        iterating="Self-consistent Calculation" in text,
        done="JOB DONE." in text,
        converged=False if bad else (True if good else None),
        scf_steps=steps[-1] if steps else None,
        error=_error_message(text),
        labels=Labels(_energy(text), _forces(text, atoms), _stress(text)),
        echoed=echoed,
        total_magmom=_total_magmom(text),
        local_magmoms=_local_magmoms(text, atoms),
    )


def _error_message(text: str) -> str:
    found = re.search(r"Error in routine\s+(.*?)\n(.*?)\n\s*%%%", text, re.DOTALL)
    if not found:
        return "Maximum CPU time exceeded" if "Maximum CPU time exceeded" in text else ""
    return f"Error in routine {found[1].strip()} {' '.join(found[2].split())}"


def _count_atoms(text: str) -> int:
    found = re.search(r"number of atoms/cell\s*=\s*(\d+)", text)
    return int(found[1]) if found else 0


def _energy(text: str) -> float | None:
    """The line with the exclamation mark, eV: with smearing it is F = E - TS, whose gradient the forces are."""
    found = re.findall(rf"^!\s+total energy\s+=\s*{_NUMBER} Ry", text, re.MULTILINE)
    return float(found[-1]) * EV_PER_RYDBERG if found else None


def _forces(text: str, atoms: int) -> np.ndarray | None:
    """Total forces, eV/Å; the contributions that verbose output lists after them are left alone."""
    _, header, rest = text.rpartition("Forces acting on atoms (cartesian axes, Ry/au):")
    rows = [_DECIMAL.findall(line) for line in re.findall(r"^ +atom +\d+ +type +\d+ +force =(.*)$", rest, re.MULTILINE)]
    rows = rows[:atoms]
    if not header or not atoms or len(rows) != atoms or any(len(row) != 3 for row in rows):
        return None
    return np.array(rows, dtype=float) * EV_PER_RYDBERG / A_PER_BOHR


def _stress(text: str) -> np.ndarray | None:
    """eV/Å^3 in Voigt order from the columns in Ry/bohr^3; pw.x counts compression as positive, ASE tension."""
    _, header, rest = text.rpartition("total   stress  (Ry/bohr**3)")
    rows = [_DECIMAL.findall(line)[:3] for line in rest.splitlines()[1:4]]
    if not header or len(rows) != 3 or any(len(row) != 3 for row in rows):
        return None
    return to_voigt(-np.array(rows, dtype=float) * EV_PER_RYDBERG / A_PER_BOHR**3)


def _total_magmom(text: str) -> float | None:
    found = re.findall(rf"^ +total magnetization +=\s*{_NUMBER} Bohr mag/cell", text, re.MULTILINE)
    return float(found[-1]) if found else None


def _local_magmoms(text: str, atoms: int) -> np.ndarray | None:
    """The last list of them; pw.x 6 writes ``magn:``, pw.x 7 ``magn=``."""
    _, header, rest = text.rpartition("Magnetic moment per site")
    rows = [
        re.match(rf"^ +atom\D+\d+\b.* magn\s*[:=]\s*{_NUMBER}(?:\s|$)", line)
        for line in rest.splitlines()[1 : atoms + 1]
    ]
    if not header or not atoms or len(rows) != atoms or not all(rows):
        return None
    return np.array([row[1] for row in rows if row], dtype=float)


def _geometry(text: str) -> Atoms | None:
    """Cell and positions from the lists in units of alat (6 and 7 decimals); species names lose their number."""
    from ase import Atoms
    from ase.data import atomic_numbers

    atoms = _count_atoms(text)
    alat = re.search(rf"celldm\(1\)=\s*{_NUMBER}", text)
    cell = re.findall(rf"^\s+a\(\d\) = \(\s*{_NUMBER}\s+{_NUMBER}\s+{_NUMBER}", text, re.MULTILINE)[:3]
    triple = rf"\(\s*{_NUMBER}\s*{_NUMBER}\s*{_NUMBER}"
    sites = re.findall(rf"^\s+\d+\s+(\S+)\s+tau\(\s*\d+\)\s*=\s*{triple}", text, re.MULTILINE)[:atoms]
    if alat is None or len(cell) != 3 or not atoms or len(sites) != atoms:
        return None
    length = float(alat[1]) * A_PER_BOHR
    symbols = [re.sub(r"[\d_-].*$", "", site[0]) for site in sites]
    if any(symbol not in atomic_numbers for symbol in symbols):
        return None
    positions = np.array([site[1:] for site in sites], dtype=float) * length
    return Atoms(symbols, positions=positions, cell=np.array(cell, dtype=float) * length, pbc=True)
