"""What starts the interpreter of a calculator: nothing, or an MPI launcher."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

from pydantic import field_validator

from pfd.errors import MissingError
from pfd.label.engine_program import ProgramSettings


class LaunchedSettings(ProgramSettings):
    """Settings of labelers whose program is an interpreter that is found for them."""

    command: str = ""
    """What starts the interpreter, such as ``mpirun -np 4``; default nothing, one process."""

    @field_validator("command")
    @classmethod
    def _splittable(cls, command: str) -> str:
        for word in shlex.split(command):
            if Path(word).name.startswith(("python", "gpaw")):
                raise ValueError(f"leave out {word!r}: only what stands before the interpreter, such as mpirun -np 4")
        return command

    def launcher(self) -> tuple[str, ...]:
        """The words of ``command``."""
        return tuple(shlex.split(self.command))


def require_program(program: str, where: str) -> None:
    """Refuse a program that is not on this machine.

    Raises:
        MissingError
    """
    if shutil.which(program) is None:
        raise MissingError(f"there is no program {program!r} on this machine", where=where, hint="correct the path")
