"""Which GPUs this machine lets a process use, and by what names they are handed on."""

from __future__ import annotations

import os
import re
import subprocess

VISIBLE = "CUDA_VISIBLE_DEVICES"
"""The environment variable that says which GPUs a process may see; an empty one hides all."""
LIST_SECONDS = 20.0
"""Longest time that ``nvidia-smi -L`` may take: a driver that hangs is as good as no GPU."""


def visible_gpus() -> tuple[str, ...]:
    """Names of the GPUs that this process may use, as CUDA_VISIBLE_DEVICES takes them.

    Those that CUDA_VISIBLE_DEVICES names, if it is set; else all that ``nvidia-smi -L`` lists, by their UUIDs (CUDA and
    nvidia-smi need not count in the same order), and none where there is no such program.
    """
    told = os.environ.get(VISIBLE)
    if told is not None:
        names = [name.strip() for name in told.split(",")]
        end = next((place for place, name in enumerate(names) if name in {"", "-1"}), len(names))
        return tuple(names[:end])  # CUDA, too, stops at the first that names none
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=LIST_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return _listed(listed.stdout) if listed.returncode == 0 else ()


def _listed(text: str) -> tuple[str, ...]:
    """UUIDs of ``nvidia-smi -L``; of a GPU that is cut into instances, theirs (CUDA does not see the whole one)."""
    found: list[str] = []
    for name in re.findall(r"UUID: ((?:GPU|MIG)-[\w/.-]+)\)", text):
        if name.startswith("MIG-") and found and found[-1].startswith("GPU-"):
            found.pop()
        found.append(name)
    return tuple(found)
