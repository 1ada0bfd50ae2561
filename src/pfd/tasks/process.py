"""Who is running: a process named so that it cannot be mistaken for another one, also after a reboot."""

from __future__ import annotations

import os
import socket
from functools import cache
from pathlib import Path

from pfd.settings import Settings

WORKER_VARIABLE = "PFD_WORKER"
"""Environment variable by which an engine gives a name to a process that it starts."""

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

    def alive(self) -> bool:
        """True if that very process still runs on this host; processes of another host or boot count as gone."""
        if (self.host, self.boot_id) != (socket.gethostname(), boot_id()):
            return False
        return _state(self.pid) not in {"", "Z", "X"} and _start_ticks(self.pid) == self.start_ticks


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
