"""Tasks that a process of another host holds: where nobody here can tell whether it lives, the user is asked to."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Sequence
from pathlib import Path

from pfd.engines.hpc.submission import is_own_worker
from pfd.errors import RunError
from pfd.tasks.folder import TaskFolder
from pfd.wording import counted


def close_attempts(folders: Iterable[TaskFolder]) -> None:
    """Note of all open attempts that they are over, before the folders go where nobody can tell.

    Raises:
        RunError: if a process works on one of them.
    """
    for folder in folders:
        attempts = folder.attempts() if not folder.done() else []
        if not attempts or (attempts[-1] / "ended.json").is_file():
            continue
        holder = folder.claimed_by()
        if holder is not None:
            what = f"process {holder.pid} on {holder.host} works on it, or may do so"
            raise RunError(what, where=str(folder.path), hint="wait until it has ended, or end it, then submit again")
        folder.end_attempt(attempts[-1], "its process is gone", counted=False)


def release_claims(folders: Iterable[TaskFolder], host: str) -> int:
    """Close the open attempts of processes of a host that is gone, as the user says; returns how many."""
    released = 0
    for folder in folders:
        holder = None if folder.done() else folder.claimed_by()
        if holder is not None and holder.host == host and holder.state() == "unknown":
            folder.end_attempt(folder.attempts()[-1], f"{host} was given up", counted=False)
            released += 1
    return released


def refuse_foreign_holders(run: Path, folders: Sequence[TaskFolder]) -> None:
    """Refuse to go on with tasks that may be at work elsewhere; jobs of this run's own are left to the hpc engine.

    Raises:
        RunError: naming host and process, and what to do.
    """
    held = []
    for folder in folders:
        holder = folder.claimed_by()
        if holder is None or holder.host == socket.gethostname():
            continue
        in_queue = folder.task()["resources"].get("job") is not None
        if not in_queue or (holder.state() == "unknown" and not is_own_worker(run, holder.worker)):
            held.append((folder, holder))
    if not held:
        return
    folder, holder = held[0]
    many = f" (and {counted(len(held) - 1, 'more task')})" if len(held) > 1 else ""
    claim = os.path.relpath(folder.attempts()[-1] / "claim.json", run)
    if holder.state() == "alive":
        raise RunError(
            f"the job {holder.job} works on it{many}",
            where=str(folder.path),
            hint="wait until it has ended, or cancel it, then submit again",
        )
    raise RunError(
        f"process {holder.pid} on {holder.host} holds it{many}, and from {socket.gethostname()} nobody can tell "
        "whether it still runs",
        where=str(folder.path),
        hint=f"submit on {holder.host}; or, if nothing of this run is left there, remove {claim} and submit again",
    )
