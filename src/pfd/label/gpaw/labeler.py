"""GPAW as labeler: its keywords from typed settings, run in an environment of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pfd.environments.launch import Launch, launch_of
from pfd.errors import InputError, MissingError, SettingError
from pfd.frames import frame_id
from pfd.label.ase_calculator.launcher import require_program
from pfd.label.ase_calculator.program import Calculation, ask_interpreter, run_calculation
from pfd.label.engine_program import ProgramLabeler
from pfd.label.gpaw.keywords import LOG_FILE, frame_with_moments, keywords, tries
from pfd.label.gpaw.settings import GPAWSettings
from pfd.label.labeler import CUTOFF_STEP, Finer, Outcome, finer_by, finer_mesh
from pfd.label.labelled_file import FRAME_FILE, LABELLED_FILE

if TYPE_CHECKING:
    from ase import Atoms

DESCRIBE = Path(__file__).with_name("describe_gpaw.py")
OTHER_SETUPS = ("ae", "sg15", "hgh", "hgh.sc", "ghost")
"""Names in ``setups`` that are no files of atomic setups, at the start of the name."""


class GPAW(ProgramLabeler[GPAWSettings, dict[str, Any]]):
    """Labels with GPAW in plane waves, one process per frame.

    The label is the free energy, whose gradient the forces are; the one extrapolated to zero smearing stands beside it.
    A frame that is not periodic in all directions is computed in its own box with one k-point along the directions that
    are not, and without stress; the box must hold enough vacuum. The spin 2S+1 fixes the total moment.
    """

    name: ClassVar[str] = "gpaw"
    citation = "J. J. Mortensen et al., J. Chem. Phys. 160, 092503 (2024), doi:10.1063/5.0182685"
    Settings = GPAWSettings
    modules = ("gpaw",)
    packages = ("gpaw==26.7.0", "gpaw-data==1.2.1")
    install = "pfd env create gpaw (with MPI and Libxc: apt install libopenmpi-dev libopenblas-dev libxc-dev first)"
    how = ProgramLabeler.how | {"environment"}
    evidence = (FRAME_FILE, LABELLED_FILE, LOG_FILE, "*.out")
    honours = frozenset({"charge", "spin", "initial_magmoms", "partial_pbc"})

    def level_of_theory(self) -> str:
        """Functional, cutoff, k-points, smearing, setups by name and digest, and initial moments.

        Raises:
            MissingError: if GPAW is nowhere.
            SettingError: if it does not know the functional.
        """
        settings = self._settings
        width = "" if settings.smearing == "none" else f" {settings.width_eV:g} eV"
        parts = [
            f"GPAW {settings.xc}",
            f"plane waves {settings.ecut_eV:g} eV",
            f"kspacing {settings.kspacing_per_A:g}/Å",
            f"smearing {'fixed' if settings.smearing == 'none' else settings.smearing}{width}",
            *(["dipole correction"] if settings.dipole_correction else []),
            *(f"{element} starts with {moment:g}" for element, moment in sorted(settings.magmoms.items()) if moment),
            *(f"setup of {element} {name}" for element, name in sorted(settings.setups.items())),
            f"setups {self._described['digest'][:12]}",
        ]
        return ", ".join(parts)

    def check(self, frames: Sequence[Atoms]) -> None:
        """Refuse a missing launcher or GPAW, elements without a setup, and frames that have no input.

        Raises:
            InputError, MissingError
        """
        for program in self._settings.launcher()[:1] if self._settings.environment is None else ():
            require_program(program, "finetune.label.command")
        self.require_scratch()
        self.level_of_theory()
        for frame in frames:
            self.prepare(frame)
            frame_with_moments(self._settings, frame)

    def finer(self, frames: Sequence[Atoms] = ()) -> list[Finer]:
        """A higher cutoff, and a denser mesh of k-points."""
        settings = self._settings
        return finer_by(settings, "ecut_eV", CUTOFF_STEP) + finer_mesh(settings, frames)

    def prepare(self, frame: Atoms) -> dict[str, Any]:
        """GPAW's keywords.

        Raises:
            InputError: if an element has no setup, or the frame no box.
        """
        known = set(self._described["setups"])
        for element in sorted(set(frame.get_chemical_symbols())):
            given = self._settings.setups.get(element, self._settings.setups.get("default", "paw"))
            name = given.partition(":")[0] or "paw"
            if not name.startswith(OTHER_SETUPS) and (element if name == "paw" else f"{element}.{name}") not in known:
                there = sorted(each for each in known if each.split(".")[0] == element)
                hint = f"there are: {', '.join(there)}" if there else "choose another functional, or other elements"
                what = f"GPAW has no setup {name!r} of {element} for {self._described['kind']}"
                raise InputError(what, where=f"frame {frame_id(frame)}", hint=hint)
        return keywords(self._settings, frame)

    def ladder(self, given: dict[str, Any]) -> list[dict[str, Any]]:
        """More steps, gentler mixing, more work on the wave functions, and in the end another mixer."""
        return tries(self._settings)

    def attempt(self, frame: Atoms, given: dict[str, Any], folder: Path, tuned: Mapping[str, Any]) -> Outcome | str:
        """See ``ProgramLabeler``."""
        folder.mkdir(parents=True)
        asked = Calculation(
            "gpaw",
            {**given, **tuned},
            stress=bool(frame.pbc.all()),
            variables={"GPAW_MPI_BACKEND": "cgpaw" if self._settings.command else "serial"},
        )
        started = frame_with_moments(self._settings, frame)
        found = run_calculation(self._settings, self._launch, asked, started, folder)
        if isinstance(found, str):
            return found
        if (found.scf_steps or 0) >= tuned["maxiter"]:
            return f"GPAW used all of its {tuned['maxiter']} SCF steps"
        return replace(found, max_scf_steps=int(tuned["maxiter"]))

    def unconverged_hint(self, given: dict[str, Any]) -> str:
        """See ``ProgramLabeler``."""
        settings = self._settings
        steps = f"raise finetune.label.max_scf_steps ({settings.max_scf_steps})"
        return f"{steps}, or finetune.label.width_eV ({settings.width_eV:g})"

    @cached_property
    def _launch(self) -> Launch:
        """How GPAW's interpreter is started, launcher included.

        Raises:
            MissingError: if there is none.
        """
        settings = self._settings
        launch = launch_of(self.name, self.packages, self.modules, settings.environment, settings.launcher())
        if launch is None:
            what = "the labeler 'gpaw' needs gpaw, which is neither here nor in an environment of its own"
            raise MissingError(what, where="finetune.label.method", hint=self.install)
        return launch

    @cached_property
    def _described(self) -> dict[str, Any]:
        """What GPAW says of its setups; it is asked without the launcher."""
        settings = self._settings
        launch = launch_of(self.name, self.packages, self.modules, settings.environment)
        where = "finetune.label.method" if settings.environment is None else "environments.gpaw"
        try:
            return ask_interpreter(launch or self._launch, DESCRIBE, (settings.xc,), where)
        except InputError as error:
            hint = f"choose another functional, or {error.hint}"
            raise SettingError(error.what, where="finetune.label.xc", hint=hint) from error
