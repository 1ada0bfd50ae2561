"""Steps that bring in what the user has: structures to start from, labelled sets."""

from __future__ import annotations

from pathlib import Path

from pfd.frames import write_frames
from pfd.tasks.context import TaskContext


def structures(task: TaskContext) -> None:
    """Parameters structures (one settings object per input file0, file1, ...), seed. Output: frames.extxyz."""
    from pfd.frames.structures import StructureSettings, build_structures

    paths = task.inputs("file")
    settings = [
        StructureSettings.model_validate(entry | {"file": str(path)})
        for entry, path in zip(task.parameters["structures"], paths, strict=True)
    ]
    write_frames(task.out("frames.extxyz"), build_structures(settings, Path(), task.seed))


def data(task: TaskContext) -> None:
    """Parameters format, labels (key names), level_of_theory; input file. Output: frames.extxyz."""
    from pfd.frames.outside import read_labelled

    frames = read_labelled(task.input("file"), task.parameters["format"], task.parameters["labels"])
    level = task.parameters["level_of_theory"]
    for index, frame in enumerate(frames):
        frame.info["level_of_theory"] = level
        frame.info.setdefault("trajectory", f"{task.parameters['name']}-{index // 10}")
    write_frames(task.out("frames.extxyz"), frames)
