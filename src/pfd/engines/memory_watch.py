"""How much memory a group of processes holds, and when that is more than its task asked for."""

from __future__ import annotations

import psutil

from pfd.tasks.folder import Resources

MEMORY_MARGIN = 1.5
"""A task is ended above this multiple of its ``memory_GB``: less would end runs for a guess that was a little low, and
an allocator that keeps what it once had."""
_NAMED = {step: step for step in ("explore", "label", "train", "predict", "select")} | {"property": "predict"}
"""Step -> its section in ``resources``."""


def group_memory_GB(leader: int) -> float:
    """Memory of a process and all that it started, GB (resident; pages that several share count once)."""
    return sum(_bytes(process, shared_once=True) for process in _family(leader)) / 1e9


def memory_problem(leader: int, resources: Resources, step: str) -> str | None:
    """Why a task must be ended, or None if it keeps to what it asked for (times ``MEMORY_MARGIN``).

    Resident memory is looked at, not address space: torch maps far more than it uses.
    """
    limit = MEMORY_MARGIN * resources.memory_GB
    quick = sum(_bytes(process, shared_once=False) for process in _family(leader)) / 1e9
    if quick <= limit or (used := group_memory_GB(leader)) <= limit:  # the quick sum is an upper bound
        return None
    raised = f"raise resources.{_NAMED[step]}.memory_GB" if step in _NAMED else "give it fewer frames or atoms"
    return f"out of memory: used {used:.1f} of {resources.memory_GB:g} GB (ended above {limit:.1f}); {raised}"


def _family(leader: int) -> list[psutil.Process]:
    try:
        first = psutil.Process(leader)
        return [first, *first.children(recursive=True)]
    except psutil.Error:  # it has just ended
        return []


def _bytes(process: psutil.Process, *, shared_once: bool) -> int:
    try:
        memory = process.memory_full_info() if shared_once else process.memory_info()
    except psutil.Error:
        return 0
    return int(getattr(memory, "pss", memory.rss))
