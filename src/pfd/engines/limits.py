"""Limits of running tasks: a process group whose task is out of time or holds too much memory is ended."""

from __future__ import annotations

import signal
import time

from pfd.engines.batches import resources_of
from pfd.engines.group import Group
from pfd.engines.memory_watch import memory_problem
from pfd.engines.signals import signal_group_of
from pfd.json_file import read_json
from pfd.tasks.folder import Resources, TaskFolder


def enforce_limits(group: Group) -> None:
    """End what is over its limit, adopted processes too; the attempt counts."""
    running = [(worker.process.pid, worker.name, worker.current, worker.share.resources) for worker in group.workers]
    running += [
        (holder.pid, holder.worker, folder, resources_of(folder))
        for folder, holder in group.adopted.values()
        if holder.here
    ]
    for pid, name, folder, resources in running:
        _enforce(group, pid, name, folder, resources)


def _enforce(group: Group, pid: int, name: str, folder: TaskFolder, resources: Resources) -> None:
    attempts = folder.attempts() if not folder.done() else []
    if not attempts or (attempts[-1] / "ended.json").is_file():
        return
    claim = read_json(attempts[-1] / "claim.json") or {}
    if claim.get("worker") != name:
        return
    seen = group.seen.setdefault(str(attempts[-1]), time.monotonic())
    problem = _time_problem(claim.get("monotonic_s", seen), resources)
    problem = problem or memory_problem(pid, resources, folder.task()["step"])
    if problem:
        holder = folder.claimed_by()
        signal_group_of(pid, signal.SIGKILL)
        if holder is not None and holder.pid != pid:
            signal_group_of(holder.pid, signal.SIGKILL)
        if not folder.done():  # it may have ended well a moment ago
            folder.end_attempt(attempts[-1], problem, counted=True)


def _time_problem(began: float, resources: Resources) -> str | None:
    """Whether an attempt is out of time, by the kernel's clock: the wall clock may be set while it runs."""
    elapsed, limit = time.monotonic() - began, resources.walltime_s
    return f"out of time after {elapsed:.0f} s" if limit is not None and elapsed > limit else None
