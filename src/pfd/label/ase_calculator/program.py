"""Run one frame through a calculator of ASE in an interpreter of its own, and read what came of it."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pfd.digests import file_digest
from pfd.environments.launch import Launch
from pfd.errors import InputError, LabelRejected, MissingError, PFDError, TransientError
from pfd.frames import frame_id
from pfd.kept import original_name
from pfd.label.engine_program import ProgramSettings, run_engine
from pfd.label.labelled_file import LABELLED_FILE, read_labelled_file, write_frame_file
from pfd.label.program_failure import cut_short, ended_from_outside, unless_disk_full

if TYPE_CHECKING:
    from ase import Atoms

    from pfd.label.labeler import Outcome

SCRIPT = Path(__file__).with_name("run_calculator.py")
LOG_FILE = "calculator.out"
DESCRIBE_SECONDS = 120.0
"""Longest time that an interpreter may take to say what it has."""
UNCONVERGED = frozenset({"KohnShamConvergenceError", "ConvergenceError", "SCFError"})
"""Names of the errors with which calculators say that the SCF cycle did not converge."""
INPUT_FAULTS = frozenset({"NotImplementedError", "CalculatorSetupError", "FileNotFoundError"})
"""Names of errors that tell of what was asked, not of the frame's geometry."""


@dataclass(frozen=True)
class Calculation:
    """What is asked of a calculator.

    Attributes:
        calculator: ASE's registered name, or ``module:Class``.
        parameters: its keywords, as JSON knows them.
        stress: whether the stress is wanted.
        input_faults: further names of errors that tell of what was asked (see ``INPUT_FAULTS``).
        variables: environment variables of its interpreter.
    """

    calculator: str
    parameters: Mapping[str, Any]
    stress: bool
    input_faults: frozenset[str] = frozenset()
    variables: Mapping[str, str] = field(default_factory=dict)


def run_calculation(
    settings: ProgramSettings, launch: Launch, asked: Calculation, frame: Atoms, folder: Path
) -> Outcome | str:
    """Label one frame in a folder; in words, why the calculator did not converge, if it did not.

    Args:
        settings: the launcher of the interpreter (``command``, which may be empty) and the time limit.
        launch: how the interpreter is started, the launcher included.
        asked: calculator and keywords.
        frame: the frame.
        folder: holds files that the calculation needs, if any.

    Raises:
        PFDError: see ``Labeler.run``.
    """
    where = f"frame {frame_id(frame)}"
    write_frame_file(folder, frame)
    content = {"calculator": asked.calculator, "parameters": dict(asked.parameters), "stress": asked.stress}
    (folder / "calculation.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    command = launch.command(str(SCRIPT), **asked.variables)
    variables = {**dict(launch.variables), **asked.variables}
    finished = run_engine(settings, folder, LOG_FILE, command=command, variables=variables, cut_log=True)
    labelled = folder / LABELLED_FILE
    if failure := ended_from_outside(finished, "the calculator", where):
        raise failure
    with unless_disk_full(folder, where):
        if (told := _told_failure(folder)) is not None:
            kinds, message = set(told["kinds"]), f"{told['kinds'][0]}: {told['message'] or 'no message'}"
            if kinds & UNCONVERGED:
                return f"the calculator did not converge ({message})"
            raise _error_of(asked, told["stage"], kinds, message, where)
        hint = f"look into {LOG_FILE} in the task folder"
        done = labelled.exists() and finished.code == 0
        if failure := cut_short(finished, "the calculator", where, started=labelled.exists(), done=done, hint=hint):
            raise failure
        return read_labelled_file(labelled, frame, needs_stress=asked.stress)


def _told_failure(folder: Path) -> dict[str, Any] | None:
    """What the script wrote of an error that the calculator raised; None if it wrote nothing whole."""
    try:
        content = json.loads((folder / "failure.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _error_of(asked: Calculation, stage: str, kinds: set[str], message: str, where: str) -> PFDError:
    """The error of a calculator that raised one, by its stage and class."""
    what = f"{asked.calculator}: {message}"
    if "ImportError" in kinds:
        return MissingError(what, where=where, hint="install it in the interpreter that runs the calculator")
    if "MemoryError" in kinds:
        return TransientError(what, where=where, hint="give the task more memory, or label smaller frames")
    if stage == "start" or kinds & (INPUT_FAULTS | asked.input_faults):
        return InputError(what, where=where, hint="mend the label section of the input")
    return LabelRejected(what, where=where, hint=f"look at the frame, and into {LOG_FILE} in the task folder")


def ask_interpreter(
    launch: Launch, script: Path, arguments: Sequence[str], where: str, files: Sequence[Path] = ()
) -> dict[str, Any]:
    """The line of JSON that a script prints in an interpreter; asked once by each process.

    Args:
        launch: how the interpreter is started; not by MPI.
        script: the script.
        arguments: its arguments.
        where: the key that named what is asked for.
        files: copied into the folder that it is started in.

    Raises:
        MissingError: if the interpreter does not start, or lacks a module.
        InputError: if the script fails otherwise; its last line is quoted.
    """
    known = tuple((path, file_digest(path)) for path in files)
    return _answer(launch, (str(script), *arguments), where, known)


@cache
def _answer(launch: Launch, words: tuple[str, ...], where: str, files: tuple[tuple[Path, str], ...]) -> dict[str, Any]:
    command = launch.command(*words)
    hint = f"run by hand: {shlex.join(command)}"
    with TemporaryDirectory(prefix="pfd-") as folder:
        for path, _ in files:
            shutil.copy(path, Path(folder) / original_name(path))
        try:
            done = subprocess.run(
                command,
                cwd=folder,
                env=launch.environ(),
                capture_output=True,
                text=True,
                timeout=DESCRIBE_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise MissingError(f"{launch.what} cannot be started ({error})", where=where, hint=hint) from error
    lines = done.stdout.splitlines()
    if done.returncode == 0 and lines:
        answer: dict[str, Any] = json.loads(lines[-1])
        return answer
    last = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
    kind = MissingError if "ModuleNotFoundError" in last or done.returncode in {126, 127} else InputError
    raise kind(f"{launch.what}: {last}", where=where, hint=hint)
