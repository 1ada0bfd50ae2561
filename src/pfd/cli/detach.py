"""``--detach``: a driver in the background, which outlives the terminal and the login that it came from."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import typer

from pfd.errors import SettingError
from pfd.report.words import utc
from pfd.wording import shell_word

LOG_FILE = "driver.log"
HELD_VARIABLE = "PFD_DRIVER_HOLDS"
"""Environment variable of a driver in the background: the file descriptor on which it tells that it holds the run."""


def leave_in_background(*, many: bool = False, as_json: bool = False, told_of: str = "RUN") -> int:
    """Run the present command line in a session of its own; returns once it drives the run, or has failed.

    Args:
        many: whether it is about many runs.
        as_json: whether what it prints at the end was asked for as JSON.
        told_of: the folder that ``pfd status`` takes.

    Returns:
        0, or the exit code that it failed with; what it said is on standard error.

    Raises:
        SettingError: if JSON was asked for.
    """
    if as_json:
        what = "what it prints at the end goes to the log in the background"
        hint = f"leave it out; pfd status {told_of} --json tells where it stands"
        raise SettingError(what, where="--json", hint=hint)
    process, said, run = start_driver([argument for argument in sys.argv[1:] if argument != "--detach"])
    typer.echo(said, err=True, nl=False)
    if run is None:
        return process.wait()
    if many:
        typer.echo(f"process {process.pid} starts the runs one after the other; its log: {run / LOG_FILE}")
        typer.echo(f"look on: pfd watch RUN\nstop: pfd stop RUN, or kill {process.pid} for all of them")
        return 0
    typer.echo(f"process {process.pid} drives {run} in the background; its log: {run / LOG_FILE}")
    typer.echo(f"look on: pfd watch {shell_word(run)}\nstop: pfd stop {shell_word(run)}")
    return 0


def start_driver(
    arguments: list[str],
    variables: dict[str, str] | None = None,
    started: Callable[[subprocess.Popen[str]], None] = lambda _: None,
) -> tuple[subprocess.Popen[str], str, Path | None]:
    """Start ``pfd ARGUMENTS`` in a session of its own, and wait until it drives a run or has ended.

    Args:
        arguments: of a command that calls ``in_background`` once it holds the run.
        variables: more of the environment.
        started: given the process at once.

    Returns:
        The process, what it said up to then, and the folder of the run that it drives: None if it has failed.
    """
    told, tell = os.pipe()
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "pfd", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            pass_fds=[tell],
            start_new_session=True,
            env={**os.environ, HELD_VARIABLE: str(tell), **(variables or {})},
        )
    finally:
        os.close(tell)
    started(process)
    with os.fdopen(told, encoding="utf-8") as stream:
        assert process.stdout is not None
        try:
            with process.stdout:
                said = process.stdout.read()  # ends when it turns to its log, or ends
            run = stream.read()
        except KeyboardInterrupt:
            process.terminate()
            process.wait()
            raise
    return process, said, Path(run) if run else None


def in_background(run: Path) -> None:
    """In a driver that was started by ``start_driver``: write to the run's log from now on, and tell who waits."""
    told = os.environ.pop(HELD_VARIABLE, None)
    if told is None:
        return
    sys.stdout.flush()
    sys.stderr.flush()
    log = os.open(run / LOG_FILE, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)
    for standard in (1, 2):
        os.dup2(log, standard)
    os.close(log)
    typer.echo(f"--- {utc(time.time())} UTC: process {os.getpid()}: pfd {' '.join(sys.argv[1:])}")
    sys.stdout.flush()
    with os.fdopen(int(told), "w", encoding="utf-8") as stream:
        stream.write(str(run))
