"""The proper orthogonal descriptors: how many functions of which body order, and their values, from LAMMPS."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from pydantic import Field, model_validator

from pfd.models.linear_potential import EnergyRow, ForceRows, LammpsDescriptors
from pfd.settings import Settings

if TYPE_CHECKING:
    from ase import Atoms

BODIES = ("two", "three", "four", "five", "six", "seven")
PRODUCTS_UP_TO = 2
"""Elements up to which the sizes have bodies five to seven: of three, size S would have 31 926 coefficients with them,
1185 without; of five 518 355 and 6255."""
FOUR_BODIES_UP_TO = 3
"""Elements up to which the sizes have bodies four. Five metals by CHGNet at 600 and 1200 K, 200 frames of 32 atoms: S
left 4.8 % of the RMS force without (1355 coefficients, 31 µs per atom and step), and 4.9 % with two radial functions of
them (2755, 43 µs); M without, more functions of three bodies, left 4.1 % (2080, 58 µs)."""
FOUR_BODY = (1, 1, 2, 3, 4, 5, 7)
"""Angular functions of four bodies by their degree."""


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

    def for_elements(self, elements: int) -> Self:
        """These numbers, less what so many elements multiply beyond what can be fitted; see ``PRODUCTS_UP_TO``."""
        if elements <= PRODUCTS_UP_TO:
            return self
        two, three, four, *_ = self.radial
        lower, degree, *_ = self.angular
        if elements > FOUR_BODIES_UP_TO:
            four, degree = 0, 0
        return self.model_copy(update={"radial": (two, three, four, 0, 0, 0), "angular": (lower, degree, 0, 0, 0)})

    def count(self, elements: int) -> int:
        """Coefficients of a model of so many elements, that of each one's free atom included.

        Descriptors of three and four bodies know the elements of all neighbours, their products those of both factors:
        the number grows with the power of the bodies. Source: LAMMPS' ``compute pod/global``, whose rows are as long.
        """
        _, three, four, *products = self.radial
        pairs, triples = elements * (elements + 1) // 2, elements * (elements + 1) * (elements + 2) // 6
        of_three = _Descriptors([(n, degree) for n in range(three) for degree in range(self.angular[0] + 1)], pairs)
        degrees = [degree for degree, many in enumerate(FOUR_BODY[: self.angular[1] + 1]) for _ in range(many)]
        of_four = _Descriptors([(n, degree) for n in range(four) for degree in degrees], triples)
        factors = ((of_three, of_three), (of_three, of_four), (of_four, of_four))
        one = 1 + self.radial[0] * elements + len(of_three) + len(of_four)
        for (first, second), radial, degree in zip(factors, products, self.angular[2:], strict=True):
            one += first.products(second, radial, degree)
        return elements * one

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


@dataclass(frozen=True)
class _Descriptors:
    """The descriptors of one body order around one atom.

    Attributes:
        functions: index of the radial function, and angular degree, of each.
        neighbours: choices of the neighbours' elements.
    """

    functions: list[tuple[int, int]]
    neighbours: int

    def __len__(self) -> int:
        return len(self.functions) * self.neighbours

    def products(self, other: _Descriptors, radial: int, degree: int) -> int:
        """How many products with others there are: in both lists the first factor stands no later than the second."""
        pairs = sum(
            second >= first and n + m < radial and degree_n + degree_m <= degree
            for first, (n, degree_n) in enumerate(self.functions)
            for second, (m, degree_m) in enumerate(other.functions)
        )
        return pairs * sum(max(0, other.neighbours - first) for first in range(self.neighbours))


class PODDescriptors(LammpsDescriptors):
    """Global descriptors of frames, as LAMMPS' ``compute pod/global`` gives them.

    Args:
        parameter_file: the file that ``PODBasis.parameter_file`` wrote.
        elements: the species in it, in order.
        cutoff_A: the outer cutoff in it, Å.
    """

    def __init__(self, parameter_file: Path, elements: tuple[str, ...], cutoff_A: float) -> None:
        super().__init__(elements, cutoff_A)
        self._files = f'"{parameter_file}" "" {" ".join(elements)}'

    def of(self, frame: Atoms) -> tuple[EnergyRow, ForceRows]:
        """See ``Descriptors.of``.

        Per element there is first the number of its atoms, then the sums of its atoms' two- to seven-body descriptors.

        Source: Nguyen and Rohskopf, J. Comput. Phys. 480, 112030 (2023), eq. 1 to 13; Nguyen, Phys. Rev. B 107,
        144103 (2023), for five bodies and more.
        """
        table = self.computed(frame, f"compute descriptors all pod/global {self._files}", style=0)
        return table[0].copy(), self.restored(table[1:].reshape(len(frame), 3, -1))

    def energy(self, frame: Atoms) -> EnergyRow:
        """See ``Descriptors.energy``: the sums of ``compute pod/atom``, which leaves the forces out."""
        atoms = self.computed(frame, f"compute descriptors all pod/atom {self._files}", style=1)
        types = self._session.lammps.numpy.extract_atom("type")[: len(atoms)]  # LAMMPS has sorted the atoms
        blocks = [atoms[types == index + 1] for index in range(len(self.elements))]
        return np.concatenate([np.append(float(len(block)), block.sum(axis=0)) for block in blocks])
