"""Who is running: a process named so that it cannot be mistaken for another one, also after a reboot."""

from __future__ import annotations

import os
import socket
from functools import cache
from pathlib import Path

from pfd.settings import Settings

WORKER_VARIABLE = "PFD_WORKER"
"""Environment variable by which an engine gives a name to a process that it starts."""


class ProcessName(Settings):
    """One process on one boot of one host; process ids alone are reused."""

    host: str
    boot_id: str
    pid: int
    start_ticks: int
    """When the process started, in clock ticks since boot (0 where the system does not tell)."""
    worker: str = ""
    """What the engine that started it calls it."""

    @property
    def here(self) -> bool:
        """Whether it is, or was, a process of this host: then it can be looked at."""
        return self.host == socket.gethostname()

    def alive(self) -> bool:
        """True if that very process still runs on this host; processes of another host or boot count as gone."""
        if (self.host, self.boot_id) != (socket.gethostname(), boot_id()):
            return False
        return _state(self.pid) not in {"", "Z", "X"} and _start_ticks(self.pid) == self.start_ticks


def this_process() -> ProcessName:
    """The name of the process that calls."""
    pid = os.getpid()
    worker = os.environ.get(WORKER_VARIABLE, "")
    return ProcessName(
        host=socket.gethostname(), boot_id=boot_id(), pid=pid, start_ticks=_start_ticks(pid), worker=worker
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
