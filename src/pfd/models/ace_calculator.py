"""A linear ACE in ASE: ace-jax's calculator, without stress where there is none, and with our refusals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from ase.calculators.calculator import Calculator, PropertyNotImplementedError, all_changes

from pfd.models.family import require_elements

if TYPE_CHECKING:
    from ase import Atoms


class ACEInASE(Calculator):  # type: ignore[misc]
    """Energy (eV), forces (eV/Å) and, where periodic in all directions, stress (eV/Å^3) of a file of ace-jax.

    Args:
        path: the file.
        elements: chemical symbols that it knows.
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "free_energy", "forces", "stress"]

    def __init__(self, path: Path, elements: Sequence[str]) -> None:
        super().__init__()
        from ace_jax import ACECalculator

        self._path, self._elements = path, tuple(elements)
        self._engine = ACECalculator(str(path))

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Evaluate the frame; ASE calls this when something changed.

        Raises:
            ModelError: if the model does not know one of the elements.
        """
        super().calculate(atoms, properties, system_changes)
        require_elements([self.atoms], self._elements, str(self._path))
        frame = self.atoms.copy()
        if not frame.pbc.all():
            frame.set_cell(frame.cell.complete())  # it asks the volume even where it needs none
        self._engine.calculate(frame, ["energy", "forces"])
        found = self._engine.results
        self.results = {key: found[key] for key in ("energy", "free_energy", "forces")}
        if self.atoms.pbc.all():
            self.results["stress"] = found["stress"]
        elif "stress" in properties:
            raise PropertyNotImplementedError("the stress of a frame that is not periodic in all directions")
