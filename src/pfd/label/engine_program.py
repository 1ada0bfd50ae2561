"""Labelers that run a program: how it is started, for how long, and the ladder that unconverged frames climb."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from pydantic import field_validator

from pfd.errors import LabelRejected, MissingError, SettingError
from pfd.frames import frame_id
from pfd.label.evidence import Keep, prune, working_folder
from pfd.label.labeler import Labeler, LabelerSettings, Outcome
from pfd.program import Finished, ranks_of, run_program
from pfd.settings import Duration
from pfd.units import seconds

if TYPE_CHECKING:
    from ase import Atoms

EXIT_NOTICE = re.compile(r"^-{20,}\n(?:Primary job|mpirun detected)(?s:.*?)\n-{20,}$", re.MULTILINE)
"""What Open MPI adds once a rank has failed: its exit code, which is known, behind what that rank said of the cause."""
G = TypeVar("G")
"""What an engine is given for one frame."""
S = TypeVar("S", bound="ProgramSettings")


class ProgramSettings(LabelerSettings):
    """Settings of every labeler that runs a program."""

    paths: ClassVar[tuple[str, ...]] = ("scratch_dir",)
    command: str
    """How the program is started, such as ``mpirun -np 4 program``; no shell is involved."""
    wall_time: Duration = "2h"
    """Time limit of one run of the program (``90s``, ``30min``, ``2h``, or seconds): 2h, so that a hung run is
    noticed."""
    keep: Keep = "evidence"
    """What stays of the program's files in the task folder. Default ``evidence``: inputs, and the outputs by which a
    label is judged. ``all`` keeps densities and wave functions too where the program writes them; ``none`` nothing."""
    scratch_dir: Path | None = None
    """Folder on a disk of your choice, such as a node's own, in which the program works. Default: the task folder."""

    @field_validator("command")
    @classmethod
    def _splittable(cls, command: str) -> str:
        if not shlex.split(command):
            raise ValueError("the command is empty; leave it out for the program's usual name")
        return command


class ProgramLabeler(Labeler, Generic[S, G]):
    """A labeler that writes input files, runs a program, and reads what it wrote; a frame is tried on a ladder."""

    how = frozenset({"command", "wall_time", "keep", "scratch_dir"})
    evidence: ClassVar[tuple[str, ...]] = ()
    """Patterns of the files by which a label is judged, from the folder of one try on; see ``prune``."""

    def __init__(self, settings: LabelerSettings) -> None:
        super().__init__(settings)
        assert isinstance(settings, self.Settings)
        self._settings: S = settings  # type: ignore[assignment]

    @abstractmethod
    def prepare(self, frame: Atoms) -> G:
        """What the program is to be given for a frame.

        Raises:
            InputError: if these settings make no input for it.
        """

    @abstractmethod
    def ladder(self, given: G) -> Sequence[Mapping[str, Any]]:
        """The keys that each try changes: how to get to the ground state, never what it is. The first changes none."""

    @abstractmethod
    def attempt(self, frame: Atoms, given: G, folder: Path, tuned: Mapping[str, Any]) -> Outcome | str:
        """Run the program once, in a new folder; in words, why it did not converge, if it did not.

        Raises:
            PFDError: see ``run``.
        """

    @abstractmethod
    def unconverged_hint(self, given: G) -> str:
        """Which settings to change if no try converges."""

    def cores(self) -> tuple[int, str] | None:
        """The ranks that ``command`` starts."""
        count = ranks_of(shlex.split(self._settings.command))
        return None if count is None else (count, "command")

    def check(self, frames: Sequence[Atoms]) -> None:
        """Refuse what no run could mend: a missing program or file, keys that contradict, a frame that has no input.

        Raises:
            InputError, MissingError
        """
        program = shlex.split(self._settings.command)[0]
        if shutil.which(program) is None:
            raise MissingError(f"there is no program {program!r} on this machine", hint=self.install)
        self.require_scratch()
        self.level_of_theory()
        for frame in frames:
            self.prepare(frame)

    def require_scratch(self) -> None:
        """Refuse a ``scratch_dir`` that is no folder to write to.

        Raises:
            SettingError
        """
        disk = self._settings.scratch_dir
        if disk is not None and not (disk.expanduser().is_dir() and os.access(disk.expanduser(), os.W_OK)):
            what = f"{disk} is no folder that may be written to"
            raise SettingError(what, where="finetune.label.scratch_dir", hint="correct the path, or make the folder")

    def run(self, frame: Atoms, scratch: Path) -> Outcome:
        """Label one frame, on the ladder if need be; each try leaves in ``try-N`` what ``keep`` says.

        Raises:
            LabelRejected: if the program does not converge, stops at this very frame, or its files are no label.
            TransientError: if it was killed, ran out of time, or its output is cut short.
            InputError: if it refuses the input; its own message is quoted.
            MissingError: if there is no such program.
        """
        settings = self._settings
        disk = None if settings.scratch_dir is None else settings.scratch_dir.expanduser()
        with working_folder(scratch, disk) as folder:
            try:
                return self._climb(frame, folder)
            finally:
                prune(folder, settings.keep, self.evidence)

    def _climb(self, frame: Atoms, folder: Path) -> Outcome:
        given = self.prepare(frame)
        rungs = self.ladder(given)
        reason = ""
        for attempt, tuned in enumerate(rungs, start=1):
            found = self.attempt(frame, given, folder / f"try-{attempt}", tuned)
            if isinstance(found, Outcome):
                changed = {"tries": str(attempt)} | {key: str(value) for key, value in tuned.items()}
                return found if attempt == 1 else replace(found, notes={**found.notes, **changed})
            reason = reason or found
        raise LabelRejected(
            reason + (f", nor in {len(rungs) - 1} gentler tries" if len(rungs) > 1 else ""),
            where=f"frame {frame_id(frame)}",
            hint=self.unconverged_hint(given),
        )


def run_engine(
    settings: ProgramSettings,
    folder: Path,
    log: str,
    *,
    arguments: Sequence[str] = (),
    install: str = "",
    command: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
    cut_log: bool = False,
) -> Finished:
    """Run the program in a folder until it ends or its time is over.

    The task's cores (OMP_NUM_THREADS) are shared out among the ranks that the command starts.

    Args:
        settings: command and time limit.
        folder: where its input is.
        log: name of the file in that folder that takes its standard output and error.
        arguments: what follows the command.
        install: the command that installs the program, for the error message.
        command: the words to start instead of ``settings.command``.
        variables: further environment variables.
        cut_log: see ``run_program``; where the log is not what the label is read from.

    Raises:
        MissingError: if there is no such program.
    """
    command = command or shlex.split(settings.command)
    given = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    threads = int(given) if given.isdigit() else 1
    environment = {**(variables or {}), "OMP_NUM_THREADS": str(max(1, threads // (ranks_of(command) or 1)))}
    if os.geteuid() == 0:  # containers run as root, which Open MPI refuses unless told twice
        environment |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    limit = seconds(settings.wall_time)
    return run_program(
        [*command, *arguments],
        folder,
        folder / log,
        wall_time_s=limit,
        environment=environment,
        install=install,
        cut_log=cut_log,
    )


def last_words(finished: Finished) -> str:
    """The last thirty words that a program wrote, in one line; not those of its launcher, if it wrote any."""
    own = EXIT_NOTICE.sub("", finished.output).split() or finished.output.split()
    return " ".join(own[-30:])
