"""A model as labeler: the teacher in distillation, or any other model in the place of first principles."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from pfd.errors import InputError
from pfd.frames import Labels
from pfd.label.labeler import Blank, Labeler, LabelerSettings, Outcome

if TYPE_CHECKING:
    from ase import Atoms
    from ase.calculators.calculator import Calculator


class FamilyLabelerSettings(LabelerSettings):
    """Which model labels."""

    form: ClassVar[Mapping[str, Blank]] = MappingProxyType(
        {
            "family": Blank("mace", "of the model that labels; pfd models lists them"),
            "model": Blank("path/to/model", "its shipped weights, checkpoint or model folder"),
        }
    )
    method: Literal["family"] = "family"
    family: str | None = None
    """Registered name of the model's family; fine-tuning needs one, distillation labels with the teacher."""
    model: str | None = None
    """Name of shipped weights, checkpoint file or model folder, such as ``models/finetuned`` of another run."""
    head: str | None = None
    """Head of a multi-head model; None if it has one only."""
    trust_file: bool = False
    """Read a checkpoint that can run code when it is read; see ``teacher.trust_file``."""


class FamilyLabeler(Labeler):
    """Labels with any ASE calculator, handed in by ``use_model``: this room knows no families."""

    name: ClassVar[str] = "family"
    Settings = FamilyLabelerSettings
    how = frozenset({"family", "model", "head", "trust_file"})  # the model itself is an input of the task
    honours = frozenset({"initial_magmoms", "partial_pbc"})

    def __init__(self, settings: LabelerSettings) -> None:
        super().__init__(settings)
        self._calculator: Calculator | None = None
        self._level = ""

    def use_model(self, calculator: Calculator, level_of_theory: str) -> None:
        """Label with this calculator.

        Args:
            calculator: energy eV, forces eV/Å, stress eV/Å^3 where it has one.
            level_of_theory: what names the model for good, such as ``model:`` and 12 digits of its digest.
        """
        self._calculator = calculator
        self._level = level_of_theory

    def level_of_theory(self) -> str:
        """The name given with the model.

        Raises:
            InputError: if no model was given.
        """
        self._model()
        return self._level

    def run(self, frame: Atoms, scratch: Path) -> Outcome:
        """Predict one frame.

        Raises:
            InputError: if no model was given.
        """
        calculator = self._model()
        copy = frame.copy()
        copy.set_constraint()
        copy.calc = calculator
        has_stress = bool(frame.pbc.all()) and "stress" in calculator.implemented_properties
        forces = np.array(copy.get_forces(), dtype=float)
        energy = float(copy.get_potential_energy(force_consistent="free_energy" in calculator.results))
        stress = np.array(copy.get_stress(), dtype=float) if has_stress else None
        return Outcome(Labels(energy, forces, stress), converged=True, needs_stress=has_stress)

    def _model(self) -> Calculator:
        if self._calculator is None:
            raise InputError("the labeler 'family' was given no model", hint="call use_model(calculator, level) first")
        return self._calculator
