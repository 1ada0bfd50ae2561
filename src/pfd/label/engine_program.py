"""The program of a first-principles engine: how it is started, on how many cores, and for how long."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

from pydantic import field_validator

from pfd.errors import MissingError
from pfd.label.labeler import LabelerSettings
from pfd.program import Finished, ranks_of, run_program
from pfd.units import seconds


class ProgramSettings(LabelerSettings):
    """Settings of every labeler that runs a program."""

    command: str
    """How the program is started, such as ``mpirun -np 4 program``; no shell is involved."""
    wall_time: str | float = "2h"
    """Time limit of one run of the program (``90s``, ``30min``, ``2h``, or seconds): 2h, so that a hung run is
    noticed."""

    @field_validator("command")
    @classmethod
    def _splittable(cls, command: str) -> str:
        if not shlex.split(command):
            raise ValueError("the command is empty; leave it out for the program's usual name")
        return command

    @field_validator("wall_time")
    @classmethod
    def _positive(cls, wall_time: str | float) -> str | float:
        if not seconds(wall_time) > 0.0:
            raise ValueError("the time limit must be positive")
        return wall_time


def require_program(settings: ProgramSettings, install: str) -> None:
    """Refuse to go on without the program.

    Raises:
        MissingError: naming it, with ``install`` as the hint.
    """
    program = shlex.split(settings.command)[0]
    if shutil.which(program) is None:
        raise MissingError(f"there is no program {program!r} on this machine", hint=install)


def ranks(settings: ProgramSettings) -> tuple[int, str] | None:
    """The processes that ``command`` starts, and that it is ``command`` that says so; None if it starts one."""
    count = ranks_of(shlex.split(settings.command))
    return None if count is None else (count, "command")


def run_engine(
    settings: ProgramSettings, folder: Path, log: str, *, arguments: Sequence[str] = (), install: str = ""
) -> Finished:
    """Run the program in a folder until it ends or its time is over.

    The task's cores (OMP_NUM_THREADS) are shared out among the ranks that the command starts.

    Args:
        settings: command and time limit.
        folder: where its input is.
        log: name of the file in that folder that takes its standard output and error.
        arguments: what follows the command.
        install: the command that installs the program, for the error message.

    Raises:
        MissingError: if there is no such program.
    """
    command = shlex.split(settings.command)
    given = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    threads = int(given) if given.isdigit() else 1
    environment = {"OMP_NUM_THREADS": str(max(1, threads // (ranks_of(command) or 1)))}
    if os.geteuid() == 0:  # containers run as root, which Open MPI refuses unless told twice
        environment |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    limit = seconds(settings.wall_time)
    return run_program(
        [*command, *arguments], folder, folder / log, wall_time_s=limit, environment=environment, install=install
    )


def last_words(finished: Finished) -> str:
    """The last thirty words that a program wrote, in one line."""
    return " ".join(finished.output.split()[-30:])
