"""Random structure search: cells of sensible density with atoms anywhere that is not too close, then relaxed."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field, field_validator

from pfd.errors import DataError
from pfd.explore.relax import RelaxSettings, relax
from pfd.explore.settings import Explorer
from pfd.frames import with_origin
from pfd.frames.neighbours import closest_contact

if TYPE_CHECKING:
    from ase import Atoms

    from pfd.explore.job import Job
    from pfd.explore.trajectory import Trajectory

MOST_ATOMS = 1000
ATTEMPTS = 200
"""Places tried for one atom before the cell is given up."""
CELLS = 50
"""Cells tried, each 2 % larger in volume than the one before."""


class RandomSettings(Explorer):
    """Random structures of given formulas, each relaxed for some steps: AIRSS, with the model for the relaxation.

    Pickard and Needs, J. Phys.: Condens. Matter 23, 053201 (2011).
    """

    shaped_by: ClassVar[str] = "formulas"

    method: Literal["random"] = "random"
    """Random structure search."""
    formulas: tuple[str, ...] = Field(min_length=1)
    """What a cell holds, e.g. Si8 or Ti4O8; one set of structures each."""
    replicas: int = Field(default=10, ge=1, le=10_000)
    """Structures of each formula."""
    structures: None = None
    """None: it starts from no structure of the input."""
    volume_factor: tuple[float, float] = (1.2, 3.0)
    """Volume of a cell as a multiple of the volume of its atoms' covalent spheres, drawn between these: copper has
    1.2, MgO 1.4, NaCl 1.9, silicon 3.5."""
    min_distance: float = Field(default=0.75, gt=0, le=1.5)
    """Closest that two atoms are put, as a fraction of the sum of their covalent radii: bonds have 0.9 to 1.2; the
    relaxation does the rest."""
    steps: int = Field(default=60, ge=0)
    """Steps of relaxation, cell included where the model gives stresses; 0 keeps the structure as it was drawn."""
    every: int = Field(default=10, ge=1)
    """Steps between kept frames; the first and the last are always kept."""
    fmax_eV_per_A: float = Field(default=0.1, gt=0)
    """The largest force at which a structure counts as relaxed, eV/Å."""

    @field_validator("formulas")
    @classmethod
    def _formulas(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for formula in value:
            symbols_of(formula)
        if len(set(value)) < len(value):
            raise ValueError("formulas holds one twice; for more structures of it write replicas")
        return value

    @field_validator("volume_factor")
    @classmethod
    def _range(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0.5 <= value[0] <= value[1] <= 20.0:
            raise ValueError("volume_factor is a range, two numbers from 0.5 to 20, the smaller first")
        return value

    @property
    def compositions(self) -> tuple[str, ...]:
        """See ``Explorer.compositions``."""
        return self.formulas

    def example(self, formula: str) -> Atoms:
        """See ``Explorer.example``."""
        return random_structure(formula, self.volume_factor, self.min_distance, np.random.default_rng(0))

    @property
    def most_frames(self) -> int:
        """See ``Explorer.most_frames``."""
        return 1 + ceil(self.steps / self.every)

    def citations(self) -> list[str]:
        """See ``Explorer.citations``."""
        return [
            "C. J. Pickard, R. J. Needs, J. Phys.: Condens. Matter 23, 053201 (2011), doi:10.1088/0953-8984/23/5/053201"
        ]

    def run(self, job: Job) -> Trajectory:
        """Draw a structure and relax it."""
        assert job.formula is not None
        generator = np.random.default_rng(job.seed)
        start = random_structure(job.formula, self.volume_factor, self.min_distance, generator)
        calculator = job.calculator()
        cell: Literal["full", "fixed"] = "full" if "stress" in calculator.implemented_properties else "fixed"
        relaxation = RelaxSettings(
            cell=cell, steps=self.steps, every=self.every, fmax_eV_per_A=self.fmax_eV_per_A, stop=self.stop
        )
        return relax(start, job, relaxation, keep_start=True)


def symbols_of(formula: str) -> list[str]:
    """Chemical symbols of a formula, one for each atom.

    Raises:
        ValueError: if it is none.
    """
    from ase.data import atomic_numbers
    from ase.formula import Formula

    try:
        counts = Formula(formula).count()
    except ValueError as error:
        raise ValueError(f"{formula!r} is no formula; write for example Si8 or Ti4O8") from error
    wrong = [symbol for symbol in counts if symbol not in atomic_numbers or symbol == "X"]
    if wrong or not counts or not all(counts.values()):
        raise ValueError(f"{formula!r} names {wrong[0] if wrong else 'nothing'}, which is no element")
    if sum(counts.values()) > MOST_ATOMS:
        raise ValueError(f"{formula!r} holds more than {MOST_ATOMS} atoms; a random search finds nothing in such cells")
    return [symbol for symbol, count in counts.items() for _ in range(count)]


def random_structure(
    formula: str, volume_factor: tuple[float, float], min_distance: float, generator: np.random.Generator
) -> Atoms:
    """A random cell, periodic in all directions, of a formula.

    Lengths differ by at most a factor of two, angles lie between 60 and 120 degrees; atoms are put one after the other
    where no other, and no image of their own, is closer than ``min_distance`` times the sum of the covalent radii.

    Args:
        formula: what it holds.
        volume_factor: range of the volume, in units of the volume of the atoms' covalent spheres.
        min_distance: fraction of the sum of covalent radii.
        generator: of all that is random.

    Raises:
        DataError: if the atoms found no room in any of the cells.
    """
    from ase import Atoms
    from ase.data import covalent_radii

    symbols = symbols_of(formula)
    spheres = 4.0 / 3.0 * np.pi * float((covalent_radii[Atoms(symbols).numbers] ** 3).sum())
    volume = spheres * generator.uniform(*volume_factor)
    for attempt in range(CELLS):
        frame = Atoms(cell=_random_cell(volume * 1.02**attempt, generator), pbc=True)
        if all(_place(frame, symbol, min_distance, generator) for symbol in symbols):
            return with_origin(frame)
    raise DataError(
        f"the atoms of {formula} found no room",
        where="explore: method random",
        hint="raise volume_factor, or lower min_distance",
    )


def _random_cell(volume_A3: float, generator: np.random.Generator) -> np.ndarray:
    from ase.geometry import cellpar_to_cell

    while True:
        lengths, angles = generator.uniform(1.0, 2.0, 3), generator.uniform(60.0, 120.0, 3)
        cosines = np.cos(np.radians(angles))
        squared = 1.0 - (cosines**2).sum() + 2.0 * cosines.prod()
        if squared > 0.1:  # the volume of unit vectors at these angles, squared; flat cells are left out
            cell = np.array(cellpar_to_cell([*lengths, *angles]))
            return np.asarray(cell * np.cbrt(volume_A3 / abs(np.linalg.det(cell))))


def _place(frame: Atoms, symbol: str, min_distance: float, generator: np.random.Generator) -> bool:
    """Add an atom somewhere; False if there is no room for it."""
    from ase import Atom

    frame.append(Atom(symbol))
    for _ in range(ATTEMPTS):
        frame.positions[-1] = generator.random(3) @ frame.cell.array
        if closest_contact(frame, min_distance) >= min_distance:
            return True
    return False
