"""Read what CP2K wrote: how it ended, energy, forces, stress, moments, and the geometry as it understood it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pfd.frames import Labels
from pfd.label.engine_output import EngineOutput
from pfd.units import A_PER_BOHR, EV_PER_HARTREE, GPA_PER_EV_PER_A3
from pfd.voigt import to_voigt

if TYPE_CHECKING:
    from ase import Atoms

_FLOAT = r"[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|NaN|Inf(?:inity)?)"
_TRIPLE = rf"\s+({_FLOAT})\s+({_FLOAT})\s+({_FLOAT})"
_GOOD = (
    re.compile(r"\*\*\* SCF run converged in\s+(\d+) steps"),
    re.compile(r"outer SCF loop converged in\s+\d+ iterations or\s+(\d+) steps"),
)
_BAD = re.compile(r"SCF run NOT converged|outer SCF loop FAILED to converge")
_STEP = re.compile(r"^\s+(\d+) (?:OT|NoMix/|P_Mix/|DIIS/|Broy\.|Pulay/|Kerker|Multis).*\d$", re.MULTILINE)
_FORCE = (
    re.compile(rf"^\s*\d+\s+\d+\s+[A-Z][a-z]?{_TRIPLE}\s*$", re.IGNORECASE),
    re.compile(rf"^ FORCES\|\s+\d+{_TRIPLE}\s+{_FLOAT}\s*$", re.IGNORECASE),
)
_STRESS = re.compile(rf"^(?: STRESS\|)?\s+[XYZxyz]{_TRIPLE}\s*$", re.IGNORECASE)
_SITE = re.compile(rf"^\s*\d+\s+\d+\s+([A-Z][a-z]?)\s+\d+{_TRIPLE}\s", re.IGNORECASE)
_MOMENT = re.compile(rf"^\s*\d+\s+[A-Z][a-z]?\s+\d+{_TRIPLE}\s+({_FLOAT})\s*$")
_A_PER = {"angstrom": 1.0, "pm": 0.01, "bohr": A_PER_BOHR}


@dataclass(frozen=True, kw_only=True)
class CP2KOutput(EngineOutput):
    """One single-point run of CP2K, as its text tells; arrays in the order of COORD.

    Attributes:
        entropy_eV: the smearing's -TS, None without smearing.
        local_magmoms: Mulliken spin moments, Bohr magnetons; None without spin.
        settings: name -> value of those settings that it echoes.
    """

    entropy_eV: float | None
    local_magmoms: list[float] | None
    settings: dict[str, float]


def read_cp2k_output(text: str) -> CP2KOutput:
    """Read the output of a single point, of CP2K 6.1 to 2026; what is missing or garbled is None.

    The energy is ``Total FORCE_EVAL energy``, with the smearing's -TS, whose gradient the forces are. It stands in the
    text of unconverged runs as well. CP2K's stress counts compression as positive; here it has ASE's sign.

    Source: https://manual.cp2k.org (FORCE_EVAL/PRINT).
    """
    counts = [int(found) for pattern in _GOOD for found in pattern.findall(text)]
    steps = counts or [int(found) for found in _STEP.findall(text)]
    echoed = _geometry(text)
    atoms = 0 if echoed is None else len(echoed)
    moments, total = _moments(text, atoms)
    entropy = _last(rf"Electronic entropic energy:\s+({_FLOAT})", text)
    return CP2KOutput(
        started="CP2K|" in text,
        iterating="SCF WAVEFUNCTION OPTIMIZATION" in text,
        done="PROGRAM ENDED AT" in text,
        converged=False if _BAD.search(text) else (True if counts else None),
        scf_steps=max(steps) if steps else None,
        error=_error_message(text),
        labels=Labels(_energy(text), _forces(text, atoms), _stress(text)),
        entropy_eV=None if entropy is None else entropy * EV_PER_HARTREE,
        total_magmom=total,
        local_magmoms=moments,
        echoed=echoed,
        settings=_settings(text),
    )


def _last(pattern: str, text: str) -> float | None:
    found = re.findall(pattern, text, re.MULTILINE | re.IGNORECASE)
    return float(found[-1]) if found else None


def _error_message(text: str) -> str:
    """The words beside the drawing in the last box [ABORT]."""
    _, found, box = text.rpartition("[ABORT]")
    words = []
    for line in box.splitlines()[1:] if found else ():
        if not line.startswith(" *") or re.search(r"\w\.F:\d+", line):
            break
        words.append(line[9:].strip(" *"))
    return " ".join(filter(None, words))


def _energy(text: str) -> float | None:
    found = _last(rf"^ ENERGY\| Total FORCE_EVAL \( QS \) energy [\[(][\w.]+[\])]:?\s+({_FLOAT})\s*$", text)
    return None if found is None else found * EV_PER_HARTREE


def _forces(text: str, atoms: int) -> np.ndarray | None:
    """eV/Å; in hartree/bohr in the text, in a table of two layouts."""
    old = _rows(text, "ATOMIC FORCES in [a.u.]", _FORCE[0].match)
    rows = old or _rows(text, "FORCES| Atomic forces [hartree/bohr]", _FORCE[1].match)
    return np.array(rows) * EV_PER_HARTREE / A_PER_BOHR if atoms and len(rows) == atoms else None


def _stress(text: str) -> np.ndarray | None:
    rows = _rows(text, "STRESS| Analytical stress tensor [GPa]", _STRESS.match)
    rows = rows or _rows(text, "STRESS TENSOR [GPa]", _STRESS.match)
    return to_voigt(-np.array(rows) / GPA_PER_EV_PER_A3) if len(rows) == 3 else None


def _rows(text: str, title: str, match: Callable[[str], re.Match[str] | None]) -> list[list[float]]:
    """The first unbroken run of lines that match, within five lines below the last line with the title."""
    _, found, rest = text.rpartition(title)
    rows: list[list[float]] = []
    for index, line in enumerate(rest.splitlines() if found else ()):
        if fits := match(line):
            rows.append([float(word) for word in fits.groups()])
        elif rows or index > 5:
            break
    return rows


def _moments(text: str, atoms: int) -> tuple[list[float] | None, float | None]:
    """The last column of the Mulliken analysis, which has two populations only where there are two spins."""
    rows = _rows(text, "Atomic population (alpha,beta) Net charge  Spin moment", _MOMENT.match)
    total = _last(rf"# Total charge and spin\s+{_FLOAT}\s+{_FLOAT}\s+{_FLOAT}\s+({_FLOAT})", text)
    return ([row[3] for row in rows] if atoms and len(rows) == atoms else None), total


def _geometry(text: str) -> Atoms | None:
    """Cell and positions; the digits of the cell depend on the unit that it is printed in."""
    from ase import Atoms
    from ase.data import atomic_numbers

    cell = []
    for name in "abc":
        pattern = rf"^ CELL\| Vector {name} \[(\w+)\]:{_TRIPLE}"
        vectors = re.findall(pattern, text, re.MULTILINE)
        if not vectors or vectors[-1][0] not in _A_PER:
            return None
        cell.append([float(word) * _A_PER[vectors[-1][0]] for word in vectors[-1][1:]])
    header = re.search(r"ATOMIC COORDINATES IN ANGSTROM\s*\n\s*\n\s*Atom\s+Kind[^\n]*\n\s*", text, re.IGNORECASE)
    sites = []
    for line in text[header.end() :].splitlines() if header else ():
        found = _SITE.match(line)
        if found is None:
            break
        sites.append(found.groups())
    counted = _last(r"^\s+- Atoms:\s+(\d+)", text)
    if not sites or counted != len(sites) or any(site[0] not in atomic_numbers for site in sites):
        return None
    positions = np.array([site[1:] for site in sites], dtype=float)
    return Atoms([site[0] for site in sites], positions=positions, cell=cell, pbc=_periodicity(text))


def _periodicity(text: str) -> list[bool]:
    found = re.findall(r"^ CELL\| Periodicity\s+([XYZ]+|NONE)\s*$", text, re.MULTILINE)
    return [axis in (found[-1] if found else "XYZ") for axis in "XYZ"]


def _settings(text: str) -> dict[str, float]:
    """Cutoffs in Ry, the temperature in K; cutoffs are printed with one decimal of a hartree."""
    patterns = {
        "cutoff_Ry": (rf"QS\| Density cutoff \[a\.u\.\]:\s+({_FLOAT})", 2.0),
        "rel_cutoff_Ry": (rf"QS\| Relative density cutoff \[a\.u\.\]:\s+({_FLOAT})", 2.0),
        "multiplicity": (r"^ DFT\| Multiplicity\s+(\d+)", 1.0),
        "charge": (r"^ DFT\| Charge\s+(-?\d+)", 1.0),
        "eps_scf": (rf"^\s+eps_scf:\s+({_FLOAT})", 1.0),
        "electronic_temperature_K": (rf"Electronic temperature \[K\]:\s+({_FLOAT})", 1.0),
    }
    found = {name: (_last(pattern, text), factor) for name, (pattern, factor) in patterns.items()}
    return {name: value * factor for name, (value, factor) in found.items() if value is not None}
