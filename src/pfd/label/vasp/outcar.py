"""Numbers of OUTCAR that vasprun.xml is held against, and the moments, which vasprun.xml does not give."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from pfd.units import KBAR_PER_EV_PER_A3

_TOTEN = re.compile(r"free  energy   TOTEN\s*=\s*(\S+)\s*eV")
_KBAR = re.compile(r"^\s*in kB\s+(.*)$", re.MULTILINE)
_TOTAL_MOMENT = re.compile(r"number of electron\s+\S+\s+magnetization\s+(\S+)\s*$", re.MULTILINE)
_NUMBER = re.compile(r"-?\d+\.\d+")
_XX_YY_ZZ_YZ_XZ_XY = [0, 1, 2, 4, 5, 3]
"""Where Voigt's components stand in VASP's order xx yy zz xy yz zx."""


@dataclass(frozen=True)
class Outcar:
    """The end of an OUTCAR; each is None if it is not there in full.

    Attributes:
        free_energy: "free energy TOTEN", eV.
        forces: eV/Å, in POSCAR's order of atoms.
        stress: eV/Å^3, Voigt order, ASE's sign.
        total_magmom: Bohr magnetons.
        local_magmoms: Bohr magnetons, in spheres about the atoms, in POSCAR's order.
    """

    free_energy: float | None
    forces: np.ndarray | None
    stress: np.ndarray | None
    total_magmom: float | None
    local_magmoms: np.ndarray | None


def read_outcar(text: str, atoms: int) -> Outcar:
    """Read the numbers of the last geometry.

    Args:
        text: the file.
        atoms: how many atoms there are.
    """
    energies, kbar = _TOTEN.findall(text), [_NUMBER.findall(line) for line in _KBAR.findall(text)]
    moments = _TOTAL_MOMENT.findall(text)
    bars = np.array(kbar[-1], dtype=float) if kbar and len(kbar[-1]) == 6 else None
    table = _table(text, "TOTAL-FORCE (eV/Angst)", 2, atoms, 6)
    vectors = "magnetization (y)" in text
    local = None if vectors else _table(text, "magnetization (x)", 4, atoms, 2)
    return Outcar(
        free_energy=_number(energies[-1]) if energies else None,
        forces=None if table is None else table[:, -3:],
        stress=None if bars is None else -bars[_XX_YY_ZZ_YZ_XZ_XY] / KBAR_PER_EV_PER_A3,
        total_magmom=_number(moments[-1]) if moments else None,
        local_magmoms=None if local is None else local[:, -1],
    )


def _table(text: str, title: str, skipped: int, rows: int, least: int) -> np.ndarray | None:
    """The rows of numbers that begin so many lines below the last line that holds the title."""
    _, found, rest = text.rpartition(title)
    lines = [_NUMBER.findall(line) for line in rest.splitlines()[skipped : skipped + rows]]
    if (
        not found
        or len(lines) != rows
        or not rows
        or any(len(line) < least or len(line) != len(lines[0]) for line in lines)
    ):
        return None
    return np.array(lines, dtype=float)


def _number(word: str) -> float | None:
    return float(word) if _NUMBER.fullmatch(word) else None
