"""How a job ended, and what that means for the task that it was at."""

from __future__ import annotations

from dataclasses import dataclass

from pfd.schedulers.scheduler import End

_WORDS: tuple[tuple[str, End], ...] = (
    ("DUE TO TIME LIMIT", "time"),
    ("TERM_RUNLIMIT", "time"),
    ("walltime", "time"),
    ("oom-kill", "memory"),
    ("oom_kill", "memory"),
    ("TERM_MEMLIMIT", "memory"),
    ("DUE TO NODE FAILURE", "node"),
    ("DUE TO PREEMPTION", "preempted"),
)
"""What schedulers write into a job's output; looked at where the queue no longer knows the job."""
_REASONS: dict[End, tuple[str, bool]] = {
    "time": ("out of time: the job reached its wall time", True),
    "memory": ("out of memory: the scheduler ended the job for it", True),
    "node": ("the node was lost", False),
    "cancelled": ("its job was cancelled", False),
    "preempted": ("its job was preempted", False),
}


@dataclass(frozen=True)
class Ending:
    """How a job ended.

    Attributes:
        reason: in words.
        counted: whether the task that was running used up an attempt by it.
        outside: whether the job could do nothing about it.
        by_time: whether its wall time was over.
    """

    reason: str
    counted: bool
    outside: bool = False
    by_time: bool = False


def ending_of(code: int | None, end: End, output: str, elapsed_s: float, walltime_s: float | None) -> Ending:
    """Make out how a job ended.

    Args:
        code: exit code of its tasks' process, if it lived to tell.
        end: what the scheduler said.
        output: the end of what the scheduler wrote for the job.
        elapsed_s: since the job began.
        walltime_s: what it had asked for.
    """
    if not end and (code is None or code > 128):
        end = next((meaning for word, meaning in _WORDS if word in output), "")
        if not end and walltime_s is not None and elapsed_s >= walltime_s:
            end = "time"
    if end and (code is None or code > 128):
        reason, counted = _REASONS[end]
        return Ending(reason, counted, outside=end in {"node", "preempted"}, by_time=end == "time")
    if code is None:
        return Ending("its job is gone from the queue", counted=False)
    if code > 128:
        return Ending(f"killed by signal {code - 128}", counted=True)
    return Ending(f"process ended with code {code}", counted=True)
