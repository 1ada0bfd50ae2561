"""Programs end with their whole process group, whatever happens to the one who started them."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from pfd.errors import MissingError
from pfd.program import run_program


def script(path: Path, text: str) -> str:
    path.write_text("#!/bin/sh\n" + textwrap.dedent(text))
    path.chmod(0o755)
    return str(path)


def gone(pid: int, patience_s: float = 10.0) -> bool:
    """True once the process has ended (a zombie has)."""
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state in "ZX":
            return True
        time.sleep(0.02)
    return False


def test_code_output_folder_and_environment(tmp_path):
    program = script(tmp_path / "it", 'echo "$COLOUR $1 $(pwd)"; echo oops >&2; cat; exit 7\n')
    done = run_program([program, "a b; c"], tmp_path, tmp_path / "log", wall_time_s=20, environment={"COLOUR": "blue"})
    assert done.code == 7
    assert done.output.split("\n")[:2] == [f"blue a b; c {tmp_path}", "oops"]
    assert not done.timed_out
    assert not done.killed


def test_a_missing_program_names_how_to_install_it(tmp_path):
    with pytest.raises(MissingError, match="apt install it"):
        run_program(["no-such-program"], tmp_path, tmp_path / "log", wall_time_s=1, install="apt install it")


def test_a_running_program_can_be_watched(tmp_path, monkeypatch):
    monkeypatch.setattr("pfd.program.OBSERVE_S", 0.05)
    program = script(tmp_path / "it", "echo first\nwhile [ ! -e seen ]; do sleep 0.02; done\necho last\n")
    log, seen = tmp_path / "log", []

    def observe():
        seen.append(log.read_text())
        if "first" in seen[-1]:
            (tmp_path / "seen").touch()

    done = run_program([program], tmp_path, log, wall_time_s=20, observe=observe)
    assert done.code == 0
    assert "first\n" in seen
    assert seen[-1] == done.output == "first\nlast\n"


def test_out_of_time_kills_the_children_too(tmp_path):
    program = script(tmp_path / "it", "sleep 60 & echo $!\nsleep 60\n")
    done = run_program([program], tmp_path, tmp_path / "log", wall_time_s=0.5)
    assert done.timed_out
    assert done.killed
    assert gone(int(done.output))


def test_children_left_behind_by_a_normal_end_are_ended(tmp_path):
    program = script(tmp_path / "it", "sleep 60 & echo $!\n")
    done = run_program([program], tmp_path, tmp_path / "log", wall_time_s=20)
    assert done.code == 0
    assert gone(int(done.output))


def test_killed_is_seen_directly_and_through_a_wrapper(tmp_path):
    direct = script(tmp_path / "direct", "kill -9 $$\n")
    wrapped = script(tmp_path / "wrapped", "exit 137\n")
    for program in (direct, wrapped):
        assert run_program([program], tmp_path, tmp_path / "log", wall_time_s=20).killed


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_program_does_not_outlive_its_starter(tmp_path, ending):
    program = script(tmp_path / "it", "echo $$\nexec sleep 60\n")
    log = tmp_path / "log"
    code = (
        "import sys; from pathlib import Path; from pfd.program import run_program\n"
        "run_program([sys.argv[1]], Path(sys.argv[2]), Path(sys.argv[2]) / 'log', wall_time_s=60)"
    )
    starter = subprocess.Popen([sys.executable, "-c", code, program, str(tmp_path)], stderr=subprocess.DEVNULL)
    end = time.monotonic() + 20
    while not (log.is_file() and log.read_text().strip()) and time.monotonic() < end:
        time.sleep(0.02)
    os.kill(starter.pid, ending)
    starter.wait(timeout=20)
    assert gone(int(log.read_text()))


DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        print(os.getpid(), flush=True)
        time.sleep(60)
    os._exit(0)
os.wait()
time.sleep({seconds})
"""


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="only where /proc tells of processes")
@pytest.mark.parametrize("seconds", [0, 60])
def test_a_daemon_in_a_session_of_its_own_is_ended_too(tmp_path, seconds):
    command = [sys.executable, "-c", DAEMON.format(seconds=seconds)]
    done = run_program(command, tmp_path, tmp_path / "log", wall_time_s=1.0)
    assert done.timed_out is bool(seconds)
    assert gone(int(done.output), patience_s=2.0)


@pytest.mark.parametrize("cut_log", [True, False])
def test_a_log_keeps_its_beginning_and_end_and_says_that_it_was_cut(tmp_path, monkeypatch, cut_log):
    monkeypatch.setattr("pfd.program.PART_KEPT", 100)
    monkeypatch.setattr("pfd.program.OBSERVE_S", 0.05)
    program = script(
        tmp_path / "it",
        """
        echo begin
        seq 1 1000
        while grep -q ^500$ log && [ $((turn += 1)) -lt 20 ]; do sleep 0.02; done
        seq 1001 2000
        echo end
        """,
    )
    log = tmp_path / "log"
    done = run_program([program], tmp_path, log, wall_time_s=20, cut_log=cut_log)
    assert done.output == log.read_text()
    assert done.output.startswith("begin\n1\n2\n")
    assert done.output.endswith("1999\n2000\nend\n")
    assert ("left out" in done.output) is cut_log
    assert (len(done.output) < 300) is cut_log
