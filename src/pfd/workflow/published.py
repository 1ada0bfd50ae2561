"""What a run publishes: data and models of its loops, where a user looks for them."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path

PUBLISHED = (
    *(f"data/{loop}-{part}.extxyz" for loop in ("finetune", "distill") for part in ("train", "valid", "test")),
    "data/distill-labels.extxyz",
    *(f"models/{name}" for name in ("pretrained", "finetuned", "student")),
)
"""All that a run may publish, relative to its folder; other files in ``data`` and ``models`` are the user's."""


def publish(source: Path, target: Path) -> None:
    """Put a copy in place of what is there, never half of it.

    A folder cannot be replaced at one blow: the old one is set aside, so that a kill leaves one of them whole.
    """
    target.parent.mkdir(exist_ok=True)
    new, old = _beside(target)
    _remove(new)
    if source.is_dir():
        shutil.copytree(source, new)
        _remove(old)
        if target.exists():
            target.rename(old)
    else:
        shutil.copyfile(source, new)
    new.replace(target)
    _remove(old)


def withdraw(run: Path, kept: Collection[str]) -> None:
    """Take away what was published and is not kept, and what a killed driver left half done.

    Args:
        run: the run folder.
        kept: some of ``PUBLISHED``.
    """
    for place in PUBLISHED:
        for path in _beside(run / place) + (() if place in kept else (run / place,)):
            _remove(path)


def take_published(there: Path, run: Path) -> None:
    """Have what another folder of the same run has published in the place of what this one has."""
    for place in PUBLISHED:
        if (there / place).exists():
            publish(there / place, run / place)
        elif (there / place).parent.is_dir():
            _remove(run / place)


def _beside(target: Path) -> tuple[Path, Path]:
    """Where the new content is made, and where the old one is set aside."""
    return target.with_name(f".{target.name}.new"), target.with_name(f".{target.name}.old")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
