"""An ASE calculator of anything that has a LAMMPS pair style; one LAMMPS instance serves all calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pfd.frames import Labels
from pfd.frames.label_calculator import LabelCalculator
from pfd.lammps.session import LammpsPotential, LammpsSession

if TYPE_CHECKING:
    from ase import Atoms


class LammpsCalculator(LabelCalculator):
    """Energy (eV), forces (eV/Å) and stress (eV/Å^3) of a potential in LAMMPS.

    Args:
        potential: what to evaluate.
        threads: OpenMP threads of the pair styles that have them.
    """

    def __init__(self, potential: LammpsPotential, threads: int = 1) -> None:
        super().__init__()
        self.potential = potential
        self.threads = threads
        self._session: LammpsSession | None = None

    def labels(self, frame: Atoms) -> Labels:
        """See ``LabelCalculator``; the stress of any frame that has a volume.

        Raises:
            ModelError, DataError, TaskFailed: see ``LammpsSession.place`` and ``evaluate``.
        """
        if self._session is None:
            self._session = LammpsSession(self.potential, threads=self.threads)
        self._session.place(frame)
        return Labels(*self._session.evaluate())
