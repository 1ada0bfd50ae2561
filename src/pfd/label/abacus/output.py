"""Read ABACUS's log, running_scf.log: how it ended, energy, forces, stress, and the geometry as it understood it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pfd.frames import Labels
from pfd.label.engine_output import EngineOutput
from pfd.units import A_PER_BOHR, KBAR_PER_EV_PER_A3
from pfd.voigt import to_voigt

if TYPE_CHECKING:
    from ase import Atoms

_FLOAT = r"[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|nan|inf)"
_STEP = re.compile(r"\bELEC\s*=\s*(\d+)|#ELEC ITER#\s*(\d+)|ELECTRONIC ITERATION STEP=\s*(\d+)")
_GOOD = ("charge density convergence is achieved", "#SCF IS CONVERGED#")
_BAD = re.compile(r"convergence has not been achieved|SCF IS NOT CONVERGED", re.IGNORECASE)
_FORCE = re.compile(rf"^\s*[A-Z][a-z]?\d+\s+({_FLOAT})\s+({_FLOAT})\s+({_FLOAT})\s*$", re.IGNORECASE)
_TRIPLE = re.compile(rf"^\s*({_FLOAT})\s+({_FLOAT})\s+({_FLOAT})\s*$", re.IGNORECASE)
_SITE = re.compile(rf"^\s*(?:tau[cd]_)?([A-Z][a-z]?)\d*\s+({_FLOAT})\s+({_FLOAT})\s+({_FLOAT})(?:\s|$)")
_SITES = re.compile(r"^\s*(DIRECT|CARTESIAN) COORDINATES(?:\s*\(\s*UNIT\s*=\s*([\d.]+)\s*Bohr\s*\))?", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class AbacusOutput(EngineOutput):
    """One static run of ABACUS, as its log tells; arrays in STRU's order of atoms.

    Attributes:
        energy_sigma0_eV: the energy extrapolated to zero smearing, None if not told.
    """

    energy_sigma0_eV: float | None


def read_abacus_output(log: str, screen: str = "") -> AbacusOutput:
    """Read a log of ABACUS 2.1 to 3.10 and its development version; what is missing or garbled is None.

    ``FINAL_ETOT_IS`` is the energy with the smearing's -TS, whose gradient the forces are; it stands in the log of runs
    that failed as well. ABACUS gives the stress in kbar and counts compression as positive; here it is in eV/Å^3 and
    ASE's sign.

    Args:
        log: content of running_scf.log.
        screen: what ABACUS wrote to standard output.

    Source: https://abacus.deepmodeling.com/en/latest/advanced/input_files/runing_scf.log.html.
    """
    steps = [int(next(filter(None, found))) for found in _STEP.findall(log)]
    bad, good = bool(_BAD.search(log) or _BAD.search(screen)), any(words in log for words in _GOOD)
    atoms = _count_atoms(log)
    return AbacusOutput(
        started=bool(log.strip()),
        iterating=bool(steps),
        done="Finish Time" in log[-2000:],
        converged=False if bad else (True if good else None),
        scf_steps=max(steps) if steps else None,
        error=_error_message(screen) or _error_message(log),
        labels=Labels(_last(rf"!FINAL_ETOT_IS\s+({_FLOAT})\s*eV", log), _forces(log, atoms), _stress(log)),
        energy_sigma0_eV=_last(rf"E_KS\(sigma->0\)\s+{_FLOAT}\s+({_FLOAT})", log),
        total_magmom=_last(rf"total magnetism \(Bohr mag/cell\)\s*=?\s*({_FLOAT})\s*$", log),
        echoed=_geometry(log, atoms),
    )


def _last(pattern: str, text: str) -> float | None:
    found = re.findall(pattern, text, re.MULTILINE | re.IGNORECASE)
    return float(found[-1]) if found else None


def _error_message(text: str) -> str:
    """What stands between the banner NOTICE and the advice, or behind ERROR!."""
    if found := re.search(r"NOTICE!?\s*\n\s*-{20,}\s*\n(.*?)(?:CHECK IN FILE|-{20,})", text, re.DOTALL):
        return " ".join(found[1].split())
    found = re.search(r"^\s*ERROR! (.+)$", text, re.MULTILINE)
    return "" if found is None or "CHECK IN FILE" in found[1] else found[1].strip()


def _count_atoms(log: str) -> int:
    found = re.search(r"TOTAL ATOM NUMBER\s*=\s*(\d+)", log)
    return int(found[1]) if found else 0


def _forces(log: str, atoms: int) -> np.ndarray | None:
    """eV/Å; older versions print them in Ry/Bohr too."""
    rows = _rows(log, "TOTAL-FORCE (eV/Angstrom)", _FORCE)
    return np.array(rows) if atoms and len(rows) == atoms else None


def _stress(log: str) -> np.ndarray | None:
    rows = _rows(log, "TOTAL-STRESS (KBAR)", _TRIPLE)
    return to_voigt(-np.array(rows) / KBAR_PER_EV_PER_A3) if len(rows) == 3 else None


def _rows(log: str, title: str, pattern: re.Pattern[str]) -> list[list[float]]:
    """The first unbroken run of lines that fit the pattern, within ten lines below the last line with the title."""
    _, found, rest = log.rpartition(title)
    rows: list[list[float]] = []
    for index, line in enumerate(rest.splitlines() if found else ()):
        if fits := pattern.match(line):
            rows.append([float(word) for word in fits.groups()])
        elif rows or index > 10:
            break
    return rows


def _geometry(log: str, atoms: int) -> Atoms | None:
    """Cell (six digits, in units of the lattice constant) and positions, which ABACUS has put into the cell."""
    from ase import Atoms
    from ase.data import atomic_numbers

    unit = _last(r"lattice constant \(Bohr\)\s*=\s*([\d.]+)", log)
    _, titled, below = log.rpartition("Lattice vectors: (Cartesian coordinate: in unit of a_0)")
    cell = [_TRIPLE.match(line) for line in below.splitlines()[1:4]] if titled else []
    header = list(_SITES.finditer(log))
    if unit is None or len(cell) != 3 or not all(cell) or not header or not atoms:
        return None
    lines = log[header[-1].end() :].splitlines()[1:]
    sites = [found for found in map(_SITE.match, lines[: atoms + 5]) if found][:atoms]
    if len(sites) != atoms or any(site[1] not in atomic_numbers for site in sites):
        return None
    vectors = np.array([row.groups() for row in cell if row], dtype=float) * unit * A_PER_BOHR
    numbers = np.array([site.groups()[1:] for site in sites], dtype=float)
    direct = header[-1][1] == "DIRECT"
    positions = numbers @ vectors if direct else numbers * float(header[-1][2] or unit) * A_PER_BOHR
    return Atoms([site[1] for site in sites], positions=positions, cell=vectors, pbc=True)
