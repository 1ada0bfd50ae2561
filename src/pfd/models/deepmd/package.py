"""The package deepmd-kit in this process: its variables set, its PyTorch backend imported, what it prints kept away."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pfd.errors import MissingError
from pfd.lammps.silence import silent_libraries

PACKAGES = (
    "deepmd-kit[cpu,lmp]==3.2.0",
    "torch==2.13.0",
    "e3nn==0.6.0",
    "mpich==5.0.2",
)
"""What was found to work together on a CPU. ``cpu`` brings TensorFlow 2.21.0, which trains students and evaluates them
in LAMMPS, and ``lmp`` brings LAMMPS 2025.7.22.2.0."""


def set_variables(device: str = "cpu") -> None:
    """Set the environment variables that deepmd-kit and TensorFlow read when they are imported, where they are not set.

    Threads as many as ``OMP_NUM_THREADS`` says (a task's cores), else all cores of this process; no oneDNN kernels,
    whose sums differ from machine to machine; no chatter.

    Args:
        device: ``cpu`` keeps the package off a GPU.
    """
    threads = os.environ.get("OMP_NUM_THREADS", str(len(os.sched_getaffinity(0))))
    settings = {
        "OMP_NUM_THREADS": threads,
        "DP_INTRA_OP_PARALLELISM_THREADS": threads,
        "DP_INTER_OP_PARALLELISM_THREADS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_ENABLE_ONEDNN_OPTS": "0",
        "NUM_WORKERS": "0",
    }
    if device == "cpu":
        settings["DEVICE"] = "cpu"
    for name, value in settings.items():
        os.environ.setdefault(name, value)


def load_backend(device: str = "cpu") -> Any:
    """Import the package's PyTorch backend, once per process, and return the module that builds its models.

    Its compiled operators are made for one release of PyTorch; with another the import of the package stops at them.
    Then they are left out: the package has the same in Python for everything but compressed PyTorch models.

    Raises:
        MissingError: if the backend is in this process already, for another device.
    """
    set_variables(device)
    with _undisturbed(), silent_libraries():
        import deepmd.env
        import torch

        made_for = deepmd.env.GLOBAL_CONFIG.get("pt_version", "")
        place = deepmd.env.SHARED_LIB_DIR
        if made_for != torch.__version__.split("+")[0]:
            deepmd.env.SHARED_LIB_DIR = Path(os.devnull)  # no library of operators is found there
        try:
            import deepmd.pt
        finally:
            deepmd.env.SHARED_LIB_DIR = place
        import deepmd.pt.model.model
        from deepmd.pt.utils.env import DEVICE
    if DEVICE.type != device:
        raise MissingError(
            f"deepmd-kit computes on {DEVICE.type} in this process and cannot change to {device}",
            hint="predict in a process of its own",
        )
    return deepmd.pt.model.model


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Keep warnings of the package away, and the way in which this process starts others as it is."""
    method = multiprocessing.get_start_method(allow_none=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        multiprocessing.set_start_method(method, force=True)
