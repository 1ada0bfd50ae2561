"""Labelers whose program is the user's: what it honours, the files it needs, and their content in the level."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from pfd.digests import file_digest
from pfd.errors import InputError, SettingError
from pfd.frames import frame_id
from pfd.frames.state import asked_of
from pfd.kept import here_or_kept, original_name
from pfd.label.engine_program import ProgramLabeler, ProgramSettings
from pfd.label.labeler import LabelerSettings
from pfd.label.labelled_file import FRAME_FILE, LABELLED_FILE

if TYPE_CHECKING:
    from ase import Atoms

State = Literal["charge", "spin", "initial_magmoms", "partial_pbc"]


class ForeignSettings(ProgramSettings):
    """Settings of every labeler that runs a program of which we know nothing."""

    stress: bool = True
    """Whether a label of a frame that is periodic in all directions is complete only with a stress: true, because a
    model that is to run at constant pressure needs it. It is no part of the level of theory: labels without a stress
    stand beside others, and are made anew only if one is asked for now."""
    honours: tuple[State, ...] = ()
    """Which of charge, spin, initial_magmoms and partial_pbc the program heeds where frames bring them. Default none:
    a program that ignores them would give labels of something else, so such frames are refused."""
    input_files: tuple[Path, ...] = ()
    """Files that are copied beside each frame under their own names; their content is part of the level of theory, so
    that a changed file makes another label."""

    def starting_at(self, folder: Path) -> Self:
        """See ``LabelerSettings.starting_at``."""
        files = tuple(here_or_kept(folder, path, "finetune.label.input_files") for path in self.input_files)
        return super().starting_at(folder).model_copy(update={"input_files": files})


F = TypeVar("F", bound=ForeignSettings)


class ForeignLabeler(ProgramLabeler[F, None]):
    """A labeler that runs a user's program once for each frame."""

    foreign = True
    how = ProgramLabeler.how | {"input_files"}
    evidence = (FRAME_FILE, LABELLED_FILE, "*.out")

    def __init__(self, settings: LabelerSettings) -> None:
        super().__init__(settings)
        self.honours = frozenset(self._settings.honours)
        self._digests: dict[str, str] = {}

    def aids(self) -> dict[str, Any]:
        """The command as well: with another program, or another interpreter, a rejected frame may fare better."""
        return super().aids() | {"command": self._settings.command}

    def check(self, frames: Sequence[Atoms]) -> None:
        """Refuse frames with a state that the program is not said to honour, and files that are not there.

        Raises:
            InputError
        """
        self.require_scratch()
        self.level_of_theory()
        for frame in frames:
            if ignored := [name for name in asked_of(frame) if name not in self.honours]:
                what = f"frame {frame_id(frame)} asks for {', '.join(ignored)}"
                hint = f"if the program heeds it, write honours: [{', '.join(sorted({*self.honours, *ignored}))}]"
                raise InputError(what, where="finetune.label.honours", hint=hint)

    def prepare(self, frame: Atoms) -> None:
        """Nothing: any frame can be written."""

    def ladder(self, given: None) -> list[Mapping[str, Any]]:
        """One try: how a user's program converges is its own business."""
        return [{}]

    def file_digests(self) -> dict[str, str]:
        """Name of each file beside the frame -> digest of its content; read once.

        Raises:
            SettingError: if one is not there, or two have one name.
        """
        if not self._digests:
            for path in self._settings.input_files:
                if not path.is_file():
                    raise SettingError(
                        f"no such file: {path}", where="finetune.label.input_files", hint="correct the path"
                    )
                if original_name(path) in self._digests:
                    what = f"two files are called {original_name(path)}, and both would stand beside the frame"
                    raise SettingError(what, where="finetune.label.input_files", hint="rename one of them")
                self._digests[original_name(path)] = file_digest(path)
        return self._digests

    def copy_files(self, folder: Path) -> None:
        """Put the files into a folder.

        Raises:
            SettingError: if one has changed since its digest was taken: its label would bear the name of another.
        """
        for source, (name, digest) in zip(self._settings.input_files, self.file_digests().items(), strict=True):
            shutil.copy(source, folder / name)
            if file_digest(folder / name) != digest:
                raise SettingError(
                    f"{source} has changed", where="finetune.label.input_files", hint="submit the input again"
                )
