"""The proper orthogonal descriptors: how many functions of which body order, and their values, from LAMMPS."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator

from pfd.models.linear_potential import Descriptors, EnergyRow, ForceRows
from pfd.settings import Settings

if TYPE_CHECKING:
    from ase import Atoms

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
    inverse_degree: int = Field(default=4, ge=1, le=16)
    """Inverse powers that the radial functions are combined from: high ones grow beyond all measure where atoms come
    close, and 8 fitted silicon and molybdenum no better than 4."""

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


class PODDescriptors(Descriptors):
    """Global descriptors of frames, as LAMMPS' ``compute pod/global`` gives them.

    Args:
        parameter_file: the file that ``PODBasis.parameter_file`` wrote.
        elements: the species in it, in order.
        cutoff_A: the outer cutoff in it, Å.
    """

    def __init__(self, parameter_file: Path, elements: tuple[str, ...], cutoff_A: float) -> None:
        command = f'compute descriptors all pod/global "{parameter_file}" "" {" ".join(elements)}'
        super().__init__(command, elements, cutoff_A)

    def of(self, frame: Atoms) -> tuple[EnergyRow, ForceRows]:
        """See ``Descriptors.of``.

        Per element there is first the number of its atoms, then the sums of its atoms' two- to seven-body descriptors.

        Source: Nguyen and Rohskopf, J. Comput. Phys. 480, 112030 (2023), eq. 1 to 13; Nguyen, Phys. Rev. B 107,
        144103 (2023), for five bodies and more.
        """
        table = self.table(frame)
        return table[0].copy(), self.restored(table[1:].reshape(len(frame), 3, -1))
