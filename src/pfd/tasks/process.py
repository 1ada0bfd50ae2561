"""Who is running: a process named so that it cannot be mistaken for another one, also after a reboot."""

from __future__ import annotations

import os
import socket
from functools import cache
from pathlib import Path
from typing import Literal

from pfd.schedulers.known import job_here, job_state
from pfd.settings import Settings

WORKER_VARIABLE = "PFD_WORKER"
"""Environment variable by which an engine gives a name to a process that it starts."""
STOP_VARIABLE = "PFD_STOP"
"""Environment variable that names a file: once it is there, no further task is begun."""

GPUS_VARIABLE = "PFD_GPUS"
"""Environment variable by which an engine tells a process which GPUs it has for itself, with commas between."""


class ProcessName(Settings):
    """One process on one boot of one host; process ids alone are reused."""

    host: str
    boot_id: str
    pid: int
    start_ticks: int
    """When the process started, in clock ticks since boot (0 where the system does not tell)."""
    worker: str = ""
    """What the engine that started it calls it."""
    gpus: str = ""
    """The GPUs that this engine gave to it alone; a driver that comes later leaves them to it."""
    job: str = ""
    """The scheduler's job that it runs in, such as ``slurm:123``; empty outside of any."""

    @property
    def here(self) -> bool:
        """Whether it is, or was, a process of this host: then it can be looked at."""
        return self.host == socket.gethostname()

    def alive(self) -> bool:
        """False only if that very process is known to have ended."""
        return self.state() != "gone"

    def state(self) -> Literal["alive", "gone", "unknown"]:
        """What is known of it here.

        On this host the process table tells; of another host, only the scheduler can tell, if the process runs in a job
        of it. ``unknown`` is what neither sees, such as a process on another login node.
        """
        if self.host == socket.gethostname():
            if self.boot_id != boot_id() or _state(self.pid) in {"", "Z", "X"}:
                return "gone"
            return "alive" if _start_ticks(self.pid) == self.start_ticks else "gone"
        return job_state(self.job) if self.job and self.job != job_here() else "unknown"


class Claim(ProcessName):
    """The content of ``claim.json``: who makes an attempt, and since when."""

    monotonic_s: float | None = None
    """When it began, s, by the kernel's clock that never jumps and stands still while the machine sleeps; it counts
    since boot, and so means something on that boot alone."""

    def process(self) -> ProcessName:
        """Who makes it: the same for all tasks of one process."""
        return ProcessName.model_validate(self.model_dump(exclude={"monotonic_s"}))


def this_process() -> ProcessName:
    """The name of the process that calls."""
    pid = os.getpid()
    return ProcessName(
        host=socket.gethostname(),
        boot_id=boot_id(),
        pid=pid,
        start_ticks=_start_ticks(pid),
        worker=os.environ.get(WORKER_VARIABLE, ""),
        gpus=os.environ.get(GPUS_VARIABLE, ""),
        job=job_here(),
    )


@cache
def boot_id() -> str:
    """The kernel's identifier of this boot ('' where there is none)."""
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text(encoding="ascii").strip() if path.is_file() else ""


def seconds_since_start() -> float:
    """Seconds since this process was started, interpreter start included."""
    uptime = float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])
    return max(0.0, uptime - _start_ticks(os.getpid()) / os.sysconf("SC_CLK_TCK"))


def _stat_fields(pid: int) -> list[str]:
    """Fields of /proc/PID/stat after the program's name (which may hold spaces): state first."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _state(pid: int) -> str:
    fields = _stat_fields(pid)
    return fields[0] if fields else ""


def _start_ticks(pid: int) -> int:
    fields = _stat_fields(pid)
    return int(fields[19]) if fields else 0
