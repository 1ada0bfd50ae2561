"""An ASE calculator of anything that has a LAMMPS pair style; one LAMMPS instance serves all calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from ase.calculators.calculator import Calculator, all_changes

from pfd.lammps.session import LammpsPotential, LammpsSession

if TYPE_CHECKING:
    from ase import Atoms


class LammpsCalculator(Calculator):  # type: ignore[misc]
    """Energy (eV), forces (eV/Å) and stress (eV/Å^3) of a potential in LAMMPS.

    Args:
        potential: what to evaluate.
        threads: OpenMP threads of the pair styles that have them.
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "free_energy", "forces", "stress"]

    def __init__(self, potential: LammpsPotential, threads: int = 1) -> None:
        super().__init__()
        self.potential = potential
        self.threads = threads
        self._session: LammpsSession | None = None

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Evaluate the frame; ASE calls this when something changed.

        Raises:
            ModelError, DataError, TaskFailed: see ``LammpsSession.place`` and ``evaluate``.
        """
        super().calculate(atoms, properties, system_changes)
        if self._session is None:
            self._session = LammpsSession(self.potential, threads=self.threads)
        self._session.place(self.atoms)
        evaluation = self._session.evaluate()
        results: dict[str, Any] = {"energy": evaluation.energy, "free_energy": evaluation.energy}
        results["forces"] = evaluation.forces
        if evaluation.stress is not None:
            results["stress"] = evaluation.stress
        self.results = results
