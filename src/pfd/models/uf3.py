"""UF3: the ultra-fast potential, cubic splines of two and three bodies, run by LAMMPS' ``pair_style uf3``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, model_validator

from pfd.errors import SettingError
from pfd.models.linear_fit import LinearFitSettings, default_cutoff, ranges_of
from pfd.models.linear_potential import LinearPotential
from pfd.models.linear_student import LinearStudent
from pfd.models.uf3_basis import UF3Basis
from pfd.models.uf3_potential import UF3Potential
from pfd.settings import Settings

if TYPE_CHECKING:
    from ase import Atoms

PRESETS = {"S": UF3Basis(pair=12, leg=7, base=12), "M": UF3Basis(pair=12, leg=9, base=12)}
"""Splines of each size, of one element."""
PRESETS_OF_SEVERAL = {"S": UF3Basis(pair=12, leg=5, base=8), "M": UF3Basis(pair=12, leg=6, base=9)}
"""The same of two elements and more, whose triples grow with the third power of their number."""
NEAR = {"S": 11.0, "M": 16.0}
"""Neighbours within the default cutoff of three bodies."""


class UF3FitSettings(LinearFitSettings):
    """How a UF3 student is fitted."""

    many_equations: ClassVar[float] = 100.0
    most_stress_weight: ClassVar[float] = 0.5
    most_calm_weight: ClassVar[float] = 1.0
    size: Literal["S", "M"] = "M"
    """How many splines, and how many neighbours three bodies are taken from: 11 (S) and 16 (M) on average."""
    triple_cutoff_A: float | None = Field(default=None, gt=1.0, le=8.0)
    """How far the two neighbours of three bodies may be from the atom, Å. The time per step grows with the square of
    the number of neighbours within. Default: the radius that holds as many as the size says."""
    basis: UF3Basis | None = None
    """Numbers of splines of your own instead of those of a size."""
    curvature_weight: float = Field(default=0.3, ge=0.0)
    """Weight of a second difference of coefficients, eV, against an error of one force component, eV/Å: keeps smooth
    what few frames say little of. 23 frames of silicon left S with 278 meV/Å at 0, 189 at 0.01, 179 at 0.3 and 177 at
    1; 160 frames with 160, 159, 159 and 159."""

    @property
    def neighbours(self) -> float:
        """See ``LinearFitSettings.neighbours``: pairs cost little, and have only the distance to go by."""
        return 2.0 * super().neighbours

    @property
    def smoothness(self) -> float:
        """See ``LinearFitSettings.smoothness``."""
        return self.curvature_weight

    def basis_of(self, elements: int) -> UF3Basis:
        """How many splines a model of so many elements has."""
        return self.basis or (PRESETS if elements == 1 else PRESETS_OF_SEVERAL)[self.size]

    @model_validator(mode="after")
    def _cutoffs(self) -> UF3FitSettings:
        if self.cutoff_A and self.triple_cutoff_A and self.triple_cutoff_A > self.cutoff_A:
            raise ValueError(f"triple_cutoff_A ({self.triple_cutoff_A}) is beyond cutoff_A ({self.cutoff_A})")
        return self


class UF3(LinearStudent):
    """Splines of two and three bodies; the folder holds LAMMPS' file and two that name elements and coefficients."""

    name: ClassVar[str] = "uf3"
    student_sizes: ClassVar[tuple[Mapping[str, Any], ...]] = ({"size": "S"}, {"size": "M"})
    FitSettings: ClassVar[type[Settings] | None] = UF3FitSettings
    Potential: ClassVar[type[LinearPotential]] = UF3Potential
    citation: ClassVar[str] = "Xie, Rupp and Hennig, npj Comput. Mater. 9, 162 (2023)"

    def potential_for(self, train: Sequence[Atoms], valid: Sequence[Atoms], settings: Settings) -> LinearPotential:
        """See ``LinearStudent.potential_for``.

        Raises:
            SettingError: if no two atoms of the frames are closer than a cutoff.
        """
        assert isinstance(settings, UF3FitSettings)
        found = ranges_of(train, valid, settings, "UF3")
        near = settings.triple_cutoff_A or min(default_cutoff(train, NEAR[settings.size]), found.cutoff_A)
        if found.closest_A >= near or near > found.cutoff_A:
            raise SettingError(
                f"triple_cutoff_A ({near} Å) is not between the shortest distance of the frames "
                f"({found.closest_A:.2f} Å) and cutoff_A ({found.cutoff_A} Å)",
                where="UF3",
            )
        return UF3Potential(
            elements=found.elements,
            cutoff_A=found.cutoff_A,
            repulsion_A=found.repulsion_A,
            closest_A=round(found.closest_A, 3),
            triple_cutoff_A=near,
            basis=settings.basis_of(len(found.elements)),
        )

    def coefficients(self, settings: Settings, elements: int) -> int:
        """See ``Family.coefficients``."""
        assert isinstance(settings, UF3FitSettings)
        return settings.basis_of(elements).count(elements)

    def name_of(self, settings: Settings) -> str:
        """See ``LinearStudent.name_of``."""
        assert isinstance(settings, UF3FitSettings)
        return "custom" if settings.basis else settings.size
