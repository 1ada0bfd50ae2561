"""``student: auto``: no architecture of its own, but which families are compared before one becomes the student."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NoReturn

from pydantic import Field, field_validator

from pfd.errors import ModelError, SettingError
from pfd.models.family import Family, ModelCard
from pfd.plugins import FAMILIES, load_plugin
from pfd.settings import Settings

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator

    from pfd.lammps.session import LammpsPotential

AUTO = "auto"


class AutoSettings(Settings):
    """Which students are compared; the fastest that meets ``converge`` is chosen."""

    families: tuple[str, ...] | None = Field(default=None, min_length=1)
    """Families to compare, each in the sizes that lie on the front of error against speed. Default: those with such
    sizes whose packages are there: POD, SNAP and UF3, and NEP, ACE and DeePMD in environments of their own, whose fits
    take minutes where POD's takes seconds. A family without such sizes, if it is named, has its default one."""

    @field_validator("families")
    @classmethod
    def _can_be_fitted(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for name in value or ():
            try:
                family: type[Family] = load_plugin(FAMILIES, name)
            except SettingError as error:
                raise ValueError(f"{error.what}; {error.hint}") from error
            if family.FitSettings is None:
                raise ValueError(f"the family {name!r} cannot be fitted from scratch; leave it out")
        if value is not None and len(set(value)) < len(value):
            raise ValueError("a family is named twice; name each once")
        return value


class AutoStudent(Family):
    """Stands for the student until there is one; no model is ever of this family.

    It may turn out to be one that runs in LAMMPS, so that what LAMMPS cannot do is refused.
    """

    name: ClassVar[str] = AUTO
    FitSettings: ClassVar[type[Settings] | None] = AutoSettings

    def adopt(self, source: str, head: str | None, folder: Path, trust_file: bool = False) -> ModelCard:
        """Refused."""
        self._refuse()

    def calculator(self, folder: Path, device: str = "cpu") -> Calculator:
        """Refused."""
        self._refuse()

    def add_energy_shift(self, folder: Path, shift_eV: dict[str, float]) -> None:
        """Refused."""
        self._refuse()

    def lammps_potential(self, folder: Path) -> LammpsPotential | None:
        """Refused."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise ModelError("'auto' is a choice between families, and no model is of it", hint="name a family")
