"""Which schedulers there are, which job this process runs in, and whether a job of this cluster still lives."""

from __future__ import annotations

import os
import subprocess
import time
from typing import Literal

from pfd.schedulers.lsf import LSF
from pfd.schedulers.pbs import PBS, Torque
from pfd.schedulers.scheduler import QueuedJob, Scheduler
from pfd.schedulers.sge import SGE
from pfd.schedulers.slurm import Slurm

SCHEDULERS: dict[str, Scheduler] = {each.name: each for each in (Slurm(), PBS(), Torque(), LSF(), SGE())}
ASK_SECONDS = 5.0
"""The queue is asked for no more often than this; a job that is not in its list is asked for by itself."""
COMMAND_SECONDS = 60.0
"""Longest time that a scheduler's command may take."""
_listed: dict[str, tuple[float, list[QueuedJob] | None]] = {}
_gone: set[str] = set()


def shell_here(command: str) -> tuple[int, str, str]:
    """Run a command line on this machine (see ``scheduler.Shell``); one that hangs, or is not there, has failed."""
    try:
        done = subprocess.run(
            ["bash", "-c", command], capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return 127, "", str(error)
    return done.returncode, done.stdout, done.stderr


def job_here() -> str:
    """The job that this process runs in, such as ``slurm:123``; empty outside of any."""
    for scheduler in SCHEDULERS.values():
        if os.environ.get(scheduler.job_variable):
            return f"{scheduler.name}:{os.environ[scheduler.job_variable]}"
    return ""


def job_state(job: str) -> Literal["alive", "gone", "unknown"]:
    """Whether a job lives, as this machine's scheduler says; ``unknown`` if it cannot be asked.

    Args:
        job: as ``job_here`` named it.
    """
    if job in _gone:
        return "gone"
    name, _, job_id = job.partition(":")
    scheduler = SCHEDULERS.get(name)
    if scheduler is None:
        return "unknown"
    at, jobs = _listed.get(name, (0.0, None))
    if jobs is None or time.monotonic() - at > ASK_SECONDS:
        jobs = scheduler.jobs(shell_here)
        _listed[name] = time.monotonic(), jobs
    found = [each for each in jobs or () if each.id == job_id] or scheduler.jobs(shell_here, [job_id])
    if found is None:
        return "unknown"
    if any(each.state != "ended" for each in found):
        return "alive"
    _gone.add(job)
    return "gone"
