"""Steps that bring in what the user has: structures to start from, labelled sets."""

from __future__ import annotations

from pathlib import Path

from pfd.frames import require_level, write_frames
from pfd.tasks.context import TaskContext


def structures(task: TaskContext) -> None:
    """Parameters structures (one settings object per input file0, file1, ...), seed. Output: frames.extxyz.

    Further inputs: substrate0 ... of those entries that build an interface.
    """
    from pfd.frames.structures import StructureSettings, build_structures

    paths = task.inputs("file")
    settings = []
    for index, (entry, path) in enumerate(zip(task.parameters["structures"], paths, strict=True)):
        if entry["interface"] is not None:
            entry["interface"]["file"] = str(task.input(f"substrate{index}"))
        settings.append(StructureSettings.model_validate(entry | {"file": str(path)}))
    write_frames(task.out("frames.extxyz"), build_structures(settings, Path(), task.seed))


def crystals(task: TaskContext) -> None:
    """Parameter elements: symbols. Output: frames.extxyz, small crystals of each."""
    from pfd.frames.elemental import elemental_crystals

    write_frames(task.out("frames.extxyz"), elemental_crystals(task.parameters["elements"]))


def data(task: TaskContext) -> None:
    """Parameters format, labels (key names), level_of_theory (null: whatever the frames say); input file.

    Outputs: frames.extxyz, counts.json (frames, and how many carry energy, forces and stress; left_out: reasons).
    """
    from pfd.frames.outside import read_outside

    found = read_outside(task.input("file"), task.parameters["format"], task.parameters["labels"])
    level = task.parameters["level_of_theory"]
    if level is not None:
        require_level(found.frames, level, where=task.parameters["name"])
    for index, frame in enumerate(found.frames):
        if level is not None:
            frame.info["level_of_theory"] = level
        frame.info.setdefault("trajectory", f"{task.parameters['name']}-{index // 10}")
    write_frames(task.out("frames.extxyz"), found.frames)
    task.write("counts.json", {**found.counts, "left_out": list(found.left_out)})


def frames(task: TaskContext) -> None:
    """Parameter format (null: told by the name); input file, with frames that are to be labelled.

    Outputs as in ``select``, each frame once; selection.json: how many there were, and the reasons for those left out.
    """
    from pfd.frames.outside import read_outside
    from pfd.tasks.steps.selecting import write_chosen

    found = read_outside(task.input("file"), task.parameters["format"], needs_labels=False)
    write_chosen(task, found.frames)
    task.write("selection.json", {"candidates": len(found.frames), "left_out": list(found.left_out)})
