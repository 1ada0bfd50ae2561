"""Any command as labeler: a user's script that reads frame.extxyz and writes labelled.extxyz."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field

from pfd.digests import json_digest
from pfd.errors import LabelRejected, MissingError, PFDError, SettingError, TransientError
from pfd.frames import frame_id
from pfd.kept import here_or_kept
from pfd.label.engine_program import last_words, run_engine
from pfd.label.foreign_program import ForeignLabeler, ForeignSettings
from pfd.label.labeler import Blank, Outcome
from pfd.label.labelled_file import LABELLED_FILE, read_labelled_file, write_frame_file
from pfd.label.program_failure import ended_from_outside, unless_disk_full
from pfd.program import Finished

if TYPE_CHECKING:
    from ase import Atoms

TRY_AGAIN = 75
"""Exit code with which a script says that something outside it failed (EX_TEMPFAIL of sysexits.h)."""
SETUP_FAULTS = ("ModuleNotFoundError", "command not found", "error while loading shared libraries")
"""Last words of what would fail for every frame alike."""
SCRIPTS = (".py", ".sh", ".bash", ".pl", ".jl", ".rb")
"""How names of scripts end: a word of the command that ends so must be a file."""


class CommandSettings(ForeignSettings):
    """Settings of a user's command."""

    form: ClassVar[Mapping[str, Blank]] = MappingProxyType(
        {
            "command": Blank("python label.py", "reads frame.extxyz, writes labelled.extxyz; docs/labels-command.md"),
            "level": Blank("PBE", "your name of the level of theory: labels of two never mix"),
        }
    )
    method: Literal["command"] = "command"
    command: str
    """What labels the frame of the folder it is started in, such as ``python label.py --xc PBE``; no shell is involved.
    Words that are relative paths of files start at the input file's folder: those files are copied beside the frame, as
    if ``input_files`` named them."""
    level: str = Field(min_length=1)
    """Your name of the level of theory, such as ``ORCA wB97X-D3/def2-TZVP``: labels of two levels never mix, and a
    command cannot be asked for it. A digest of the command and its files is added to it."""

    def starting_at(self, folder: Path) -> Self:
        """See ``LabelerSettings.starting_at``; files that the command names become ``input_files``."""
        located = super().starting_at(folder)
        words = [word for number, word in enumerate(shlex.split(self.command)) if _is_relative(number, word)]
        named = [here_or_kept(folder, Path(word), "finetune.label.command") for word in words]
        files = dict.fromkeys([*located.input_files, *(path for path in named if path.is_file())])
        return located.model_copy(update={"input_files": tuple(files)})


def _is_relative(number: int, word: str) -> bool:
    """Whether a word of a command may be a relative path; a bare first word is a program on PATH."""
    return not Path(word).is_absolute() and (number > 0 or "/" in word)


class Command(ForeignLabeler[CommandSettings]):
    """Labels with a user's command, started once per frame in a folder that holds ``frame.extxyz``.

    It writes ``labelled.extxyz`` there (see ``read_labelled_file``) and ends with code 0. Any other code rejects the
    frame, with its last words as the reason, except 75: something outside failed, and the frame is tried again.
    """

    name: ClassVar[str] = "command"
    Settings = CommandSettings

    def level_of_theory(self) -> str:
        """The user's name of it, and a digest of the command, from the first of its files on, and of all files.

        Words before the first file, such as ``mpirun -np 4 python``, say how it is started and not what is asked.

        Raises:
            SettingError: if a file is not there.
        """
        files = self.file_digests()
        words = self._words()
        first = next((number for number, word in enumerate(words) if _file_name(number, word) in files), 0)
        digest = json_digest({"command": words[first:], "files": files})
        return f"{self._settings.level}, command {digest[:12]}"

    def check(self, frames: Sequence[Atoms]) -> None:
        """Refuse a program or script that is not there, and what ``ForeignLabeler.check`` refuses.

        Raises:
            InputError, MissingError
        """
        files, words = self.file_digests(), self._words()
        for number, word in enumerate(words):
            if _is_relative(number, word) and word.endswith(SCRIPTS) and _file_name(number, word) not in files:
                hint = "correct the path; it starts at the input file's folder"
                raise SettingError(f"no such file: {word}", where="finetune.label.command", hint=hint)
        program = words[0]
        if program not in files and (_is_relative(0, program) or shutil.which(program) is None):
            hint = f"correct the path, install it, or write ./{Path(program).name} for a file beside the input"
            raise MissingError(f"there is no program {program!r}", where="finetune.label.command", hint=hint)
        super().check(frames)

    def attempt(self, frame: Atoms, given: None, folder: Path, tuned: Mapping[str, Any]) -> Outcome | str:
        """See ``ProgramLabeler``."""
        folder.mkdir(parents=True)
        self.copy_files(folder)
        write_frame_file(folder, frame)
        words = self._words()
        if words[0] in self.file_digests():
            words[0] = str(folder / words[0])
            Path(words[0]).chmod(0o755)  # a copy that a run keeps has lost it
        finished = run_engine(self._settings, folder, "command.out", command=words, cut_log=True)
        labelled, where = folder / LABELLED_FILE, f"frame {frame_id(frame)}"
        with unless_disk_full(folder, where):
            if failure := _failure_of(finished, where, written=labelled.exists()):
                raise failure
            outcome = read_labelled_file(labelled, frame, needs_stress=self._settings.stress)
        return outcome if outcome.converged else "the command says that it did not converge"

    def unconverged_hint(self, given: None) -> str:
        """See ``ProgramLabeler``."""
        return "let the script try harder before it writes converged=F"

    def _words(self) -> list[str]:
        """The command with the names of the copies in the place of paths."""
        files = self.file_digests()
        return [
            _file_name(number, word) if _file_name(number, word) in files else word
            for number, word in enumerate(shlex.split(self._settings.command))
        ]


def _file_name(number: int, word: str) -> str:
    """The name under which a file that a command names by a relative path stands beside the frame; else nothing."""
    return Path(word).name if _is_relative(number, word) else ""


def _failure_of(finished: Finished, where: str, *, written: bool) -> PFDError | None:
    """What went wrong in a run, or None if the command ended with code 0 and wrote its file."""
    if failure := ended_from_outside(finished, "the command", where):
        return failure
    words = last_words(finished) or "none"
    if finished.code == TRY_AGAIN:
        what = f"the command asks to be tried again (code {TRY_AGAIN}); its last words: {words}"
        return TransientError(what, where=where, hint="look at what it waits for")
    if finished.code in {126, 127} and not written:
        what = f"the command could not be run: {words}"
        return MissingError(what, where="finetune.label.command", hint="try it by hand in the task folder")
    if finished.code != 0 and any(sign in words for sign in SETUP_FAULTS):
        what = f"the command lacks something; its last words: {words}"
        return MissingError(what, where="finetune.label.command", hint="install it where the command runs")
    if finished.code != 0 or not written:
        what = f"ended with code {finished.code}" if finished.code else f"wrote no {LABELLED_FILE}"
        hint = "look into command.out in the task folder"
        return LabelRejected(f"the command {what}; its last words: {words}", where=where, hint=hint)
    return None
