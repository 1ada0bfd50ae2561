"""An observable of the user's own: a command that is given the model and writes numbers."""

from __future__ import annotations

import json
import math
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import field_validator, model_validator

from pfd.errors import DataError, MissingError, SettingError, TaskFailed, TransientError
from pfd.evaluate.properties.property import Job, Measured, Property, Reference
from pfd.kept import here_or_kept, original_name
from pfd.program import Finished, run_program
from pfd.settings import Duration
from pfd.small_file import small_text
from pfd.units import seconds

NUMBERS = "numbers.json"
"""What the command writes: names and numbers."""
LAMMPS = "potential.in"
"""The lines of LAMMPS that make the model its potential."""
MODEL, PYTHON, LAMMPS_WORD = "{model}", "{python}", "{lammps}"
WORDS = 40
"""So many of a command's last words are told."""


class Observable(Property):
    """A command that gets the model and writes ``numbers.json``, such as ``{"density_g_per_cm3": 1.02}``.

    It is started in an empty folder without a shell, in the environment of the model's family. Words of the command:
    ``{model}`` becomes the model's folder (``pfd.load`` of it is an ASE calculator); ``{lammps}`` a file of LAMMPS with
    its units, pair_style and pair_coeff, to be included; ``{python}`` the interpreter that pfd runs in. Files that the
    command names, by paths that are words of their own, are copied beside it, and it is measured anew if one is
    edited; a program that it starts with by an absolute path is run where it is.
    """

    quantities: ClassVar[tuple[str, ...]] = (r"[A-Za-z]\w*",)
    told: ClassVar[str] = "names of letters, digits and underscores"

    kind: Literal["command"] = "command"
    """Numbers of a command."""
    command: str
    """The command, such as ``{python} density.py {model}``."""
    reference: Reference | None = None
    """Numbers to compare with, and their ``source``. Default none: the student is compared with its teacher."""
    wall_time: Duration = "1h"
    """Time limit (``90s``, ``30min``, ``2h``, or seconds); default an hour, so that a hung command is noticed."""

    @model_validator(mode="before")
    @classmethod
    def _words_alone(cls, value: Any) -> Any:
        return {"command": value} if isinstance(value, str) else value

    @field_validator("command")
    @classmethod
    def _with_a_model(cls, command: str) -> str:
        words = shlex.split(command)
        if not words:
            raise ValueError("the command is empty")
        if not any(MODEL in word or LAMMPS_WORD in word for word in words):
            raise ValueError(f"the command is not given the model; write {MODEL} or {LAMMPS_WORD} where it goes")
        return command

    def title(self) -> str:
        """See ``Property.title``."""
        return self.name or " ".join(word for word in shlex.split(self.command) if "{" not in word) or self.command

    def parameters(self) -> dict[str, Any]:
        """See ``Property.parameters``."""
        return {key: value for key, value in super().parameters().items() if key != "wall_time"}

    def named_files(self, folder: Path) -> list[Path]:
        """The files that the command names, from a folder on (or the copy that a run keeps).

        Raises:
            SettingError: if one that must be a file is not there, or two have one name. By an absolute path it may be
                elsewhere, where the command runs.
        """
        found: dict[str, Path] = {}
        for number, word in enumerate(shlex.split(self.command)):
            if _names_file(number, word):
                path = here_or_kept(folder, Path(word), "command")
                if path.is_file():
                    if found.setdefault(Path(word).name, path) != path:
                        raise SettingError(
                            f"two files are called {Path(word).name}", where="command", hint="rename one"
                        )
                elif not Path(word).is_absolute() and (Path(word).suffix in {".py", ".sh", ".in"} or number == 0):
                    hint = "correct the path; it starts at the input file's folder"
                    raise SettingError(f"no such file: {word}", where="command", hint=hint)
        return list(found.values())

    def check(self, folder: Path, *, runs_here: bool = True) -> None:
        """Refuse what is not there.

        Args:
            folder: where relative paths start.
            runs_here: whether the command is run on this machine; then its program is looked for.

        Raises:
            SettingError, MissingError
        """
        self.named_files(folder)
        program = shlex.split(self.command)[0]
        if runs_here and program != PYTHON and not _names_file(0, program) and shutil.which(program) is None:
            what = f"there is no program {program!r} on this machine"
            raise MissingError(what, where="command", hint=f"correct it, install it, or write {PYTHON} for python")

    def measure(self, job: Job) -> Measured:
        """See ``Property.measure``.

        Raises:
            TaskFailed: if the command fails, or writes no numbers; its last words are told.
            TransientError: if a signal ended it.
        """
        folder = job.scratch / "command"
        folder.mkdir()
        for path in job.files:
            shutil.copyfile(path, folder / original_name(path))
        words = self._words(job, folder)
        finished = run_program(
            words, folder, job.scratch / "command.out", wall_time_s=seconds(self.wall_time), cut_log=True
        )
        print(finished.output, flush=True)  # into the attempt's log
        if failure := self._failure(finished, folder):
            raise failure
        return Measured(values=_read_numbers(folder / NUMBERS, self.title()))

    def _words(self, job: Job, folder: Path) -> list[str]:
        assert job.model is not None
        words = shlex.split(self.command)
        told = {MODEL: str(job.model.resolve()), PYTHON: sys.executable}
        if any(LAMMPS_WORD in word for word in words):
            told[LAMMPS_WORD] = str(_write_potential(job, folder / LAMMPS))
        names = {original_name(path) for path in job.files}
        for number, word in enumerate(words):
            if _names_file(number, word) and Path(word).name in names:
                words[number] = str(folder / Path(word).name) if number == 0 else Path(word).name
            for key, value in told.items():
                words[number] = words[number].replace(key, value)
        if Path(words[0]).parent == folder:
            Path(words[0]).chmod(0o755)  # a copy that a run keeps has lost it
        return words

    def _failure(self, finished: Finished, folder: Path) -> TaskFailed | TransientError | None:
        last = " ".join(finished.output.split()[-WORDS:]) or "none"
        if finished.timed_out:
            what = f"the command had not ended after {finished.seconds:.0f} s; its last words: {last}"
            return TaskFailed(what, where=self.title(), hint="raise wall_time")
        if finished.killed:
            return TransientError(f"a signal ended the command; its last words: {last}", where=self.title())
        if finished.code != 0:
            what = f"the command ended with code {finished.code}; its last words: {last}"
            return TaskFailed(what, where=self.title(), hint="try it by hand")
        if not (folder / NUMBERS).is_file():
            what = f"the command wrote no {NUMBERS}; its last words: {last}"
            return TaskFailed(what, where=self.title(), hint="write it into the working folder")
        return None


def _names_file(number: int, word: str) -> bool:
    """Whether a word of a command may be a file's path; a first word that is bare or absolute is a program."""
    return "{" not in word and (number > 0 or ("/" in word and not Path(word).is_absolute()))


def _write_potential(job: Job, path: Path) -> Path:
    """The lines with which LAMMPS reads the model."""
    potential = job.potential
    if potential is None:
        hint = f"write {MODEL}: pfd.load of the folder is an ASE calculator"
        raise TaskFailed("this model has no pair style in LAMMPS", where="command", hint=hint)
    lines = [
        f"# Elements of the atom types: {' '.join(potential.elements)}; units metal",
        f"pair_style {potential.pair_style}",
        *(f"pair_coeff {arguments}" for arguments in potential.pair_coeff),
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _read_numbers(path: Path, where: str) -> dict[str, float]:
    """Names and numbers.

    Raises:
        DataError: if the file holds anything else.
    """
    hint = 'write one object of names and finite numbers, such as {"density": 1.02}'
    try:
        content = json.loads(small_text(path))
    except ValueError as error:
        raise DataError(f"{NUMBERS} is no JSON: {error}", where=where, hint=hint) from error
    if not isinstance(content, dict) or not content:
        raise DataError(f"{NUMBERS} holds no names and numbers", where=where, hint=hint)
    for name, value in content.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise DataError(f"{NUMBERS}: {name} is {value!r}, no finite number", where=where, hint=hint)
    return {str(name): float(value) for name, value in content.items()}
