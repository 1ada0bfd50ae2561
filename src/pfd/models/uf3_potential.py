"""The files of a UF3 model: splines of two and three bodies, and the potential file that LAMMPS' pair style reads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np

from pfd.lammps.session import LammpsPotential
from pfd.models.least_squares import Coefficients
from pfd.models.linear_potential import LinearPotential, quoted
from pfd.models.repulsion import all_pairs
from pfd.models.uf3_basis import TRIMMED, UF3Basis, UF3Descriptors

COEFFICIENT_FILE = "coefficients.txt"
POTENTIAL_FILE = "potential.uf3"
FREE_ATOM_FILE = "free_atoms.eam.alloy"
POINTS, NOWHERE_A = 10, 0.01
"""Of the tables of that file, and where they end, Å: no two atoms are as close."""
HEAD = "#UF3 POT UNITS: metal DATE: - AUTHOR: pfd CITATION: -"


class UF3Potential(LinearPotential):
    """Everything of a UF3 model but its coefficients; the content of ``uf3.json``."""

    file: ClassVar[str] = "uf3.json"
    family: ClassVar[str] = "UF3"

    closest_A: float
    """The shortest distance of the training frames, Å: splines that vanish beyond it are left out."""
    triple_cutoff_A: float
    """Of the distances of an atom from two neighbours, Å."""
    basis: UF3Basis
    """Numbers of splines."""

    def write_parameters(self, folder: Path) -> None:
        """Nothing: LAMMPS' one file holds the coefficients too."""

    def descriptors(self, folder: Path) -> UF3Descriptors:
        """See ``LinearPotential.descriptors``."""
        return UF3Descriptors(self.elements, self.closest_A, self.cutoff_A, self.triple_cutoff_A, self.basis)

    def read_coefficients(self, folder: Path) -> Coefficients:
        """See ``LinearPotential.read_coefficients``."""
        return np.array([float(line) for line in (folder / COEFFICIENT_FILE).read_text(encoding="utf-8").split()])

    def write_coefficients(self, folder: Path, coefficients: Coefficients) -> None:
        """See ``LinearPotential.write_coefficients``; LAMMPS' file as well."""
        lines = [repr(value) for value in coefficients.tolist()]
        (folder / COEFFICIENT_FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")
        for name, written in (
            (POTENTIAL_FILE, self._potential_lines(self.descriptors(folder), coefficients)),
            (FREE_ATOM_FILE, self._free_atom_lines(coefficients)),
        ):
            (folder / name).write_text("\n".join(written) + "\n", encoding="utf-8")

    def files(self) -> tuple[str, ...]:
        """See ``LinearPotential.files``."""
        return (self.file, COEFFICIENT_FILE, POTENTIAL_FILE, FREE_ATOM_FILE)

    def pair_files(self, folder: Path) -> str:
        """See ``LinearPotential.pair_files``."""
        return " ".join([quoted(folder.resolve() / POTENTIAL_FILE), *self.elements])

    def _potential_lines(self, descriptors: UF3Descriptors, coefficients: Coefficients) -> Iterator[str]:
        """The text of LAMMPS' potential file, a block for each two and three elements."""
        pair, leg, base = descriptors.pair, descriptors.leg, descriptors.base
        for one, two in descriptors.pairs():
            yield from (HEAD, f"2B {self.elements[one]} {self.elements[two]} 0 {TRIMMED} uk")
            values = np.zeros(pair.total)
            values[pair.used] = coefficients[descriptors.columns_of_pair(one, two)]
            yield from (f"{self.cutoff_A!r} {len(pair.knots)}", _line(pair.knots), str(len(values)), _line(values), "#")
        near = self.triple_cutoff_A
        for triple in descriptors.triples():
            grid = np.zeros((leg.total, leg.total, base.total))
            grid[leg.used, leg.used, base.used] = coefficients[descriptors.columns_of_triple(*triple)]
            yield from (HEAD, f"3B {' '.join(self.elements[kind] for kind in triple)} 0 {TRIMMED} uk")
            yield f"{2.0 * near!r} {near!r} {near!r} {len(base.knots)} {len(leg.knots)} {len(leg.knots)}"
            yield from (_line(base.knots), _line(leg.knots), _line(leg.knots), " ".join(map(str, grid.shape)))
            yield from (_line(line) for line in grid.reshape(-1, grid.shape[2]))
            yield "#"

    def one_body(self, symbol: str, features: int) -> int:
        """See ``LinearPotential.one_body``: those of all elements come first."""
        return super().one_body(symbol, len(self.elements))

    def lammps_potential(self, folder: Path) -> LammpsPotential:
        """See ``LinearPotential.lammps_potential``."""
        alone = LammpsPotential("uf3 3", (f"* * {self.pair_files(folder)}",), self.elements)
        free = " ".join(["* * eam/alloy", quoted(folder.resolve() / FREE_ATOM_FILE), *self.elements])
        return self.repulsion.on_top_of(alone.with_overlay(["eam/alloy"], [free]))

    def _free_atom_lines(self, coefficients: Coefficients) -> Iterator[str]:
        """The energies of atoms without neighbours, which ``uf3`` has not: as embedding energies of no density.

        Source: LAMMPS' manual, ``pair_style eam/alloy``.
        """
        from ase.data import atomic_masses, atomic_numbers

        yield from ("Energies of free atoms, eV; neither density nor pairs.", "Written by pfd.", "")
        yield f"{len(self.elements)} {' '.join(self.elements)}"
        yield f"{POINTS} 1.0 {POINTS} {NOWHERE_A / POINTS!r} {NOWHERE_A!r}"
        nothing = ["0.0"] * POINTS
        for energy, symbol in zip(coefficients[: len(self.elements)].tolist(), self.elements, strict=True):
            yield f"{atomic_numbers[symbol]} {atomic_masses[atomic_numbers[symbol]]} 1.0 none"
            yield from ([repr(energy)] * POINTS)
            yield from nothing
        for _ in all_pairs(self.elements):
            yield from nothing


def _line(values: np.ndarray) -> str:
    return " ".join(repr(value) for value in values.tolist())
