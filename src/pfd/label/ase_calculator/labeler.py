"""Any calculator of ASE as labeler, by its registered name or as module:Class."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, field_validator

from pfd.digests import json_bytes, json_digest
from pfd.environments.launch import Launch, whole_or_bare
from pfd.label.ase_calculator.launcher import LaunchedSettings, require_program
from pfd.label.ase_calculator.program import SCRIPT, Calculation, ask_interpreter, run_calculation
from pfd.label.foreign_program import ForeignLabeler, ForeignSettings
from pfd.label.labeler import Blank, Outcome

if TYPE_CHECKING:
    from ase import Atoms

LONGEST_SHOWN = 120
"""Characters of parameters that stand in the level of theory as they are; longer ones are a digest."""


class AseCalculatorSettings(LaunchedSettings, ForeignSettings):
    """Settings of a calculator of ASE."""

    form: ClassVar[Mapping[str, Blank]] = MappingProxyType(
        {"calculator": Blank("emt", "ASE's name of it, or module:Class; its keywords are parameters")}
    )
    method: Literal["ase"] = "ase"
    calculator: str = Field(pattern=r"^\w[\w.]*(:\w+)?$")
    """ASE's registered name, such as ``emt`` or ``dftb``, or ``module:Class`` of any package, or of a file among
    ``input_files``."""
    parameters: dict[str, Any] = Field(default_factory=dict)
    """Its keywords. Files that they name are found beside the frame if ``input_files`` lists them."""
    python: str | None = None
    """Interpreter that has ASE 3.23 or newer and the calculator; a whole path, or a name on PATH. Default: the one that
    pfd runs in."""

    @field_validator("python")
    @classmethod
    def _absolute(cls, value: str | None) -> str | None:
        return whole_or_bare(value)

    @field_validator("parameters")
    @classmethod
    def _plain(cls, value: dict[str, Any]) -> dict[str, Any]:
        try:
            json_bytes(value)
        except (TypeError, ValueError) as error:
            raise ValueError(f"only numbers, texts, lists and sections can be passed on: {error}") from error
        return value


class AseCalculator(ForeignLabeler[AseCalculatorSettings]):
    """Labels with a calculator of ASE, in a process of its own, so that it can be killed and given a time limit.

    The label is ``free_energy`` where the calculator gives it, since the forces are its gradient; ``energy``, which in
    ASE is the one extrapolated to zero smearing, then stands beside it.
    """

    name: ClassVar[str] = "ase"
    citation = "A. H. Larsen et al., J. Phys.: Condens. Matter 29, 273002 (2017), doi:10.1088/1361-648X/aa680e"
    Settings = AseCalculatorSettings
    how = ForeignLabeler.how | {"python"}

    def level_of_theory(self) -> str:
        """Calculator, package and version, parameters, and a digest of the files; the interpreter is asked.

        Raises:
            MissingError: if the interpreter lacks ASE, the calculator or its package.
            InputError: if there is no such calculator.
        """
        settings, files = self._settings, self.file_digests()
        arguments = ("--describe", settings.calculator)
        told = ask_interpreter(self._launch(()), SCRIPT, arguments, "finetune.label.calculator", settings.input_files)
        shown = json_bytes(settings.parameters).decode()
        if len(shown) > LONGEST_SHOWN:
            shown = json_digest(settings.parameters)[:12]
        parts = [
            f"ASE calculator {settings.calculator}",
            *([f"{told['package']} {told['version']}"] if told["version"] else []),
            *([f"parameters {shown}"] if settings.parameters else []),
            *([f"files {json_digest(files)[:12]}"] if files else []),
        ]
        return ", ".join(parts)

    def aids(self) -> dict[str, Any]:
        """See ``ForeignLabeler.aids``; the interpreter too."""
        return super().aids() | {"python": self._settings.python}

    def check(self, frames: Sequence[Atoms]) -> None:
        """Refuse a missing launcher or interpreter, and what ``ForeignLabeler.check`` refuses.

        Raises:
            InputError, MissingError
        """
        for program in self._settings.launcher()[:1]:
            require_program(program, "finetune.label.command")
        require_program(self._launch(()).python, "finetune.label.python")
        super().check(frames)

    def attempt(self, frame: Atoms, given: None, folder: Path, tuned: Mapping[str, Any]) -> Outcome | str:
        """See ``ProgramLabeler``."""
        folder.mkdir(parents=True)
        self.copy_files(folder)
        settings = self._settings
        wanted = settings.stress and bool(frame.pbc.all())
        asked = Calculation(settings.calculator, settings.parameters, wanted)
        return run_calculation(settings, self._launch(settings.launcher()), asked, frame, folder)

    def unconverged_hint(self, given: None) -> str:
        """See ``ProgramLabeler``."""
        return "change what its keywords say of mixing and steps in finetune.label.parameters"

    def _launch(self, launcher: Sequence[str]) -> Launch:
        python = self._settings.python
        if python is None:
            return Launch(sys.executable, tuple(launcher))
        whole = str(Path(python).expanduser()) if python.startswith("~") else python
        return Launch(whole, tuple(launcher), (("PYTHONPATH", ""),), python)
