"""The files of a POD model: what makes its descriptors, its coefficients, and the pair styles that they amount to."""

from __future__ import annotations

import json
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Self

import numpy as np

from pfd.errors import ModelError
from pfd.lammps.session import LammpsPotential
from pfd.models.least_squares import Coefficients
from pfd.models.pod_basis import PODBasis
from pfd.settings import Settings

POTENTIAL_FILE = "pod.json"
PARAMETER_FILE = "param.pod"
COEFFICIENT_FILE = "coefficients.pod"


class PODPotential(Settings):
    """Everything of a POD model but its coefficients; the content of ``pod.json``."""

    elements: tuple[str, ...]
    """Chemical symbols, in the order of LAMMPS' types."""
    basis: PODBasis
    """Numbers of functions."""
    inner_cutoff_A: float
    """Where the radial functions begin, Å."""
    cutoff_A: float
    """Where they end, Å."""
    repulsion_A: tuple[float, float] | None = None
    """Where the nuclear repulsion (ZBL) begins to be switched off and where it has vanished, Å; None without it."""

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The potential in a model folder.

        Raises:
            ModelError: if there is none, or one that this version cannot read.
        """
        from pydantic import ValidationError

        path = folder / POTENTIAL_FILE
        if not path.is_file():
            raise ModelError(
                "no POD model in this folder", where=str(folder), hint=f"give a folder with {POTENTIAL_FILE}"
            )
        try:
            return cls.model_validate_json(path.read_text(encoding="utf-8"))
        except ValidationError as error:
            raise ModelError(f"not a POD model this version can read ({error})", where=str(path)) from error

    def write(self, folder: Path) -> None:
        """Write ``pod.json`` and LAMMPS' parameter file."""
        text = json.dumps(self.model_dump(mode="json"), indent=1, sort_keys=True)
        (folder / POTENTIAL_FILE).write_text(text + "\n", encoding="utf-8")
        parameters = self.basis.parameter_file(self.elements, self.inner_cutoff_A, self.cutoff_A)
        (folder / PARAMETER_FILE).write_text(parameters, encoding="utf-8")

    def read_coefficients(self, folder: Path) -> Coefficients:
        """The coefficients, eV per unit of their descriptor."""
        lines = (folder / COEFFICIENT_FILE).read_text(encoding="utf-8").split("\n")
        return np.array([float(line) for line in lines[1:] if line])

    def write_coefficients(self, folder: Path, coefficients: Coefficients) -> None:
        """Write the coefficients so that reading them gives the same numbers, bit for bit."""
        lines = [f"model_coefficients: {len(coefficients)} 0 0", *(repr(value) for value in coefficients.tolist())]
        (folder / COEFFICIENT_FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")

    def one_body(self, symbol: str, features: int) -> int:
        """Which of the coefficients is the energy of an atom of the element without neighbours.

        Raises:
            ModelError: if the element is not in the model.
        """
        if symbol not in self.elements:
            raise ModelError(f"the model has no {symbol}", hint=f"it was fitted for {', '.join(self.elements)}")
        return self.elements.index(symbol) * (features // len(self.elements))

    def lammps_potential(self, folder: Path) -> LammpsPotential:
        """``pair_style pod``, or ``hybrid/overlay`` of it and ``zbl``."""
        files = " ".join(_quoted(folder.resolve() / name) for name in (PARAMETER_FILE, COEFFICIENT_FILE))
        names = " ".join(self.elements)
        if self.repulsion_A is None:
            return LammpsPotential("pod", (f"* * {files} {names}",), self.elements)
        from ase.data import atomic_numbers

        inner, outer = self.repulsion_A
        charges = [atomic_numbers[symbol] for symbol in self.elements]
        pairs = combinations_with_replacement(range(len(charges)), 2)
        coefficients = [f"{i + 1} {j + 1} zbl {charges[i]} {charges[j]}" for i, j in pairs]
        style = f"hybrid/overlay pod zbl {inner!r} {outer!r}"
        return LammpsPotential(style, (f"* * pod {files} {names}", *coefficients), self.elements)


def _quoted(path: Path) -> str:
    return f'"{path}"' if " " in str(path) else str(path)
