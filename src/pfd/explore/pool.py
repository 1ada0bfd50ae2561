"""Candidates from a file: the frames of an existing data set, with the labels that they carry."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pfd.errors import DataError
from pfd.explore.settings import PoolSettings
from pfd.explore.trajectory import Trajectory
from pfd.frames import read_frames
from pfd.frames.outside import guess_format, read_labelled


def read_pool(path: Path, settings: PoolSettings) -> Trajectory:
    """The candidates of a pool, in the order of the file, as a trajectory that finished without a step.

    Labels stay on the frames for the labeler that uses them; a pool without any is fine. A frame without an origin
    gets the file's name as its trajectory and its place in the file as its step, so that neighbours in the file are not
    split between training and test sets.

    Args:
        path: the file.
        settings: format, keys of the labels and size of the pool.

    Raises:
        DataError: if the file is missing, empty, not readable, or lacks a key that ``labels`` names.
        SettingError, MissingError: if the format is none, or needs a package that is not installed.
    """
    if (settings.format or _guess(path)) == "extxyz":
        frames = read_frames(path, {str(name): key for name, key in settings.labels.items()})
    else:
        frames = read_labelled(path, settings.format, {str(name): key for name, key in settings.labels.items()})
    if not frames:
        raise DataError("the pool holds no frame", where=str(path), hint="check the file, or leave it out")
    for index, frame in enumerate(frames):
        if not frame.info.get("trajectory") and not frame.info.get("parent"):
            frame.info.update(trajectory=settings.file.stem, step=index)
    if settings.max_frames is not None and settings.max_frames < len(frames):
        chosen = np.linspace(0, len(frames) - 1, settings.max_frames).round().astype(int)
        frames = [frames[index] for index in chosen]
    return Trajectory(tuple(frames), finished=True, stop_reason=None, steps_done=0, mean_temperature_K=0.0)


def _guess(path: Path) -> str:
    if not path.exists():
        raise DataError("no such file or folder", where=str(path), hint="check the path")
    return guess_format(path)
