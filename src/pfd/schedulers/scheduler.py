"""A scheduler as commands and their answers; who runs the commands, here or by ssh, is another's matter."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

Shell = Callable[[str], tuple[int, str, str]]
"""Runs a command line; returns its exit code and what it wrote to standard output and error."""
End = Literal["", "time", "memory", "node", "cancelled", "preempted"]
"""Why a job ended, where the scheduler says so."""


@dataclass(frozen=True)
class QueuedJob:
    """One job as the scheduler sees it.

    Attributes:
        id: the scheduler's own name of it.
        name: the name that it was given.
        state: ``ended`` jobs may or may not be listed.
        end: why it ended.
    """

    id: str
    name: str
    state: Literal["waiting", "running", "ended"]
    end: End = ""


@dataclass(frozen=True)
class Partition:
    """A queue (partition); what is None is not known.

    Attributes:
        name: what ``queue`` names.
        cores: cores of its largest node.
        gpus: GPUs of its best node.
        walltime_s: longest wall time of a job, s; infinite where there is no limit.
    """

    name: str
    cores: int | None = None
    gpus: int | None = None
    walltime_s: float | None = None


@dataclass(frozen=True)
class JobShape:
    """What one job asks for.

    Attributes:
        name: of the job.
        cores: of each node.
        memory_MB: of each node.
        walltime_s: None for the queue's own limit.
    """

    name: str
    cores: int
    memory_MB: int
    walltime_s: float | None = None

    def clock(self) -> str:
        """The wall time as H:MM:SS."""
        whole = math.ceil(self.walltime_s or 0.0)
        return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"


class Scheduler(ABC):
    """What pfd asks of a scheduler.

    Attributes:
        name: in the input file.
        batch_type: dpdispatcher's name of it, which writes the head of its scripts.
        programs: commands that must be there.
        job_variable: environment variable that holds the job's id inside of a job.
        directive: what its lines in a script begin with.
        busy: words of a refused submission that may succeed later.
    """

    name: ClassVar[str]
    batch_type: ClassVar[str]
    programs: ClassVar[tuple[str, ...]]
    job_variable: ClassVar[str]
    directive: ClassVar[str]
    busy: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def submit_command(self, script: str) -> str:
        """The command that submits a script of the present folder."""

    @abstractmethod
    def submitted_id(self, output: str) -> str:
        """The job's id, from what the command above wrote.

        Raises:
            ValueError: if there is none in it.
        """

    @abstractmethod
    def jobs(self, shell: Shell, ids: Sequence[str] = ()) -> list[QueuedJob] | None:
        """Jobs that the scheduler knows: these, or all of this user.

        Returns:
            Those known; None if it did not answer.
        """

    @abstractmethod
    def cancel_command(self, ids: Sequence[str]) -> str:
        """The command that asks jobs to end."""

    @abstractmethod
    def lines(self, shape: JobShape) -> list[str]:
        """Lines of a script besides those that dpdispatcher writes: time, memory, where output goes, no requeuing.

        A job that the scheduler starts again by itself would carry the id of its first start: claims of that one would
        never be stale.
        """

    def partitions(self, shell: Shell) -> list[Partition] | None:
        """The queues; None if they cannot be told."""
        return None

    def with_memory(self, head: str, shape: JobShape) -> str:
        """The head of a script, with the memory where ``lines`` cannot say it."""
        return head

    def output_of(self, name: str, job_id: str) -> str:
        """The file that holds what the job's script and the scheduler itself wrote."""
        return f"{name}.out"

    def gpu_options(self, gpus: int) -> dict[str, object]:
        """Options of dpdispatcher for GPUs."""
        return {}


def clock_seconds(text: str) -> float | None:
    """Seconds of ``[days-]hours:minutes:seconds``; infinite for words such as ``infinite``, None for what is no time.

    >>> clock_seconds("1-02:00:00")
    93600.0
    """
    if text.lower() in {"infinite", "unlimited"}:
        return math.inf
    days, _, clock = text.rpartition("-")
    try:
        parts = [float(part) for part in clock.split(":")]
        whole = float(days or 0) * 86400.0
    except ValueError:
        return None
    if len(parts) > 3:
        return None
    return whole + sum(part * unit for part, unit in zip(reversed(parts), (1.0, 60.0, 3600.0), strict=False))
