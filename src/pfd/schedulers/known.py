"""Which schedulers there are, which job this process runs in, and whether a job of this cluster still lives."""

from __future__ import annotations

import os
import subprocess
import time
from typing import Literal

from pfd.schedulers.lsf import LSF
from pfd.schedulers.pbs import PBS, Torque
from pfd.schedulers.scheduler import Scheduler
from pfd.schedulers.sge import SGE
from pfd.schedulers.slurm import Slurm

SCHEDULERS: dict[str, Scheduler] = {each.name: each for each in (Slurm(), PBS(), Torque(), LSF(), SGE())}
ASK_SECONDS = 5.0
"""The same job is asked for no more often than this."""
COMMAND_SECONDS = 60.0
"""Longest time that a scheduler's command may take."""
_asked: dict[str, tuple[float, Literal["alive", "gone", "unknown"]]] = {}


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
    at, state = _asked.get(job, (0.0, "unknown"))
    if state == "gone" or (time.monotonic() - at < ASK_SECONDS and at):
        return state
    name, _, job_id = job.partition(":")
    scheduler = SCHEDULERS.get(name)
    jobs = scheduler.jobs(shell_here, [job_id]) if scheduler is not None else None
    state = "unknown" if jobs is None else "alive" if any(each.state != "ended" for each in jobs) else "gone"
    _asked[job] = (time.monotonic(), state)
    return state
