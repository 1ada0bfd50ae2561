"""Which students an input compares where it says ``student: auto``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pfd.config.student_limits import runs_in_lammps
from pfd.environments.launch import launch_of
from pfd.errors import MissingError, SettingError
from pfd.models.auto_student import AutoSettings
from pfd.models.family import Family
from pfd.models.training import make_family
from pfd.plugins import FAMILIES, plugin_names
from pfd.settings import Settings

if TYPE_CHECKING:
    from pfd.config.reading import ResolvedInput


@dataclass(frozen=True)
class Candidate:
    """One student that may be chosen.

    Attributes:
        name: of it, such as ``pod S``.
        family: its family.
        settings: how it is fitted.
        size: which of the family's sizes it is, as in ``Family.student_sizes``.
    """

    name: str
    family: Family
    settings: Settings
    size: Mapping[str, Any]

    @classmethod
    def of(cls, family: Family, size: Mapping[str, Any]) -> Candidate:
        """The student of a family in one of its sizes."""
        assert family.FitSettings is not None
        words = [family.name, *(f"{value}" for value in size.values())]
        return cls(" ".join(words), family, family.FitSettings.model_validate(size), size)


def is_open(resolved: ResolvedInput) -> bool:
    """Whether the student is still to be chosen."""
    return isinstance(resolved.fitting, AutoSettings)


def candidates_of(resolved: ResolvedInput) -> list[Candidate]:
    """The students to compare, families in alphabetical order, sizes from fast to accurate.

    Raises:
        SettingError: if a family that is named cannot run where ``explore`` needs it to.
        MissingError: if there is none.
    """
    families = compared_families(resolved)
    found = [Candidate.of(family, size) for family in families for size in family.student_sizes or ({},)]
    if not found:
        hint = "pfd env create pod, or name a student: {family: ...}"
        raise MissingError("no family that could be compared is there", where=_place(resolved), hint=hint)
    return found


def compared_families(resolved: ResolvedInput) -> Iterator[Family]:
    """The families of the candidates; those that the input names, else those that are there."""
    assert isinstance(resolved.fitting, AutoSettings)
    named = resolved.fitting.families
    lammps = needs_lammps(resolved)
    for name in sorted(plugin_names(FAMILIES)) if named is None else named:
        family = make_family(name)
        if named is not None and lammps and not runs_in_lammps(family):
            what = f"{lammps} needs a student that runs in LAMMPS, which models of {name!r} do not"
            raise SettingError(what, where=_place(resolved), hint="leave it out")
        if named is None and (not family.student_sizes or (lammps and not runs_in_lammps(family))):
            continue
        told = resolved.input.environments.get(name)
        if named is not None or launch_of(name, family.packages, family.modules, told) is not None:
            yield family


def needs_lammps(resolved: ResolvedInput) -> str:
    """The key of a group that the student drives in LAMMPS, if there is one."""
    assert resolved.input.distill is not None
    for stage, groups in enumerate(resolved.input.distill.explore):
        for number, group in enumerate(groups):
            if getattr(group, "with_", None) == "student" and getattr(group, "needs_lammps", False):
                return resolved.shown(f"distill.explore.{stage}.{number}")
    return ""


def _place(resolved: ResolvedInput) -> str:
    return resolved.place("distill.student.families")
