"""Candidates from a file: the frames of an existing data set, with the labels that they carry."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pfd.explore.settings import PoolSettings
from pfd.explore.trajectory import Trajectory
from pfd.frames.outside import OutsideSet, read_outside

if TYPE_CHECKING:
    from ase import Atoms


def read_pool(path: Path, settings: PoolSettings) -> Trajectory:
    """The candidates of a pool, in the order of the file, as a trajectory that finished without a step.

    Labels stay on the frames for the labeler that uses them; a pool without any is fine, in any format. A frame without
    an origin gets the file's name as its trajectory and its place in the file as its step, so that neighbours in the
    file are not split between training and test sets.

    Args:
        path: the file.
        settings: format, keys of the labels and size of the pool.

    Raises:
        DataError: if the file is missing, empty, not readable, or lacks a key that ``labels`` names.
        SettingError, MissingError: if the format is none, or needs a package that is not installed.
    """
    return pool_of(read_pool_file(path, settings).frames, settings)


def read_pool_file(path: Path, settings: PoolSettings) -> OutsideSet:
    """All that the pool's file holds, with the frames that may not be used and why.

    Raises:
        DataError, SettingError, MissingError: as ``read_pool``.
    """
    keys = {str(name): key for name, key in settings.labels.items()}
    return read_outside(path, settings.format, keys, needs_labels=False)


def pool_of(frames: list[Atoms], settings: PoolSettings) -> Trajectory:
    """The frames of a file as the pool that the settings ask for."""
    for index, frame in enumerate(frames):
        if not frame.info.get("trajectory") and not frame.info.get("parent"):
            frame.info.update(trajectory=settings.file.stem, step=index)
    if settings.max_frames is not None and settings.max_frames < len(frames):
        chosen = np.linspace(0, len(frames) - 1, settings.max_frames).round().astype(int)
        frames = [frames[index] for index in chosen]
    return Trajectory(tuple(frames), finished=True, stop_reason=None, steps_done=0, mean_temperature_K=None)
