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
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pfd.digests import file_digest
from pfd.errors import PFDError, TransientError
from pfd.tasks.context import TaskContext
from pfd.tasks.folder import Failure, Result, TaskFolder, write_json
from pfd.tasks.steps import load_step, preload, versions_of

TRANSIENT_ERRNO = {errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.EIO, errno.ESTALE}


def run_task(folder: TaskFolder, *, import_seconds: float = 0.0, redirect: bool = True) -> Result | None:
    """Run one task if it is not done and nobody works on it.

    Args:
        folder: the task folder.
        import_seconds: time already spent on imports that belongs to this task.
        redirect: send this process's standard output and error into the attempt's log.txt.

    Returns:
        The result, or None if the attempt ended without one (transient) or another process holds the claim.
    """
    result = folder.result()
    if result is not None and result.status == "done":
        return result
    attempt = folder.claim()
    if attempt is None:
        return None
    if folder.done():  # its last holder finished between our look and our claim
        folder.end_attempt(attempt, "already done", counted=False)
        return folder.result()
    with _log(attempt / "log.txt", redirect):
        return _run_claimed(folder, attempt, import_seconds)


def _run_claimed(folder: TaskFolder, attempt: Path, import_seconds: float) -> Result | None:
    began = time.perf_counter()
    started = time.time()
    cores = 1
    try:
        context = TaskContext(folder, attempt)
        cores = context.cores
        task = folder.task()
        step = load_step(task["step"])
        preload(task["step"], context)
        import_seconds += time.perf_counter() - began
        began, started = time.perf_counter(), time.time()
        measured = step(context) or {}
        outputs = _publish(folder, context)
    except TransientError as error:
        folder.end_attempt(attempt, str(error), counted=True)
        return None
    except PFDError as error:
        return _fail(folder, attempt, Failure(kind="fatal", message=str(error), exit_code=error.exit_code))
    except MemoryError:
        folder.end_attempt(attempt, "out of memory", counted=True)
        return None
    except Exception as error:  # the one place: whatever a plug-in raises must end in result.json
        if isinstance(error, OSError) and error.errno in TRANSIENT_ERRNO:
            folder.end_attempt(attempt, f"{error}", counted=True)
            return None
        traceback.print_exc()
        message = f"{type(error).__name__}: {error}"
        return _fail(folder, attempt, Failure(kind="fatal", message=message))
    result = Result(
        status="done",
        outputs=outputs,
        measured=measured,
        started=started,
        seconds=time.perf_counter() - began,
        import_seconds=import_seconds,
        cores=cores,
        host=socket.gethostname(),
        versions=versions_of(task["step"], context),
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


def _fail(folder: TaskFolder, attempt: Path, failure: Failure) -> Result:
    folder.end_attempt(attempt, failure.message, counted=False)
    sys.stderr.write(failure.message + "\n")
    result = Result(status="failed", failure=failure, host=socket.gethostname())
    write_json(folder.path / "result.json", result.model_dump(mode="json"))
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
