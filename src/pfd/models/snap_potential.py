"""The files of a SNAP model, and its descriptors: bispectrum components of the neighbour density."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from pfd.models.least_squares import Coefficients
from pfd.models.linear_potential import (
    Descriptors,
    EnergyRow,
    ForceRows,
    LammpsDescriptors,
    LinearPotential,
    StressRows,
    quoted,
)
from pfd.voigt import from_voigt, to_voigt

if TYPE_CHECKING:
    from ase import Atoms

COEFFICIENT_FILE = "SNAP.snapcoeff"
PARAMETER_FILE = "SNAP.snapparam"
INNER_FRACTION = 0.99363
"""``rfac0``: distances are mapped onto the sphere up to this part of the way to its pole; the value of the paper."""


class SNAPPotential(LinearPotential):
    """Everything of a SNAP model but its coefficients; the content of ``snap.json``."""

    file: ClassVar[str] = "snap.json"
    family: ClassVar[str] = "SNAP"

    twojmax: int
    """Twice the highest angular momentum."""
    quadratic: bool = False
    """Whether products of two components are descriptors too."""

    @property
    def count(self) -> int:
        """Descriptors of one element."""
        return count_of(self.twojmax, self.quadratic, len(self.elements))

    @property
    def explicit(self) -> bool:
        """Whether the densities of the elements are kept apart (of one element there is nothing to)."""
        return len(self.elements) > 1

    def write_parameters(self, folder: Path) -> None:
        """Write LAMMPS' parameter file."""
        lines = [
            f"rcutfac {self.cutoff_A!r}",
            f"twojmax {self.twojmax}",
            f"rfac0 {INNER_FRACTION}",
            "rmin0 0.0",
            "bzeroflag 1",
            f"quadraticflag {int(self.quadratic)}",
            f"chemflag {int(self.explicit)}",
            f"bnormflag {int(self.explicit)}",
        ]
        (folder / PARAMETER_FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")

    def descriptors(self, folder: Path) -> Descriptors:
        """See ``LinearPotential.descriptors``."""
        return SNAPDescriptors(self)

    def read_coefficients(self, folder: Path) -> Coefficients:
        """See ``LinearPotential.read_coefficients``."""
        lines = (folder / COEFFICIENT_FILE).read_text(encoding="utf-8").split("\n")[1:]
        return np.array([float(line) for line in lines if line and len(line.split()) == 1])

    def write_coefficients(self, folder: Path, coefficients: Coefficients) -> None:
        """See ``LinearPotential.write_coefficients``."""
        blocks = np.reshape(coefficients, (len(self.elements), -1))
        lines = [f"{len(blocks)} {blocks.shape[1]}"]
        for symbol, block in zip(self.elements, blocks, strict=True):
            lines += [f"{symbol} 0.5 1.0", *(repr(value) for value in block.tolist())]
        (folder / COEFFICIENT_FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")

    def files(self) -> tuple[str, ...]:
        """See ``LinearPotential.files``."""
        return (self.file, PARAMETER_FILE, COEFFICIENT_FILE)

    def pair_files(self, folder: Path) -> str:
        """See ``LinearPotential.pair_files``."""
        names = (quoted(folder.resolve() / name) for name in (COEFFICIENT_FILE, PARAMETER_FILE))
        return " ".join([*names, *self.elements])


def count_of(twojmax: int, quadratic: bool, elements: int) -> int:
    """Descriptors of one of so many elements; the arguments are those of ``SNAPPotential``."""
    triples = [(a, b, c) for a in range(twojmax + 1) for b in range(a + 1) for c in range(a - b, twojmax + 1)]
    components = sum((a + b + c) % 2 == 0 and a <= c <= a + b for a, b, c in triples) * elements**3
    return components * (components + 3) // 2 if quadratic else components


class SNAPDescriptors(LammpsDescriptors):
    """Sums of bispectrum components over the atoms of each element, as LAMMPS' ``compute snap`` gives them.

    Args:
        potential: which components.
    """

    def __init__(self, potential: SNAPPotential) -> None:
        count = len(potential.elements)
        radii, weights = " ".join(["0.5"] * count), " ".join(["1.0"] * count)
        chemistry = f" chem {count} {' '.join(map(str, range(count)))} bnormflag 1" if potential.explicit else ""
        self._command = (
            f"compute descriptors all snap {potential.cutoff_A!r} {INNER_FRACTION} {potential.twojmax} {radii} "
            f"{weights} rmin0 0.0 bzeroflag 1 quadraticflag {int(potential.quadratic)}{chemistry}"
        )
        super().__init__(potential.elements, potential.cutoff_A)
        self._last: tuple[Atoms, np.ndarray] | None = None

    def of(self, frame: Atoms) -> tuple[EnergyRow, ForceRows]:
        """See ``Descriptors.of``.

        Per element there is first the number of its atoms, then the sums of its atoms' bispectrum components.

        Source: Thompson et al., J. Comput. Phys. 285, 316 (2015), eq. 1 to 16; quadratic: Wood and Thompson, J. Chem.
        Phys. 148, 241721 (2018); elements apart: Cusentino, Wood and Thompson, J. Phys. Chem. A 124, 5456 (2020).
        """
        table = self._table(frame)
        atoms, kinds = len(frame), len(self.elements)
        numbers = np.array([frame.get_chemical_symbols().count(symbol) for symbol in self.elements], dtype=float)
        energy = np.column_stack([numbers, table[0].reshape(kinds, -1)]).ravel()
        gradients = table[1 : 1 + 3 * atoms].reshape(atoms, 3, kinds, -1)
        padded = np.concatenate([np.zeros((atoms, 3, kinds, 1)), gradients], axis=3)
        return energy, self.restored(padded.reshape(atoms, 3, -1))

    def energy(self, frame: Atoms) -> EnergyRow:
        """See ``Descriptors.energy``."""
        return self.of(frame)[0]

    def stress(self, frame: Atoms) -> StressRows:
        """See ``Descriptors.stress``: the last rows of ``compute snap`` are the virial's, in Voigt order."""
        kinds = len(self.elements)
        virial = -from_voigt(self._table(frame)[-6:])
        turned = np.einsum("ki,klf,lj->ijf", self._session.rotation, virial, self._session.rotation)
        rows = to_voigt(turned).reshape(6, kinds, -1) / abs(float(frame.cell.volume))
        return np.concatenate([np.zeros((6, kinds, 1)), rows], axis=2).reshape(6, -1)

    def _table(self, frame: Atoms) -> np.ndarray:
        """The compute's array without its last column, the reference potential's, which is zero.

        That of the frame before is kept: forces and stresses are asked for one after the other.
        """
        if self._last is None or self._last[0] != frame:
            table = self.computed(frame, self._command, style=0, made=("descriptors_press",))[:, :-1]
            self._last = (frame.copy(), table)
        return self._last[1]
