"""Stopping what cannot be stopped is told as it is."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys

import pytest
from tests.cli.conftest import pfd

from pfd.cli.status import status_of
from pfd.cli.stop import stop_and_say
from pfd.errors import RunError
from pfd.tasks.process import ProcessName, _start_ticks, this_process
from pfd.workflow.driver_lock import Driver
from pfd.workflow.journal import Journal
from pfd.workflow.run_folder import take_folder

SLEEP = "import signal, sys\nsignal.signal(signal.{name}, {handler})\nprint('up', flush=True)\nsys.stdin.read()"


@pytest.fixture
def run(tmp_path):
    take_folder(tmp_path / "run", "toy")
    Journal(tmp_path / "run" / "journal.jsonl").write("submit")
    return tmp_path / "run"


@pytest.fixture
def driver(run):
    """Have a process of some behaviour named by the lock."""
    started = []

    def start(name, handler):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
        started.append(subprocess.Popen([sys.executable, "-c", SLEEP.format(name=name, handler=handler)], **pipes))
        process = started[-1]
        assert process.stdout.readline() == "up\n"
        (run / "lock").touch()
        named = this_process().model_dump() | {"pid": process.pid, "start_ticks": _start_ticks(process.pid)}
        own = Driver.this((run / "lock").stat().st_ino).model_copy(update={"process": ProcessName(**named)})
        (run / "lock").write_text(own.model_dump_json())
        return process

    yield start
    for each in started:
        each.kill()
        each.communicate()


def test_a_driver_that_does_not_end_is_told_with_exit_code_1(run, driver, capsys):
    process = driver("SIGTERM", "lambda *_: None")
    assert stop_and_say(run, 0.2) == 1
    assert f"process {process.pid} has not ended in 0.2 s" in capsys.readouterr().out
    assert process.poll() is None


def test_a_driver_that_was_started_from_python_gets_what_python_takes_as_ctrl_c(run, driver, capsys):
    process = driver("SIGTERM", "signal.SIG_DFL")
    assert stop_and_say(run, 60.0) == 0
    assert process.wait() in {-signal.SIGINT, 1}  # KeyboardInterrupt, not the death of SIGTERM
    assert "the driver has ended; the run is interrupted" in capsys.readouterr().out


def test_a_driver_on_another_host_is_not_reached(run):
    run = run.rename(run.with_name("Größe von Kupfer"))
    (run / "lock").touch()
    there = this_process().model_copy(update={"host": "node7", "boot_id": "another"})
    own = Driver.this((run / "lock").stat().st_ino).model_copy(update={"process": there})
    (run / "lock").write_text(own.model_dump_json())
    with pytest.raises(RunError, match=r"on another host: process .* on node7") as caught:
        stop_and_say(run, 1.0)
    assert caught.value.exit_code == 2
    first, second = caught.value.hint.split("; if that host is gone: ")
    assert shlex.split(shlex.split(first)[-1]) == ["pfd", "stop", str(run)]  # of this shell, then of that of node7
    assert shlex.split(second) == ["pfd", "submit", str(run), "--take-over"]


def test_the_command_that_goes_on_can_be_pasted(run):
    run = run.rename(run.with_name("Müller's run"))
    assert status_of(run)["error"] == f"pfd submit {shlex.quote(str(run))} goes on"


def test_no_driver_is_no_failure_and_no_run_is(run):
    assert "the run is interrupted" in pfd("stop", run, cwd=run.parent).stdout
    assert pfd("stop", "nothing", cwd=run.parent).returncode == 2
