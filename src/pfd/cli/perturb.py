"""``pfd perturb``: strained and displaced copies of structures, written beside where one stands."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from rich.console import Console

from pfd.digests import derive_seed
from pfd.errors import SettingError
from pfd.frames import write_frames
from pfd.frames.perturb import Style, perturb
from pfd.frames.structures import read_starting


def perturb_files(
    files: list[Path],
    count: int,
    strain: float,
    displacement_A: float,
    style: str,
    fraction: float,
    repeat: tuple[int, int, int],
    seed: int,
) -> None:
    """Write ``pert_<stem>.extxyz`` for each file into the working folder.

    Raises:
        SettingError: if the style is unknown, or two files would be written to one name.
        DataError: if a file cannot be read.
    """
    if style not in get_args(Style):
        raise SettingError(f"unknown style {style!r}", where="--style", hint=f"one of {', '.join(get_args(Style))}")
    targets = [Path(f"pert_{file.stem}.extxyz") for file in files]
    if len(set(targets)) < len(targets):
        raise SettingError("two files have the same stem", where="FILES", hint="perturb them one at a time")
    for file, target in zip(files, targets, strict=True):
        frames = [
            copy
            for index, frame in enumerate(read_starting(file))
            for copy in perturb(
                frame,
                count=count,
                displacement_A=displacement_A,
                strain=strain,
                style=style,  # type: ignore[arg-type] # checked above
                fraction=fraction,
                supercell=repeat,
                seed=derive_seed(seed, file.name, index),
            )
        ]
        write_frames(target, frames)
        Console(highlight=False, soft_wrap=True).print(f"{target}: {len(frames)} frames of {len(frames[0])} atoms")
