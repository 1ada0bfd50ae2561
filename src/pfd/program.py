"""Run a program in a process group of its own, with a time limit, and leave none of it behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pfd.errors import MissingError

OBSERVE_S = 1.0
"""Seconds between two looks at a running program."""
ROUNDS = 100
"""How often it is looked for what a program left behind, before giving up."""
GRACE_S = 5.0
"""Seconds between asking a program to end and killing it."""
PART_KEPT = 1_000_000
"""Bytes of the beginning and of the end that stay of a log that is cut."""
_LEFT_OUT = b"\n[... the middle of this output is left out: it was longer than is kept ...]\n"

# The launcher asks the kernel (Linux) to end the program when this process dies, also by kill -9, and then becomes it.
_LAUNCHER = """
import ctypes, os, signal, sys
prctl = getattr(ctypes.CDLL(None), "prctl", None)
if prctl is not None:
    prctl(1, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != int(sys.argv[1]):
        sys.exit(143)
os.execv(sys.argv[2], sys.argv[2:])
"""


_LAUNCHERS = {"mpirun", "mpiexec", "orterun", "srun"}
_RANK_FLAGS = {"-n", "-np", "--n", "--np", "--ntasks"}


def ranks_of(command: Sequence[str]) -> int | None:
    """The number of processes that an MPI launcher in a command is told to start; None if it is not told one.

    >>> ranks_of(["mpirun", "-np", "4", "pw.x", "-nk", "2"])
    4
    """
    names = [Path(word).name for word in command]
    begin = next((index for index, name in enumerate(names) if name in _LAUNCHERS), None)
    if begin is None:
        return None
    words = list(command[begin + 1 :])
    for index, word in enumerate(words):
        flag, _, value = word.partition("=")
        if flag in _RANK_FLAGS:
            value = value or "".join(words[index + 1 : index + 2])
        else:
            value = word.removeprefix("-n") if word.startswith("-n") else ""  # srun -n4
        if value.isdigit():
            return int(value)
    return None


@dataclass(frozen=True)
class Finished:
    """How a program ended.

    Attributes:
        code: its exit code; minus the signal's number if one killed it.
        timed_out: whether it was killed here because its time was over.
        output: what it wrote to standard output and error, undecodable bytes replaced.
        seconds: wall time.
    """

    code: int
    timed_out: bool
    output: str
    seconds: float

    @property
    def killed(self) -> bool:
        """True if a signal ended it, as the program itself or as mpirun reports it."""
        return self.code < 0 or self.code in {128 + signal.SIGKILL, 128 + signal.SIGTERM}


def run_program(
    command: Sequence[str],
    folder: Path,
    log: Path,
    *,
    wall_time_s: float,
    environment: Mapping[str, str] | None = None,
    install: str = "",
    observe: Callable[[], None] = lambda: None,
    cut_log: bool = False,
) -> Finished:
    """Run a program without a shell until it ends; whatever interrupts this call ends all that it started first.

    That is its process group, and (Linux) every process that inherited its environment, in whatever session.

    Args:
        command: program and arguments.
        folder: its working folder, which exists.
        log: the file that takes its standard output and error.
        wall_time_s: seconds after which it is killed.
        environment: variables to add to this process's own.
        install: the command that installs the program, for the error message.
        observe: called every second while it runs, and once at its end.
        cut_log: whether to leave out the middle of a log that grows beyond twice ``PART_KEPT``; the log says so.

    Raises:
        MissingError: if there is no such program.
    """
    program = shutil.which(command[0])
    if program is None:
        raise MissingError(f"there is no program {command[0]!r} on this machine", hint=install)
    launcher = [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid()), str(Path(program).absolute())]
    began = time.monotonic()
    timed_out = False
    mark = f"PFD_PROGRAM_{uuid.uuid4().hex}"
    log.write_bytes(b"")
    with log.open("ab") as stream:  # to append, so that the middle can be left out meanwhile

        def look() -> None:
            if cut_log:
                leave_out_middle(log)
            observe()

        process = subprocess.Popen(
            [*launcher, *command[1:]],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {}), mark: "1"},
            process_group=0,
        )
        try:
            timed_out = not _ends_within(process, began + wall_time_s, look)
        finally:
            _end_group(process)
            _end_marked(mark)
    look()
    output = log.read_text(encoding="utf-8", errors="replace")
    return Finished(process.returncode, timed_out, output, time.monotonic() - began)


def _ends_within(process: subprocess.Popen[bytes], deadline: float, observe: Callable[[], None]) -> bool:
    """Wait for the end of a process until a time of ``time.monotonic``; whether it came."""
    while (left := deadline - time.monotonic()) > 0:
        try:
            process.wait(timeout=min(left, OBSERVE_S))
        except subprocess.TimeoutExpired:
            observe()
            continue
        return True
    return process.poll() is not None


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End the process and all of its group: politely, then for good."""
    for ending, patience in ((signal.SIGTERM, GRACE_S), (signal.SIGKILL, None)):
        try:
            os.killpg(process.pid, ending)
        except ProcessLookupError:
            break
        try:
            process.wait(timeout=patience)
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def _end_marked(mark: str) -> None:
    """Kill every process that has a variable in its environment: what left the group, as daemons do."""
    for _ in range(ROUNDS):  # one that is being killed may have started another
        found = [path for path in Path("/proc").glob("[0-9]*") if _has_variable(path, mark.encode())]
        if not found:
            return
        for path in found:
            with suppress(ProcessLookupError):
                os.kill(int(path.name), signal.SIGKILL)
        time.sleep(0.01)


def _has_variable(process: Path, name: bytes) -> bool:
    """Whether a living process of ours has an environment variable; False of processes of others."""
    try:
        return b"\0" + name + b"=" in b"\0" + (process / "environ").read_bytes()
    except OSError:
        return False


def leave_out_middle(log: Path) -> None:
    """Of a file that is longer than twice ``PART_KEPT``, keep the beginning and the end, and say so between them."""
    if log.stat().st_size <= 2 * PART_KEPT + len(_LEFT_OUT):
        return
    with log.open("rb") as stream:
        head = stream.read(PART_KEPT)
        stream.seek(-PART_KEPT, os.SEEK_END)
        tail = stream.read()
    os.truncate(log, len(head))
    with log.open("ab") as stream:
        stream.write(_LEFT_OUT + tail)
