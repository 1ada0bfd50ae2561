"""The proper orthogonal descriptors: how many functions of which body order, and their values, from LAMMPS."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np
from jaxtyping import Float
from pydantic import Field, model_validator

from pfd.lammps.session import LammpsPotential, LammpsSession
from pfd.settings import Settings

if TYPE_CHECKING:
    from ase import Atoms

EnergyRow = Float[np.ndarray, "features"]
ForceRows = Float[np.ndarray, "coordinates features"]

BODIES = ("two", "three", "four", "five", "six", "seven")


class PODBasis(Settings):
    """Numbers of functions; radial functions and angular degrees may not grow with the body order.

    Bodies five to seven are products of the descriptors of three and four: they cost parameters, but next to no time.
    """

    radial: tuple[int, int, int, int, int, int] = (8, 6, 5, 5, 4, 4)
    """Radial functions of the two- to seven-body descriptors; 0 switches a body order off."""
    angular: tuple[int, int, int, int, int] = (5, 4, 4, 3, 3)
    """Highest angular degree of the three- to seven-body descriptors (at most 12 for three, 6 for four)."""
    bessel_degree: int = Field(default=4, ge=1, le=12)
    """Bessel functions that the radial functions are combined from."""
    inverse_degree: int = Field(default=8, ge=1, le=16)
    """Inverse powers that the radial functions are combined from."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        _, three, four, *products = self.radial
        three_degree, four_degree, *product_degrees = self.angular
        if min(*self.radial, *self.angular) < 0 or self.radial[0] < 1:
            raise ValueError("numbers of functions are not negative, and there is at least one two-body function")
        if four > three or max(products) > four or four_degree > three_degree or max(product_degrees) > four_degree:
            raise ValueError("radial functions and angular degrees may not grow with the body order")
        if three_degree > 12 or four_degree > 6:
            raise ValueError("the angular degree is at most 12 (three bodies) and 6 (four bodies)")
        return self

    def parameter_file(self, elements: tuple[str, ...], inner_cutoff_A: float, cutoff_A: float) -> str:
        """The text of LAMMPS' file of descriptor parameters."""
        lines = [
            f"species {' '.join(elements)}",
            "pbc 1 1 1",
            f"rin {inner_cutoff_A!r}",
            f"rcut {cutoff_A!r}",
            f"bessel_polynomial_degree {self.bessel_degree}",
            f"inverse_polynomial_degree {self.inverse_degree}",
            "onebody 1",
            "number_of_environment_clusters 1",
            "number_of_principal_components 1",
        ]
        for body, radial, degree in zip(BODIES, self.radial, (None, *self.angular), strict=True):
            lines.append(f"{body}body_number_radial_basis_functions {radial}")
            if degree is not None:
                lines.append(f"{body}body_angular_degree {degree}")
        return "\n".join(lines) + "\n"


class PODDescriptors:
    """Global descriptors of frames, as LAMMPS' ``compute pod/global`` gives them.

    Args:
        parameter_file: the file that ``PODBasis.parameter_file`` wrote.
        elements: the species in it, in order.
        cutoff_A: the outer cutoff in it, Å.
    """

    def __init__(self, parameter_file: Path, elements: tuple[str, ...], cutoff_A: float) -> None:
        self._command = f'compute descriptors all pod/global "{parameter_file}" "" {" ".join(elements)}'
        self._session = LammpsSession(LammpsPotential(f"zero {cutoff_A!r}", ("* *",), elements))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.close()

    def of(self, frame: Atoms) -> tuple[EnergyRow, ForceRows]:
        """What the coefficients are multiplied with to give the energy, eV, and the forces, eV/Å (atom by atom, x y z).

        Per element there is first the number of its atoms, then the sums of its atoms' two- to seven-body descriptors.

        Source: Nguyen and Rohskopf, J. Comput. Phys. 480, 112030 (2023), eq. 1 to 13; Nguyen, Phys. Rev. B 107,
        144103 (2023), for five bodies and more.
        """
        if not self._session.place(frame):
            # The compute would use the neighbour list of the frame before: it is remembered by the time step, still 0.
            self._session.command("uncompute descriptors")
        self._session.command(self._command)
        self._session.command("run 0 post no")
        table = np.array(self._session.lammps.numpy.extract_compute("descriptors", 0, 2), dtype=float)
        gradients = table[1:].reshape(len(frame), 3, -1)
        forces = np.einsum("ji,ajf->aif", self._session.rotation, gradients)
        return table[0].copy(), forces.reshape(3 * len(frame), -1)
