"""SNAP: a linear student on bispectrum components, run by LAMMPS' ``pair_style snap``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, model_validator

from pfd.models.linear_fit import RIDGE_OF_ENOUGH, LinearFitSettings, ranges_of
from pfd.models.linear_potential import LinearPotential
from pfd.models.linear_student import LinearStudent
from pfd.models.snap_potential import SNAPPotential, count_of
from pfd.settings import Settings

if TYPE_CHECKING:
    from ase import Atoms

PRESETS = {"S": (6, False), "M": (8, False), "L": (8, True)}
"""Twice the highest angular momentum, and whether products of two components count: 30, 55 and 1595 descriptors of one
element. Those are the sizes of the published potentials."""


class SNAPFitSettings(LinearFitSettings):
    """How a SNAP student is fitted."""

    most_ridge: ClassVar[float] = RIDGE_OF_ENOUGH
    many_equations: ClassVar[float] = 100.0
    most_stress_weight: ClassVar[float] = 0.5
    most_calm_weight: ClassVar[float] = 1.0
    size: Literal["S", "M", "L"] = "M"
    """How many components: ``twojmax`` 6, 8, and 8 with products of two. Of several elements the densities are kept
    apart, and the coefficients grow with the fourth power of the number of elements: of five, S has 18 755."""
    twojmax: int | None = Field(default=None, ge=0, le=14)
    """Twice the highest angular momentum, instead of a size."""

    @model_validator(mode="after")
    def _one_size(self) -> SNAPFitSettings:
        if self.twojmax is not None and self.moved("size"):
            raise ValueError("twojmax takes the place of size; remove one of the two")
        return self

    @property
    def components(self) -> tuple[int, bool]:
        """Twice the highest angular momentum, and whether products of two components count."""
        return PRESETS[self.size] if self.twojmax is None else (self.twojmax, False)


class SNAP(LinearStudent):
    """Bispectrum components; the folder holds LAMMPS' two files and one that names elements and cutoff."""

    name: ClassVar[str] = "snap"
    student_sizes: ClassVar[tuple[Mapping[str, Any], ...]] = ({"size": "S"}, {"size": "M"})
    FitSettings: ClassVar[type[Settings] | None] = SNAPFitSettings
    Potential: ClassVar[type[LinearPotential]] = SNAPPotential
    citation: ClassVar[str] = "Thompson et al., J. Comput. Phys. 285, 316 (2015)"

    def potential_for(self, train: Sequence[Atoms], valid: Sequence[Atoms], settings: Settings) -> LinearPotential:
        """See ``LinearStudent.potential_for``."""
        assert isinstance(settings, SNAPFitSettings)
        found = ranges_of(train, valid, settings, "SNAP")
        twojmax, quadratic = settings.components
        return SNAPPotential(
            elements=found.elements,
            cutoff_A=found.cutoff_A,
            repulsion_A=found.repulsion_A,
            twojmax=twojmax,
            quadratic=quadratic,
        )

    def coefficients(self, settings: Settings, elements: int) -> int:
        """See ``Family.coefficients``."""
        assert isinstance(settings, SNAPFitSettings)
        return elements * (1 + count_of(*settings.components, elements))

    def name_of(self, settings: Settings) -> str:
        """See ``LinearStudent.name_of``."""
        assert isinstance(settings, SNAPFitSettings)
        return settings.size if settings.twojmax is None else f"twojmax {settings.twojmax}"
