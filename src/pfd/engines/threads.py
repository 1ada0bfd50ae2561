"""How many threads a task's process starts, whatever library starts them, and how they wait for one another."""

from __future__ import annotations

import os

VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
WAITING = {"GOMP_SPINCOUNT": "3000"}
"""How long a thread of GNU's OpenMP, which torch runs on, asks again and again before it sleeps. Its own 300,000 hold
the cores of whatever else runs: beside two busy processes on two cores, 25 training steps of SevenNet-0 on 64 atoms
were not done after 200 s, where 40 take 34 s with 3,000 and 29 s on one thread (docs/fine-tuning.md). On idle cores
3,000 cost 7 to 9 %, and 300 a third and more. Source: libgomp's manual, GOMP_SPINCOUNT."""


def thread_counts(cores: int) -> dict[str, str]:
    """Environment variables that give a process one thread for each of its cores."""
    return dict.fromkeys(VARIABLES, str(cores))


def thread_variables(cores: int) -> dict[str, str]:
    """The same, and how threads wait on a machine that others may use, unless a user has set that."""
    return thread_counts(cores) | ({} if {"OMP_WAIT_POLICY", *WAITING} & os.environ.keys() else WAITING)
