"""The lock: one driver at a time, told by name; what is stale is taken over, what cannot be known is not."""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from pfd.errors import RunError
from pfd.tasks.process import this_process
from pfd.workflow.driver_lock import Driver, driver_lock, driver_of
from pfd.workflow.run_folder import take_folder

HOLD = (
    "import sys; from pathlib import Path; from pfd.workflow.driver_lock import driver_lock\n"
    "from pfd.workflow.run_folder import take_folder; from pfd.errors import RunError\n"
    "run = Path(sys.argv[1]); sys.stdin.readline()\n"
    "try:\n"
    "    take_folder(run, 'toy')\n"
    "    with driver_lock(run): print('held', flush=True); sys.stdin.readline()\n"
    "except RunError as error: print('refused', error.what, flush=True)"
)


@pytest.fixture
def run(tmp_path):
    take_folder(tmp_path / "run", "toy")
    return tmp_path / "run"


@pytest.fixture
def process():
    """Start processes that, each when its standard input gives a line, take the lock, and hold it for another line."""
    started = []

    def start(run):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        started.append(subprocess.Popen([sys.executable, "-c", HOLD, str(run)], text=True, **pipes))
        return started[-1]

    yield start
    for each in started:
        each.kill()
        each.communicate()


def go(process):
    process.stdin.write("\n")
    process.stdin.flush()


def name_in_lock(run, **changes):
    """A lock that is free and names a driver, as a crash of host or driver leaves it."""
    (run / "lock").touch()
    driver = Driver.this((run / "lock").stat().st_ino)
    named = driver.model_copy(update={"process": driver.process.model_copy(update=changes)})
    (run / "lock").write_text(named.model_dump_json())
    return named


def test_a_second_driver_is_refused_with_the_first_ones_details(run, process):
    holder = process(run)
    go(holder)
    assert holder.stdout.readline() == "held\n"
    driver = driver_of(run)
    assert driver.process.pid == holder.pid
    with pytest.raises(RunError, match=f"process {holder.pid} on .*, since 2.* UTC") as caught, driver_lock(run):
        pass
    assert caught.value.exit_code == 2
    assert f"pfd stop {run}" in str(caught.value)
    with pytest.raises(RunError, match="another driver works"), driver_lock(run, take_over=True):
        pass
    holder.send_signal(signal.SIGKILL)  # the kernel frees the lock, whatever the file says
    holder.wait()
    with driver_lock(run):
        assert driver_of(run).process == this_process()
    assert driver_of(run) is None


def test_of_drivers_that_start_at_once_exactly_one_wins(tmp_path, process):
    drivers = [process(tmp_path / "new") for _ in range(6)]
    for driver in drivers:
        go(driver)
    said = [driver.stdout.readline() for driver in drivers]
    assert sum(line == "held\n" for line in said) == 1, said
    assert sum(line.startswith("refused another driver") for line in said) == 5, said


def test_a_lock_of_another_host_is_taken_over_only_by_word(run):
    there = name_in_lock(run, host="elsewhere", boot_id="another")
    assert driver_of(run) == there
    with (
        pytest.raises(RunError, match=r"driver on another host works on this run.*elsewhere") as caught,
        driver_lock(run),
    ):
        pass
    assert "--take-over" in str(caught.value)
    assert "its last sign of life" in str(caught.value)
    assert driver_of(run) == there  # the refusal has not changed it
    with driver_lock(run, take_over=True):
        assert driver_of(run).process == this_process()


def test_a_lock_from_before_a_reboot_or_of_a_container_that_is_gone_is_stale(run):
    name_in_lock(run, boot_id="another")
    assert driver_of(run) is None
    with driver_lock(run):
        pass
    name_in_lock(run, host="container")
    with driver_lock(run):
        pass


def test_there_must_be_something_to_take_over(run):
    with pytest.raises(RunError, match="nothing to take over"), driver_lock(run, take_over=True):
        pass


def test_a_copy_of_a_run_has_no_driver(run, tmp_path):
    with driver_lock(run):
        shutil.copytree(run, tmp_path / "copy")
        assert driver_of(tmp_path / "copy") is None
        with driver_lock(tmp_path / "copy"):
            pass


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 1}', "\0\0"])
def test_a_damaged_lock_is_no_driver(run, content):
    (run / "lock").write_text(content)
    assert driver_of(run) is None
    with driver_lock(run):
        assert json.loads((run / "lock").read_text())["since_utc"].endswith(" UTC")


def test_a_file_system_without_locks_is_told(run, monkeypatch):
    def refuse(*_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr("pfd.workflow.driver_lock.fcntl.flock", refuse)
    with pytest.raises(RunError, match="has no locks"), driver_lock(run):
        pass


def test_a_driver_gives_signs_of_life(run, monkeypatch):
    monkeypatch.setattr("pfd.workflow.driver_lock.BEAT_SECONDS", 0.02)
    with driver_lock(run):
        os.utime(run / "lock", (0, 0))
        deadline = time.monotonic() + 10
        while not (run / "lock").stat().st_mtime:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_what_ended_the_driver_is_told_although_its_name_cannot_be_taken_away(tmp_path, monkeypatch):
    def refuses(_self, _size):
        raise OSError(errno.EROFS, "Read-only file system")

    class Stream(io.TextIOWrapper):
        truncate = refuses

    monkeypatch.setattr("pfd.workflow.driver_lock._opened", lambda run: Stream((run / "lock").open("a+b")))
    monkeypatch.setattr("pfd.workflow.driver_lock._write", lambda stream, text: None)
    with pytest.raises(OSError, match="first"), driver_lock(tmp_path):
        raise OSError(errno.EIO, "first")
