"""GFN-xTB tight binding by tblite: a real self-consistent method that pip installs and a laptop affords."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from pfd.errors import InputError, LabelRejected
from pfd.frames import Labels, frame_id
from pfd.frames.state import electronic_state
from pfd.label.labeler import Labeler, LabelerSettings, Outcome
from pfd.plugins import install_command, require_modules
from pfd.units import A_PER_BOHR, BOLTZMANN_EV_PER_K, EV_PER_HARTREE
from pfd.voigt import to_voigt

if TYPE_CHECKING:
    from ase import Atoms


class TBLiteSettings(LabelerSettings):
    """Settings of tblite."""

    method: Literal["tblite"] = "tblite"
    hamiltonian: Literal["GFN1-xTB", "GFN2-xTB", "IPEA1-xTB"] = "GFN1-xTB"
    """The parametrisation: GFN1-xTB, because GFN2-xTB is no good for solids; for molecules take GFN2-xTB."""
    accuracy: float = Field(default=1.0, gt=0.0, le=1000.0)
    """tblite's accuracy, a factor on its thresholds and integral cutoffs: 1, at which forces are consistent with
    energies to about 1e-4 eV/Å; smaller is finer."""
    max_scf_steps: int = Field(default=250, ge=1)
    """SCF steps before a frame is given up: 250, tblite's own; good frames take 10 to 40."""
    mixer_damping: float = Field(default=0.4, gt=0.0, le=1.0)
    """Damping of the charge mixing: 0.4, tblite's own; lower is slower and safer. It does not change the answer."""
    electronic_temperature_K: float = Field(default=300.0, gt=0.0)
    """Fermi smearing, K: 300, at which the methods were parametrised; metals may need more to converge."""
    min_cell_A: float = Field(default=7.0, ge=0.0)
    """Least distance between opposite faces of a periodic cell, Å. tblite samples the Brillouin zone at Gamma only: 7 Å
    (64 atoms of diamond) is the smallest cell that was found sane, and 10 Å or more is better for all but wide-gap
    insulators. Smaller cells give converged, smooth and wrong labels, so they are rejected; 0 accepts any."""


HAMILTONIANS = {
    "GFN1-xTB": "S. Grimme et al., J. Chem. Theory Comput. 13, 1989 (2017), doi:10.1021/acs.jctc.7b00118",
    "GFN2-xTB": "C. Bannwarth et al., J. Chem. Theory Comput. 15, 1652 (2019), doi:10.1021/acs.jctc.8b01176",
    "IPEA1-xTB": "V. Ásgeirsson et al., Chem. Sci. 8, 4879 (2017), doi:10.1039/C7SC00601B",
}
"""The papers of the Hamiltonians."""


class TBLite(Labeler):
    """Labels with tblite's library, in this process, on as many threads as OMP_NUM_THREADS says.

    Energies hold the electronic entropy term, so the forces are their gradient. Frames that are periodic in one or two
    directions are refused: tblite would take them as periodic in all. The spin only sets the occupation; the
    Hamiltonians have no spin polarisation, so initial moments are refused.
    """

    name: ClassVar[str] = "tblite"
    citation = "C. Bannwarth et al., WIREs Comput. Mol. Sci. 11, e1493 (2021), doi:10.1002/wcms.1493"
    Settings = TBLiteSettings
    modules = ("tblite",)
    install = install_command("tblite")
    honours = frozenset({"charge", "spin"})

    def __init__(self, settings: LabelerSettings) -> None:
        super().__init__(settings)
        assert isinstance(settings, TBLiteSettings)
        self._settings = settings

    def citations(self) -> list[str]:
        """The library, and the Hamiltonian."""
        return [*super().citations(), HAMILTONIANS[self._settings.hamiltonian]]

    def level_of_theory(self) -> str:
        """The Hamiltonian, and those settings of the physics that are not tblite's own."""
        parts: list[str] = [self._settings.hamiltonian]
        if self._settings.electronic_temperature_K != 300.0:
            parts.append(f"electronic temperature {self._settings.electronic_temperature_K:g} K")
        if self._settings.accuracy != 1.0:
            parts.append(f"accuracy {self._settings.accuracy:g}")
        return ", ".join(parts)

    def check(self, frames: Sequence[Atoms]) -> None:
        """Refuse a set of which every frame is too small for Gamma, and a missing package.

        Raises:
            InputError, MissingError
        """
        require_modules(self.modules, what="the labeler 'tblite'", install=self.install)
        problems = [self._too_small(frame) for frame in frames]
        if frames and all(problems):
            raise InputError(problems[0], where=f"frame {frame_id(frames[0])}", hint=self._enlarge())

    def run(self, frame: Atoms, scratch: Path) -> Outcome:
        """Label one frame.

        Raises:
            LabelRejected: if the SCF cycle does not converge, or the cell is too small for Gamma.
            InputError: if an element is unknown to the method, or charge and spin do not fit the electrons.
            MissingError: if tblite is not installed.
        """
        require_modules(self.modules, what="the labeler 'tblite'", install=self.install)
        if problem := self._too_small(frame):
            raise LabelRejected(problem, where=f"frame {frame_id(frame)}", hint=self._enlarge())
        from tblite.exceptions import TBLiteRuntimeError

        try:
            result = self._calculator(frame).singlepoint()
        except TBLiteRuntimeError as error:
            raise self._explained(str(error), f"frame {frame_id(frame)}") from error
        stress = None
        if frame.pbc.all():
            stress = to_voigt(np.array(result.get("virial")) * EV_PER_HARTREE / frame.get_volume())
        labels = Labels(
            energy=float(result.get("energy")) * EV_PER_HARTREE,
            forces=-np.array(result.get("gradient")) * EV_PER_HARTREE / A_PER_BOHR,
            stress=stress,
        )
        return Outcome(labels, converged=True, needs_stress=bool(frame.pbc.all()))

    def _calculator(self, frame: Atoms) -> Any:
        from tblite.interface import Calculator

        state = electronic_state(frame)
        periodic = bool(frame.pbc.any())
        calculator = Calculator(
            self._settings.hamiltonian,
            frame.numbers,
            frame.positions / A_PER_BOHR,
            charge=state.charge,
            uhf=None if state.multiplicity is None else state.multiplicity - 1,
            lattice=frame.cell.array / A_PER_BOHR if periodic else None,
            periodic=frame.pbc if periodic else None,
        )
        calculator.set("verbosity", 0)
        calculator.set("accuracy", self._settings.accuracy)
        calculator.set("max-iter", self._settings.max_scf_steps)
        calculator.set("mixer-damping", self._settings.mixer_damping)
        kelvin = BOLTZMANN_EV_PER_K / EV_PER_HARTREE
        calculator.set("temperature", self._settings.electronic_temperature_K * kelvin)
        return calculator

    def _too_small(self, frame: Atoms) -> str:
        """What is wrong with the cell, or nothing."""
        if not frame.pbc.any() or frame.cell.rank < 3:
            return ""
        heights = 1.0 / np.linalg.norm(frame.cell.reciprocal().array, axis=1)
        if (least := float(heights.min())) >= self._settings.min_cell_A:
            return ""
        return f"tblite knows Gamma only, and the cell is {least:.2f} Å thick: a converged label would still be wrong"

    def _enlarge(self) -> str:
        lower = f"lower finetune.label.min_cell_A ({self._settings.min_cell_A:g})"
        return f"use a larger supercell, or {lower} if you know better"

    def _explained(self, message: str, where: str) -> LabelRejected | InputError:
        if "No support for elements" in message or "not compatible" in message:
            return InputError(f"tblite: {message}", where=where, hint="check the elements, the charge and the spin")
        if "not converged" in message:
            hint = (
                f"raise finetune.label.max_scf_steps ({self._settings.max_scf_steps}), lower "
                f"finetune.label.mixer_damping ({self._settings.mixer_damping:g}), "
                f"or raise finetune.label.electronic_temperature_K "
                f"({self._settings.electronic_temperature_K:g})"
            )
            return LabelRejected(f"tblite: {message}", where=where, hint=hint)
        return LabelRejected(f"tblite: {message}", where=where, hint="look at the frame: is it sane?")
