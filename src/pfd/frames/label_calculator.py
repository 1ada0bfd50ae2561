"""An ASE calculator whose answer is a frame's labels: what all calculators here have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from ase.calculators.calculator import Calculator, PropertyNotImplementedError, all_changes

from pfd.frames.labels import Labels

if TYPE_CHECKING:
    from ase import Atoms


class LabelCalculator(Calculator):  # type: ignore[misc]
    """Energy (eV), forces (eV/Å) and, where the labels have one, stress (eV/Å^3, ASE's sign) of one frame at a time."""

    implemented_properties: ClassVar[list[str]] = ["energy", "free_energy", "forces", "stress"]

    @abstractmethod
    def labels(self, frame: Atoms) -> Labels:
        """The labels of a frame."""

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Evaluate the frame; ASE calls this when something changed.

        Raises:
            PropertyNotImplementedError: if a stress is asked for and the frame has none.
            PFDError: whatever ``labels`` raises.
        """
        super().calculate(atoms, properties, system_changes)
        found = self.labels(self.atoms)
        results: dict[str, Any] = {"energy": found.energy, "free_energy": found.energy, "forces": found.forces}
        if found.stress is not None:
            results["stress"] = found.stress
        self.results = results
        if found.stress is None and "stress" in properties:
            raise PropertyNotImplementedError("the stress of a frame that is not periodic in all directions")
