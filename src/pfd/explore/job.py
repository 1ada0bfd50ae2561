"""What an explorer is given: a starting structure, the model's forces, one of the group's conditions, a seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ase import Atoms
    from ase.calculators.calculator import Calculator

    from pfd.lammps.session import LammpsPotential


@dataclass(frozen=True)
class Job:
    """One run of a group.

    Attributes:
        start: the structure; None for a method that makes its own.
        calculator: makes the ASE calculator of the model (energy eV, forces eV/Å, stress eV/Å^3).
        potential: the model's pair style in LAMMPS, or None.
        formula: what a method that makes its own structures puts into a cell, or None.
        temperature_K: of the group's grid, or None.
        pressure_GPa: of the group's grid, or None.
        seed: of everything random.
        name: of the trajectory.
        group: name of the group of exploration.
        progress: called with the fraction done and a text.
        batch_model: makes the model as torch-sim knows it, or None if it does not.
        scratch: a folder for files, for a method that needs one.
    """

    start: Atoms | None
    calculator: Callable[[], Calculator]
    potential: LammpsPotential | None = None
    formula: str | None = None
    temperature_K: float | None = None
    pressure_GPa: float | None = None
    seed: int = 0
    name: str = ""
    group: str | None = None
    progress: Callable[[float, str], None] | None = None
    batch_model: Callable[[], Any] | None = None
    scratch: Path | None = None

    @property
    def structure(self) -> Atoms:
        """The structure, for a method that needs one."""
        assert self.start is not None
        return self.start

    def conditions(self) -> dict[str, Any]:
        """Temperature and pressure, as arguments."""
        return {"temperature_K": self.temperature_K, "pressure_GPa": self.pressure_GPa}

    def how(self) -> dict[str, Any]:
        """What all runs are given, as arguments."""
        return {"seed": self.seed, "progress": self.progress, "name": self.name, "group": self.group}
