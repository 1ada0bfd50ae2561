"""Signals to processes and their groups; who has just ended, or is not ours, is passed over."""

from __future__ import annotations

import contextlib
import os
import signal

_GONE = (ProcessLookupError, PermissionError)


def signal_process(pid: int, number: signal.Signals) -> None:
    """Signal one process."""
    with contextlib.suppress(*_GONE):
        os.kill(pid, number)


def signal_led_group(leader: int, number: signal.Signals) -> None:
    """Signal the group of a process that we started as its leader, also after the leader itself has ended."""
    with contextlib.suppress(*_GONE):
        os.killpg(leader, number)


def signal_group_of(pid: int, number: signal.Signals) -> None:
    """Signal a process that we did not start and all of its group, which it need not lead; never our own group."""
    with contextlib.suppress(*_GONE):
        group = os.getpgid(pid)
        if group != os.getpgrp():
            os.killpg(group, number)
