"""Point defects: atoms taken out, and atoms put into the largest voids."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field, field_validator, model_validator

from pfd.errors import SettingError
from pfd.frames.frame import is_bulk, with_origin
from pfd.frames.labels import without_labels
from pfd.settings import Settings

if TYPE_CHECKING:
    from ase import Atoms

LARGE_VOID = 0.9
"""Voids of at least this fraction of the largest one's radius are taken for interstitials, at random."""


class DefectSettings(Settings):
    """Copies of a structure with point defects, beside the perfect one."""

    count: int = Field(default=3, ge=1, le=10_000)
    """Copies with defects."""
    vacancies: int = Field(default=0, ge=0)
    """Atoms that are missing in each copy."""
    interstitials: int = Field(default=0, ge=0)
    """Atoms that are too many in each copy, each in one of the largest voids."""
    element: str | None = None
    """Which element is taken out and put in; None is any of the structure, as likely as it is frequent."""

    @field_validator("element")
    @classmethod
    def _element(cls, value: str | None) -> str | None:
        from ase.data import atomic_numbers

        if value is not None and (value not in atomic_numbers or value == "X"):
            raise ValueError(f"{value!r} is no element")
        return value

    @model_validator(mode="after")
    def _some(self) -> DefectSettings:
        if self.vacancies == self.interstitials == 0:
            raise ValueError("write how many vacancies or interstitials each copy has")
        return self


def with_defects(frame: Atoms, settings: DefectSettings, seed: int) -> list[Atoms]:
    """Copies with defects; without labels. Constraints of the other atoms stay.

    Args:
        frame: the perfect structure.
        settings: how many of what.
        seed: of where.

    Raises:
        SettingError: if there are no atoms of the element to be taken out, or nothing would be left.
    """
    generator = np.random.default_rng(seed)
    symbols = np.array(frame.get_chemical_symbols())
    there = np.flatnonzero(symbols == settings.element) if settings.element else np.arange(len(frame))
    if settings.vacancies > len(there) or settings.vacancies >= len(frame):
        raise SettingError(
            f"{settings.vacancies} vacancies of {settings.element or 'any element'} in "
            f"{frame.symbols.formula.format('hill')}",
            where="defects.vacancies",
            hint="take fewer, or a supercell",
        )
    copies = []
    for _ in range(settings.count):
        copy = without_labels(frame)
        _insert(copy, settings, symbols, generator)
        if settings.vacancies:
            del copy[sorted(int(index) for index in generator.choice(there, settings.vacancies, replace=False))]
        copies.append(with_origin(copy))
    return copies


def _insert(copy: Atoms, settings: DefectSettings, symbols: np.ndarray, generator: np.random.Generator) -> None:
    from ase import Atom

    for _ in range(settings.interstitials):
        centres, radii = voids(copy)
        large = np.flatnonzero(radii >= LARGE_VOID * radii.max())
        place = centres[generator.choice(large)]
        copy.append(Atom(settings.element or str(generator.choice(symbols)), place))


def voids(frame: Atoms) -> tuple[np.ndarray, np.ndarray]:
    """Centres (n, 3), Å, and radii (n,), Å, of the empty spheres between the atoms.

    These are the Voronoi vertices of the atoms and their images. In a direction without periodicity, and where there
    is vacuum, only those within the span of the atoms count.

    Raises:
        SettingError: if there are too few atoms for a void.
    """
    from ase.geometry import wrap_positions
    from scipy.spatial import QhullError, Voronoi, cKDTree

    repeats = [range(-1, 2) if periodic else range(1) for periodic in frame.pbc]
    shifts = np.array([[i, j, k] for i in repeats[0] for j in repeats[1] for k in repeats[2]])
    inside = wrap_positions(frame.positions, frame.cell, frame.pbc)
    points = (inside[None] + (shifts @ frame.cell.array)[:, None]).reshape(-1, 3)
    try:
        vertices = Voronoi(points).vertices
    except (QhullError, ValueError) as error:
        raise SettingError(
            "too few atoms for a void", where="defects.interstitials", hint="take a supercell"
        ) from error
    low, high = inside.min(axis=0) - 1e-6, inside.max(axis=0) + 1e-6
    scaled = frame.cell.scaled_positions(vertices) if frame.cell.rank == 3 else np.zeros_like(vertices)
    keep = np.ones(len(vertices), dtype=bool)
    for axis, periodic in enumerate(frame.pbc):
        keep &= (scaled[:, axis] > -1e-9) & (scaled[:, axis] < 1.0 - 1e-9) if periodic else True
    if not is_bulk(frame):
        keep &= ((vertices >= low) & (vertices <= high)).all(axis=1)
    if not keep.any():
        raise SettingError("there is no void between the atoms", where="defects.interstitials", hint="leave it out")
    radii, _ = cKDTree(points).query(vertices[keep])
    return vertices[keep], np.asarray(radii)
