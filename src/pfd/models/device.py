"""Which device a task's model runs on: what was asked for, what its family can, and what is there."""

from __future__ import annotations

from typing import Literal

from pfd.errors import MissingError
from pfd.models.family import Family

Device = Literal["auto", "cpu", "cuda"]
"""``auto`` is cuda if the family can use it and torch sees one, else cpu."""


def device_for(family: Family, asked: Device) -> str:
    """``cpu`` or ``cuda``; a family without GPU code runs on the CPU, and says so if cuda was asked for by name.

    Raises:
        MissingError: if cuda was asked for by name, the family could use it, and torch sees none.
    """
    if asked == "cpu":
        return "cpu"
    if "cuda" not in family.devices:
        if asked == "cuda":
            print(f"cuda was asked for, but the family {family.name!r} cannot use it: it runs on the CPU")
        return "cpu"
    if cuda_is_there():
        return "cuda"
    if asked == "cuda":
        raise MissingError(
            "cuda was asked for, and torch sees no such device",
            where=f"family {family.name!r}",
            hint="install a CUDA build of torch and its driver, or write device: auto",
        )
    return "cpu"


def cuda_is_there() -> bool:
    """Whether torch sees a CUDA device; false where torch is not installed."""
    try:
        import torch
    except ImportError:
        return False
    return bool(torch.cuda.is_available())
