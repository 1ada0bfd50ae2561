"""Build an environment with venv and pip, or go on with a build that was interrupted; remove one."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pfd.environments.environment import LOG_FILE, RECORD_FILE, Environment
from pfd.environments.launch import launch_in, probe
from pfd.errors import MissingError, RunError, TaskFailed
from pfd.json_file import write_json
from pfd.wording import shell_word

Say = Callable[[str], None]
"""Told what the build is at."""


@dataclass(frozen=True)
class Source:
    """Where pip takes packages from.

    Attributes:
        wheelhouse: a folder of wheels, which then is the only source; None for pip's own configuration.
        index_url: an index besides that, such as one of CPU builds of torch.
    """

    wheelhouse: Path | None = None
    index_url: str | None = None

    def options(self) -> list[str]:
        """The options of ``pip install`` and ``pip download``."""
        options = []
        if self.wheelhouse is not None:
            options += ["--no-index", "--find-links", str(self.wheelhouse.resolve())]
        if self.index_url is not None:
            options += ["--extra-index-url", self.index_url]
        return options


def create(environment: Environment, modules: Sequence[str], source: Source, say: Say, *, anew: bool = False) -> None:
    """Build an environment; what an interrupted build has downloaded and installed is used again.

    Args:
        environment: which.
        modules: importable names that must be there afterwards.
        source: where pip takes packages from.
        say: told what the build is at.
        anew: whether what is there is removed first.

    Raises:
        MissingError: if the wheelhouse is not there.
        RunError: if another process builds it.
        TaskFailed: if pip fails, or what was installed lacks a module.
    """
    if source.wheelhouse is not None and not source.wheelhouse.is_dir():
        hint = f"fill it where there is a network: pfd env wheels {environment.name} {shell_word(source.wheelhouse)}"
        raise MissingError("there is no such folder of wheels", where=str(source.wheelhouse), hint=hint)
    with _lock(environment):
        (environment.path / RECORD_FILE).unlink(missing_ok=True)  # until the end it counts as unfinished
        if anew:
            shutil.rmtree(environment.path)
            environment.path.mkdir()
        _make_venv(environment, say)
        here = (environment.python, environment.path / LOG_FILE, environment.name)
        _pip(*here, ["install", *source.options(), *environment.requirements], say)
        say("looking whether all is there")
        missing = probe(launch_in(environment), modules)["missing"]
        if missing:
            what = f"{', '.join(missing)} cannot be found in it although all was installed"
            raise TaskFailed(what, where=str(environment.path), hint=f"read {environment.path / LOG_FILE}")
        installed = _pip(*here, ["freeze"], lambda _: None)
        record = {"format": 1, "name": environment.name, "requirements": environment.requirements}
        write_json(environment.path / RECORD_FILE, record | {"installed": installed})


def download(environment: Environment, folder: Path, source: Source, say: Say) -> None:
    """Fill a folder with the wheels from which a machine without a network can build the environment.

    Raises:
        TaskFailed: if pip fails.
    """
    wanted = ["download", "--dest", str(folder.resolve()), *source.options(), *environment.requirements]
    _pip(Path(sys.executable), folder / LOG_FILE, environment.name, wanted, say)
    (folder / LOG_FILE).unlink()


def remove(folder: Path) -> None:
    """Remove the folder of an environment.

    Raises:
        RunError: if it is being built.
    """
    with _held(folder.with_name(f".{folder.name}.lock"), folder.name):
        (folder / RECORD_FILE).unlink(missing_ok=True)  # what is left by an interruption must not pass for built
        shutil.rmtree(folder)


@contextmanager
def _lock(environment: Environment) -> Iterator[None]:
    environment.path.mkdir(parents=True, exist_ok=True)
    with _held(environment.path.with_name(f".{environment.path.name}.lock"), environment.name):
        yield


@contextmanager
def _held(path: Path, name: str) -> Iterator[None]:
    """Hold a lock that the kernel frees when this process ends, however it ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunError("another process works on it", where=f"environment {name}", hint="wait for it") from None
        yield


def _make_venv(environment: Environment, say: Say) -> None:
    """An interpreter with pip; one that was left half made is made anew."""
    probe_pip = [str(environment.python), "-m", "pip", "--version"]
    if environment.python.exists() and subprocess.run(probe_pip, capture_output=True, check=False).returncode == 0:
        return
    say("making an interpreter of its own")
    command = [sys.executable, "-m", "venv", "--clear", str(environment.path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise TaskFailed(f"python -m venv failed: {said}", where=str(environment.path), hint="install python3-venv")


def _pip(python: Path, log_file: Path, name: str, arguments: Sequence[str], say: Say) -> list[str]:
    """Run pip in a process group of its own, line by line into the build's log; return what it printed.

    Raises:
        TaskFailed: with its last error.
    """
    command = [str(python), "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]
    variables = {key: value for key, value in os.environ.items() if key not in {"PYTHONPATH", "PIP_REQUIRE_VIRTUALENV"}}
    lines: list[str] = []
    with (
        log_file.open("a", encoding="utf-8") as log,
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=variables,
            process_group=0,
        ) as process,
    ):
        assert process.stdout is not None
        try:
            for line in process.stdout:
                log.write(line)
                lines.append(line.rstrip())
                say(line.strip())
            process.wait()
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    if process.returncode:
        errors = [line for line in lines if line.startswith("ERROR")] or lines[-1:] or ["it said nothing"]
        raise TaskFailed(
            f"pip failed: {errors[-1].removeprefix('ERROR: ')}",
            where=f"environment {name}",
            hint=f"read {log_file}; the same command goes on where it was",
        )
    return lines
