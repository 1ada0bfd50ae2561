"""``pfd stop``: ask a driver to end, wait until it has, and say what became of the tasks that ran."""

from __future__ import annotations

import getpass
import os
import signal
import time
from pathlib import Path

import typer

from pfd.errors import RunError
from pfd.tasks.folder import TaskFolder
from pfd.tasks.process import this_process
from pfd.wording import counted, shell_word
from pfd.workflow.argo import client
from pfd.workflow.argo.submitted import workflow_of
from pfd.workflow.driver_lock import Driver, driver_of
from pfd.workflow.journal import Journal
from pfd.workflow.look import Onlooker, used_tasks

POLL_SECONDS = 0.05


def stop_and_say(run: Path, wait_s: float) -> int:
    """Stop the driver of a run, or its workflow on Kubernetes.

    Args:
        run: the run folder.
        wait_s: how long to wait for its end, s.

    Returns:
        0 if no driver works on the run now, 1 if it has not ended in time.

    Raises:
        RunError: if the driver cannot be reached from here.
        TransientError: if the server of the workflow does not answer.
    """
    driver = driver_of(run)
    if driver is None and workflow_of(run) is not None:
        typer.echo(f"the workflow {client.stop(run)} ends; pods that have ended lose nothing")
        typer.echo(
            f"pfd download {shell_word(run)} brings what they have done, pfd resubmit {shell_word(run)} goes on with it"
        )
        return 0
    if driver is None:
        typer.echo(f"no driver works on {run}; the run is {_status(run)}")
        _tell_orphans(run)
        return 0
    if not driver.process.here:
        host = driver.process.host
        there = shell_word(f"pfd stop {shell_word(run.resolve())}")  # read by two shells
        hint = f"ssh {host} {there}; if that host is gone: pfd submit {shell_word(run)} --take-over"
        raise RunError(f"the driver is on another host: {driver.in_words()}", where=str(run), hint=hint)
    ran = _running(run)
    _ask(run, driver)
    typer.echo(f"asked {driver.in_words()} to end; {counted(len(ran), 'task')} running", err=True)
    deadline = time.monotonic() + wait_s
    while driver_of(run) == driver and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    if driver_of(run) == driver:
        pid = driver.process.pid
        typer.echo(
            f"process {pid} has not ended in {wait_s:g} s; pfd stop {shell_word(run)} waits again, "
            f"kill -9 {pid} ends it at once"
        )
        return 1
    done = sum(folder.done() for folder in ran)
    typer.echo(f"the driver has ended; the run is {_status(run)}")
    if ran:
        typer.echo(f"of {counted(len(ran), 'running task')}: {done} finished, {len(ran) - done} will be done anew")
    _tell_orphans(run)
    if _status(run) == "interrupted":
        typer.echo(f"pfd submit {shell_word(run)} goes on where it was")
    return 0


def _ask(run: Path, driver: Driver) -> None:
    """Send the signal that the driver takes as Ctrl-C: pfd submit takes SIGTERM so, Python by itself SIGINT."""
    pid = driver.process.pid
    number = next((each for each in (signal.SIGTERM, signal.SIGINT) if _catches(pid, each)), signal.SIGTERM)
    me = this_process()
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
    except PermissionError as error:
        hint = "ask who started it"
        raise RunError(f"{driver.in_words()} is not yours to stop", where=str(run), hint=hint) from error
    Journal(run / "journal.jsonl").write("stop", by=f"{getpass.getuser()}, process {me.pid} on {me.host}")


def _catches(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler for a signal."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return False
    caught = next((line.split()[1] for line in lines if line.startswith("SigCgt:")), "0")
    return bool(int(caught, 16) >> (number - 1) & 1)


def _status(run: Path) -> str:
    return Onlooker(run).look()[0].status.replace("_", " ")


def _running(run: Path) -> list[TaskFolder]:
    events = Journal(run / "journal.jsonl").read()
    return [folder for folder in used_tasks(run, events) if not folder.done() and folder.claimed_by() is not None]


def _tell_orphans(run: Path) -> None:
    left = _running(run)
    if left:
        typer.echo(
            f"{counted(len(left), 'task')} still running without a driver: pfd submit {shell_word(run)} takes them in"
        )
