"""The files of a POD model."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np

from pfd.models.least_squares import Coefficients
from pfd.models.linear_potential import Descriptors, LinearPotential, quoted
from pfd.models.pod_basis import PODBasis, PODDescriptors

PARAMETER_FILE = "param.pod"
COEFFICIENT_FILE = "coefficients.pod"


class PODPotential(LinearPotential):
    """Everything of a POD model but its coefficients; the content of ``pod.json``."""

    file: ClassVar[str] = "pod.json"
    family: ClassVar[str] = "POD"

    basis: PODBasis
    """Numbers of functions."""
    inner_cutoff_A: float
    """Where the radial functions begin, Å."""

    def write_parameters(self, folder: Path) -> None:
        """Write LAMMPS' parameter file."""
        parameters = self.basis.parameter_file(self.elements, self.inner_cutoff_A, self.cutoff_A)
        (folder / PARAMETER_FILE).write_text(parameters, encoding="utf-8")

    def descriptors(self, folder: Path) -> Descriptors:
        """See ``LinearPotential.descriptors``."""
        return PODDescriptors(folder / PARAMETER_FILE, self.elements, self.cutoff_A)

    def read_coefficients(self, folder: Path) -> Coefficients:
        """See ``LinearPotential.read_coefficients``."""
        lines = (folder / COEFFICIENT_FILE).read_text(encoding="utf-8").split("\n")
        return np.array([float(line) for line in lines[1:] if line])

    def write_coefficients(self, folder: Path, coefficients: Coefficients) -> None:
        """See ``LinearPotential.write_coefficients``."""
        lines = [f"model_coefficients: {len(coefficients)} 0 0", *(repr(value) for value in coefficients.tolist())]
        (folder / COEFFICIENT_FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")

    def files(self) -> tuple[str, ...]:
        """See ``LinearPotential.files``."""
        return (self.file, PARAMETER_FILE, COEFFICIENT_FILE)

    def pair_files(self, folder: Path) -> str:
        """See ``LinearPotential.pair_files``."""
        names = (quoted(folder.resolve() / name) for name in (PARAMETER_FILE, COEFFICIENT_FILE))
        return " ".join([*names, *self.elements])
