"""Run a task folder: claim it, run its step, put the outputs in place, and write the result last."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pfd.digests import file_digest
from pfd.errors import PFDError, TransientError
from pfd.json_file import write_json
from pfd.memory import out_of_memory
from pfd.software import licences_of
from pfd.tasks.context import TaskContext
from pfd.tasks.folder import Failure, Result, TaskFolder
from pfd.tasks.steps import load_step, preload, versions_of

NO_RESULT = 3
"""Exit code of a process that leaves a task without ``done``; 1 is Python's own: it broke outside of any task."""
FULL_ERRNO = {errno.ENOSPC, errno.EDQUOT}
TRANSIENT_ERRNO = {*FULL_ERRNO, errno.ENOMEM, errno.EIO, errno.ESTALE, errno.EROFS}


def run_task(folder: TaskFolder, *, import_seconds: float = 0.0, redirect: bool = True) -> Result | None:
    """Run one task if it is not done and nobody works on it.

    Args:
        folder: the task folder.
        import_seconds: time already spent on imports that belongs to this task.
        redirect: send this process's standard output and error into the attempt's log.txt.

    Returns:
        The result, or None if the attempt ended without one (transient) or another process holds the claim.
    """
    if folder.done():
        return folder.result()
    attempt = folder.claim()
    if attempt is None:
        return None
    if folder.done():  # its last holder finished between our look and our claim
        folder.end_attempt(attempt, "already done", counted=False)
        return folder.result()
    (folder.path / "result.json").unlink(missing_ok=True)  # an earlier failure says nothing about this attempt
    with _log(attempt / "log.txt", redirect):
        try:
            return _run_claimed(folder, attempt, import_seconds)
        except KeyboardInterrupt:
            folder.end_attempt(attempt, "interrupted", counted=False)
            raise
        except (Exception, SystemExit) as error:  # the one place: whatever a plug-in raises must end in the folder
            return _fail(folder, attempt, error)


def failure_of(error: BaseException) -> Failure:
    """What kind of failure an exception is: what lies outside the task is transient, anything else fatal."""
    if isinstance(error, TransientError):
        return Failure(kind="transient", message=str(error))
    if isinstance(error, PFDError):
        return Failure(kind="fatal", message=str(error), exit_code=error.exit_code)
    if out_of_memory(error):
        return Failure(kind="transient", message=f"out of memory: {error}".rstrip(": "))
    message = f"{type(error).__name__}: {error}"
    transient = isinstance(error, OSError) and error.errno in TRANSIENT_ERRNO
    return Failure(kind="transient" if transient else "fatal", message=message)


def _run_claimed(folder: TaskFolder, attempt: Path, import_seconds: float) -> Result | None:
    began = time.perf_counter()
    context = TaskContext(folder, attempt)
    name = folder.task()["step"]
    step = load_step(name)
    preload(name, context)
    import_seconds += time.perf_counter() - began
    began, started = time.perf_counter(), time.time()
    measured = step(context) or {}
    versions = versions_of(name, context)
    if folder.attempts()[-1] != attempt:  # we were taken for lost: the folder belongs to who took over
        folder.end_attempt(attempt, "a later attempt has taken over", counted=False)
        return None
    outputs = _publish(folder, context)
    result = Result(
        status="done",
        outputs=outputs,
        measured=measured,
        started=started,
        seconds=time.perf_counter() - began,
        import_seconds=import_seconds,
        cores=context.cores,
        host=socket.gethostname(),
        attempt=int(attempt.name),
        versions=versions,
        licences=licences_of(versions),
    )
    write_json(folder.path / "result.json", result.model_dump(mode="json"))
    shutil.rmtree(context.scratch, ignore_errors=True)
    return result


def _publish(folder: TaskFolder, context: TaskContext) -> dict[str, str]:
    """Move the staged outputs into place and return their digests."""
    final = folder.path / "outputs"
    if final.exists():  # left by an attempt that was killed before its result was written
        shutil.rmtree(final)
    for path in context.staged.rglob("*"):
        if path.is_file():
            with path.open("rb") as stream:
                os.fsync(stream.fileno())
    digests = {path.name: file_digest(path) for path in sorted(context.staged.iterdir())}
    context.staged.rename(final)
    return digests


def _fail(folder: TaskFolder, attempt: Path, error: BaseException) -> Result | None:
    """Note why the attempt ended; only what trying again cannot mend becomes a result."""
    failure = failure_of(error)
    text = "" if isinstance(error, PFDError) else "".join(traceback.format_exception(error))
    sys.stdout.flush()
    sys.stderr.flush()
    if isinstance(error, OSError) and error.errno in FULL_ERRNO:  # room for the note, and for the next attempt
        for name in ("scratch", "outputs"):
            shutil.rmtree(attempt / name, ignore_errors=True)
    with suppress(OSError), (attempt / "log.txt").open("a", encoding="utf-8") as log:
        log.write(f"{text}{failure.message}\n")
    result = None
    if failure.kind == "fatal":  # before the claim is given back: nobody may start a task that has failed for good
        result = Result(status="failed", failure=failure, host=socket.gethostname())
        write_json(folder.path / "result.json", result.model_dump(mode="json"))
    folder.end_attempt(attempt, failure.message, counted=failure.kind == "transient")
    return result


@contextmanager
def _log(path: Path, redirect: bool) -> Iterator[None]:
    """Send file descriptors 1 and 2 to a log, so that compiled code and child processes write there too."""
    if not redirect:
        yield
        return
    saved: list[Any] = [os.dup(1), os.dup(2)]
    log = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)
    try:
        os.dup2(log, 1)
        os.dup2(log, 2)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(saved[0], 1)
        os.dup2(saved[1], 2)
        for descriptor in (*saved, log):
            os.close(descriptor)
