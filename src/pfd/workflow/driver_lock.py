"""The lock of a run folder: one driver at a time, and who it is for everyone who asks."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TextIO

from pydantic import ValidationError

from pfd.errors import RunError
from pfd.json_file import read_json
from pfd.settings import Settings
from pfd.tasks.process import ProcessName, boot_id, this_process
from pfd.wording import shell_word

LOCK_FILE = "lock"
BEAT_SECONDS = 30.0
"""How often a driver touches its lock."""
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}


class Driver(Settings):
    """The process that drives a run, as the lock tells of it."""

    process: ProcessName
    since: float
    """Unix time at which it took the lock."""
    since_utc: str
    """The same for people."""
    inode: int
    """Of the lock file: in a copy of the run folder it is another one, and the driver works on the original."""

    @classmethod
    def this(cls, inode: int) -> Driver:
        """The process that calls."""
        now = time.time()
        words = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        return cls(process=this_process(), since=round(now, 3), since_utc=words, inode=inode)

    def in_words(self) -> str:
        """Such as ``process 4711 on node3, since 2026-01-01 00:00:00 UTC``."""
        return f"process {self.process.pid} on {self.process.host}, since {self.since_utc}"


@contextmanager
def driver_lock(run: Path, *, take_over: bool = False) -> Iterator[None]:
    """Hold the run's lock.

    On one host the kernel decides: it frees the lock when the driver ends, however it ends, and whatever the file says
    of a driver that is gone is written over. Over a shared file system that decision may not reach from one host to
    another; so a lock that names another host is never taken over unless the user says that its driver is gone, for
    that driver's tasks cannot be seen from here either, and would be done twice.

    Args:
        run: the run folder.
        take_over: the user says that the driver on another host, and what it started, has ended.

    Raises:
        RunError: naming the driver that holds it; or if there is nothing to take over; or if the file system has no
            locks, or the folder cannot be written.
    """
    with _opened(run) as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _refused(run, _named(run)) from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            hint = "mount it with locks (Lustre: -o flock), or put the run folder elsewhere"
            raise RunError("the file system of the run folder has no locks", where=str(run), hint=hint) from error
        elsewhere = held_elsewhere(run)
        if elsewhere is not None and not take_over:
            raise _refused(run, elsewhere)
        if elsewhere is None and take_over:
            what = "there is nothing to take over: no driver on another host holds this run"
            raise RunError(what, where=str(run), hint="leave --take-over out")
        _write(stream, Driver.this(os.fstat(stream.fileno()).st_ino).model_dump_json())
        ended = threading.Event()
        heart = threading.Thread(target=_beat, args=(stream.fileno(), ended), daemon=True)
        heart.start()
        try:
            yield
        finally:
            ended.set()
            heart.join()  # before the number of the file may mean another one
            with suppress(OSError):  # what ended the driver is told, not that the name of it stays
                stream.truncate(0)


def _opened(run: Path) -> TextIO:
    try:
        return (run / LOCK_FILE).open("a+", encoding="utf-8")
    except OSError as error:
        hint = "look at its permissions and at the disk; a copy of the run elsewhere goes on too"
        raise RunError(f"the run folder cannot be written: {error.strerror}", where=str(run), hint=hint) from error


def _beat(lock: int, ended: threading.Event) -> None:
    """Show hosts that cannot see this process that it lives."""
    while not ended.wait(BEAT_SECONDS):
        with suppress(OSError):
            os.utime(lock)


def driver_of(run: Path) -> Driver | None:
    """The driver of a run; one on another host counts until its lock is taken over, for nobody here can tell.

    Of one that runs in a job the scheduler can.
    """
    driver = _named(run)
    return None if driver is None or driver.process.state() == "gone" else driver


def held_elsewhere(run: Path) -> Driver | None:
    """The driver that the lock names, if it is of another machine: then a free lock says nothing of it."""
    driver = _named(run)
    if driver is None or driver.process.here or (boot_id() and driver.process.boot_id == boot_id()):
        return None
    return None if driver.process.state() == "gone" else driver


def _named(run: Path) -> Driver | None:
    """Whom the lock names, alive or not; nobody if the folder is a copy."""
    content = read_json(run / LOCK_FILE)
    try:
        driver = Driver.model_validate(content)
        return driver if driver.inode == (run / LOCK_FILE).stat().st_ino else None
    except (ValidationError, OSError):
        return None


def _refused(run: Path, driver: Driver | None) -> RunError:
    if driver is None:  # it has the lock, and has not written its name yet
        hint = f"pfd watch {shell_word(run)} looks on"
        return RunError("another driver begins to work on this run", where=str(run), hint=hint)
    if driver.process.here:
        hint = f"pfd watch {shell_word(run)} looks on, pfd stop {shell_word(run)} ends it"
        return RunError(f"another driver works on this run: {driver.in_words()}", where=str(run), hint=hint)
    silent_s = max(0.0, time.time() - (run / LOCK_FILE).stat().st_mtime)
    return RunError(
        f"a driver on another host works on this run, as far as one can tell from here: {driver.in_words()}; its last "
        f"sign of life (one comes every {BEAT_SECONDS:g} s) is {silent_s:.0f} s old",
        where=str(run),
        hint=f"look there (pfd status, pfd stop); if that host is gone, and all that ran on it: "
        f"pfd submit {shell_word(run)} --take-over",
    )


def _write(stream: IO[str], text: str) -> None:
    stream.seek(0)
    stream.truncate()
    json.dump(json.loads(text), stream, indent=1)
    stream.write("\n")
    stream.flush()
    os.fsync(stream.fileno())
