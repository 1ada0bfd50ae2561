"""Slabs of a crystal, and interfaces of two of them, by pymatgen."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, field_validator

from pfd.errors import MissingError, SettingError
from pfd.frames.frame import is_bulk, with_origin
from pfd.settings import Settings

if TYPE_CHECKING:
    from ase import Atoms

Index = Annotated[int, Field(ge=-6, le=6)]
Miller = tuple[Index, Index, Index]


class SlabSettings(Settings):
    """Slabs cut out of a crystal: one for each distinct termination."""

    miller: Miller
    """Miller indices of the surface, of the conventional cell."""
    thickness_A: float = Field(default=10.0, gt=0, le=200)
    """Least thickness, Å: enough for the middle to be bulk with models of 5 to 6 Å cutoff."""
    vacuum_A: float = Field(default=15.0, ge=0, le=1000)
    """Vacuum between a slab and its image, Å: beyond the cutoff of any local model, and enough for DFT."""
    terminations: int = Field(default=4, ge=1)
    """At most so many terminations."""

    @field_validator("miller")
    @classmethod
    def _not_zero(cls, value: Miller) -> Miller:
        if not any(value):
            raise ValueError("miller [0, 0, 0] is no surface; write for example [1, 1, 0]")
        return value


class InterfaceSettings(Settings):
    """Interfaces of the entry's crystal (the film) with another (the substrate), by matching their lattices.

    Zur and McGill, J. Appl. Phys. 55, 378 (1984), as in pymatgen.
    """

    file: Path
    """The substrate's crystal; a relative path starts at the input file's folder."""
    miller: Miller
    """Miller indices of the film."""
    substrate_miller: Miller
    """Miller indices of the substrate."""
    thickness_A: float = Field(default=8.0, gt=0, le=200)
    """Thickness of each of the two, Å."""
    gap_A: float = Field(default=2.0, gt=0)
    """Distance between the two at first, Å: a bond length; relaxing finds the right one."""
    vacuum_A: float = Field(default=15.0, ge=0, le=1000)
    """Vacuum above the film, Å."""
    max_area_A2: float = Field(default=100.0, gt=0, le=1000)
    """Largest area of the common cell, Å²: it decides the number of atoms, and how long the search takes."""
    max_strain: float = Field(default=0.05, gt=0, lt=0.5)
    """Largest strain of the film."""
    count: int = Field(default=2, ge=1)
    """At most so many interfaces, the least strained first."""


def cut_slabs(frame: Atoms, settings: SlabSettings) -> list[Atoms]:
    """The slabs, periodic in all directions with vacuum along the third, in pymatgen's order.

    Raises:
        SettingError: if the structure is no crystal.
        MissingError: if pymatgen is not installed.
    """
    _require_crystal(frame, "slab")
    pymatgen = _pymatgen("slab")
    from pymatgen.core.surface import SlabGenerator

    with _without_deprecations():
        generator = SlabGenerator(
            pymatgen.get_structure(frame),
            settings.miller,
            min_slab_size=settings.thickness_A,
            min_vacuum_size=settings.vacuum_A,
            center_slab=True,
            primitive=False,
            max_normal_search=max(abs(index) for index in settings.miller),
        )
        slabs = generator.get_slabs()[: settings.terminations]
    return [_frame(slab, pymatgen) for slab in slabs]


def build_interfaces(film: Atoms, substrate: Atoms, settings: InterfaceSettings) -> list[Atoms]:
    """The interfaces, the least strained first.

    Raises:
        SettingError: if one of the two is no crystal, or nothing matches.
        MissingError: if pymatgen is not installed.
    """
    for frame in (film, substrate):
        _require_crystal(frame, "interface")
    pymatgen = _pymatgen("interface")
    from pymatgen.analysis.interfaces import CoherentInterfaceBuilder, SubstrateAnalyzer

    analyzer = SubstrateAnalyzer(
        max_area=settings.max_area_A2,
        max_length_tol=settings.max_strain,
        max_angle_tol=settings.max_strain,
        bidirectional=True,
    )
    with _without_deprecations():
        builder = CoherentInterfaceBuilder(
            substrate_structure=pymatgen.get_structure(substrate),
            film_structure=pymatgen.get_structure(film),
            film_miller=settings.miller,
            substrate_miller=settings.substrate_miller,
            zslgen=analyzer,
        )
        found = [
            interface
            for termination in (builder.terminations if builder.zsl_matches else ())
            for interface in builder.get_interfaces(
                termination,
                gap=settings.gap_A,
                vacuum_over_film=settings.vacuum_A,
                film_thickness=settings.thickness_A,
                substrate_thickness=settings.thickness_A,
                in_layers=False,
            )
        ]
    sane = [each for each in found if abs(each.interface_properties["von_mises_strain"]) <= settings.max_strain]
    if not sane:
        raise SettingError(
            "no common cell of the two surfaces is small enough and little enough strained",
            where="interface",
            hint="raise max_area_A2 or max_strain, or take other surfaces",
        )
    best = sorted(sane, key=lambda each: (abs(each.interface_properties["von_mises_strain"]), len(each)))
    return [_frame(interface, pymatgen) for interface in best[: settings.count]]


def _frame(structure: Any, pymatgen: Any) -> Atoms:
    from ase import Atoms

    atoms = pymatgen.get_atoms(structure)
    plain = Atoms(atoms.get_chemical_symbols(), positions=atoms.positions, cell=atoms.cell.array, pbc=True)
    return with_origin(plain)


def _require_crystal(frame: Atoms, what: str) -> None:
    if not is_bulk(frame):
        raise SettingError(
            f"{frame.symbols.formula.format('hill')} is no crystal: it has vacuum, or is not periodic everywhere",
            where=what,
            hint="name the file of the bulk crystal",
        )


@contextmanager
def _without_deprecations() -> Iterator[None]:
    """What pymatgen still uses of other packages is no concern of the user."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def _pymatgen(what: str) -> Any:
    try:
        from pymatgen.io.ase import AseAtomsAdaptor
    except ImportError as error:
        raise MissingError(
            f"{what} needs pymatgen", where=f"structures: {what}", hint="pip install pymatgen"
        ) from error
    return AseAtomsAdaptor
