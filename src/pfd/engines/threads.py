"""How many threads a task's process starts, whatever library starts them."""

from __future__ import annotations

VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


def thread_variables(cores: int) -> dict[str, str]:
    """Environment variables that give a process one thread for each of its cores."""
    return dict.fromkeys(VARIABLES, str(cores))
