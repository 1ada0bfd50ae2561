"""How tasks of a family, or runs of a labeler, are started: by which interpreter, after what, in which container."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import field_validator, model_validator

from pfd.environments.environment import Environment
from pfd.environments.source import source_folder
from pfd.errors import MissingError
from pfd.plugins import missing_modules
from pfd.settings import Settings

PROBE_SECONDS = 120.0
"""Longest time that an interpreter may take to say what it has; a container's first start can be slow."""


def whole_or_bare(python: str | None) -> str | None:
    """An interpreter that is given as a whole path or as a bare name.

    Raises:
        ValueError: if the path is relative.
    """
    if python is not None and "/" in python and not Path(python).expanduser().is_absolute():
        raise ValueError(f"{python!r} is relative, and a run goes on from elsewhere too; write the whole path")
    return python


class EnvironmentSettings(Settings):
    """How the tasks of one family, or the runs of one labeler, are started, if not by what ``pfd env create`` built."""

    python: str | None = None
    """Interpreter that has the family's packages; a path, or a name to be found after ``before`` or in the container.
    Default: python3 with ``before`` or ``container``."""
    before: str | None = None
    """Shell line that is run first in a login shell, such as ``module load mace/0.3``."""
    container: str | None = None
    """Command that starts the rest of the line in a container, such as ``apptainer exec --nv /home/me/mace.sif``;
    paths in it are whole ones. The run folder, and this pfd's folder, must be seen in it under the same paths, and host
    name and process ids must be the host's."""
    with_own_pfd: bool = False
    """Use the pfd that is installed there. Default no: this same pfd is put on the interpreter's path, which then needs
    only pfd's dependencies."""

    @field_validator("python")
    @classmethod
    def _absolute(cls, value: str | None) -> str | None:
        return whole_or_bare(value)

    @model_validator(mode="after")
    def _something(self) -> EnvironmentSettings:
        if not (self.python or self.before or self.container):
            raise ValueError("name python, before or container: how its tasks are started")
        return self


@dataclass(frozen=True)
class Launch:
    """How an interpreter is started.

    Attributes:
        python: the interpreter.
        front: what stands before it on the command line: a shell that loads modules, a container.
        variables: environment variables to set for it.
        what: how messages name it.
    """

    python: str
    front: tuple[str, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    what: str = "this environment"

    def command(self, *arguments: str, **variables: str) -> list[str]:
        """A command line; behind what may drop or overwrite variables, they are set once more.

        Args:
            arguments: of the interpreter.
            variables: besides those of the launch.
        """
        told = {**dict(self.variables), **variables}
        again = ["env", *(f"{name}={value}" for name, value in told.items())] if self.front and told else []
        return [*self.front, *again, self.python, *arguments]

    def environ(self, **variables: str) -> dict[str, str]:
        """This process's environment variables with those of the launch, and these, laid over them."""
        return {**os.environ, **dict(self.variables), **variables}


HERE = Launch(sys.executable)
"""This interpreter."""


def launch_of(
    name: str,
    packages: Sequence[str],
    modules: Sequence[str],
    settings: EnvironmentSettings | None = None,
    launcher: Sequence[str] = (),
) -> Launch | None:
    """How tasks of a family, or runs of a labeler, are started; None if its packages are nowhere.

    What the input says comes first, then an environment that ``pfd env create`` built, then this one.

    Args:
        name: the registered name.
        packages: its pip requirements.
        modules: importable names that tell whether they are there.
        settings: the input's word on it.
        launcher: what starts the interpreter in its ranks, such as ``mpirun -np 4``; after ``before``, and outside of
            the container.
    """
    if settings is not None:
        return _as_told(settings, launcher)
    environment = Environment(name, tuple(packages))
    if packages and environment.state() == "built":
        return replace(launch_in(environment), front=tuple(launcher))
    return None if missing_modules(tuple(modules)) else replace(HERE, front=tuple(launcher))


def launch_in(environment: Environment) -> Launch:
    """How tasks are started in an environment that ``pfd env create`` built."""
    return Launch(str(environment.python), (), _own_path(), str(environment.path))


def _as_told(settings: EnvironmentSettings, launcher: Sequence[str]) -> Launch:
    python = settings.python or "python3"
    python = str(Path(python).expanduser()) if python.startswith("~") else python
    container = tuple(shlex.split(settings.container or ""))
    before = ("bash", "-lc", f'{settings.before} && exec "$0" "$@"') if settings.before else ()
    what = settings.container or settings.before or python
    front = (*before, *launcher, *container)
    return Launch(python, front, () if settings.with_own_pfd else _own_path(), what)


def _own_path() -> tuple[tuple[str, str], ...]:
    return (("PYTHONPATH", str(source_folder())), ("PYTHONNOUSERSITE", "1"))


def probe(launch: Launch, modules: Sequence[str], where: str = "", *, cuda: bool = False) -> dict[str, Any]:
    """What an interpreter has: ``missing`` modules, its ``python`` version, and ``cuda`` if asked.

    Raises:
        MissingError: if it cannot be started, or has no pfd that works.
    """
    command = launch.command("-P", "-m", "pfd.environments.probe", *modules, *(["--cuda"] if cuda else []))
    if shutil.which(command[0]) is None:
        raise MissingError(f"there is no program {command[0]!r}", where=where, hint="correct the path, or install it")
    try:
        done = subprocess.run(
            command, env=launch.environ(), capture_output=True, text=True, timeout=PROBE_SECONDS, check=False
        )
        found = json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 and done.stdout.strip() else None
    except (OSError, subprocess.TimeoutExpired, json.JSONDecodeError) as error:
        raise MissingError(
            f"cannot be started ({error})", where=where, hint=f"run by hand: {shlex.join(command)}"
        ) from error
    if not isinstance(found, dict):
        last = (done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}").splitlines()[-1]
        raise MissingError(
            f"{launch.what} does not start pfd: {last}", where=where, hint=f"run by hand: {shlex.join(command)}"
        )
    if found["host"] != socket.gethostname():
        what = f"{launch.what} has a host name of its own, {found['host']!r}: who is running could not be told"
        raise MissingError(
            what, where=where, hint="share the host's, as apptainer does; docker run --uts=host --pid=host"
        )
    return found
