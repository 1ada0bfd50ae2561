"""Steps of selection: choose what to label, and sample a test set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pfd.frames import read_frames, with_origin, without_labels, write_frames
from pfd.frames.frame import STATE_KEYS
from pfd.tasks.context import TaskContext

if TYPE_CHECKING:
    from ase import Atoms


def select(task: TaskContext) -> None:
    """Parameters settings, limit, seed; inputs trajectory0..., reference0....

    Outputs: selected.extxyz, frames, selection.json.
    """
    from pfd.select.choose import select_frames
    from pfd.select.settings import SelectSettings

    settings = SelectSettings.model_validate(task.parameters["settings"])
    candidates = [frame for path in task.inputs("trajectory") for frame in read_frames(path)]
    reference = [frame for path in task.inputs("reference") for frame in read_frames(path)]
    limit = min(settings.max_frames, task.parameters["limit"])
    settings = settings.model_copy(update={"max_frames": max(1, limit)})
    chosen = select_frames(candidates, reference, settings, task.seed, task.progress)
    indices = chosen.indices[: max(0, limit)]
    write_chosen(task, [candidates[index] for index in indices])
    task.write(
        "selection.json",
        {
            "selected": len(indices),
            "gains": [gain for gain in chosen.gains[: len(indices)] if gain is not None],
            "candidates": chosen.candidates,
            "passed": chosen.passed,
            "refused": dict(chosen.rejected),
        },
    )


def sample(task: TaskContext) -> None:
    """Parameters per_trajectory, inputs trajectory0... Outputs as in ``select``.

    Frames are taken evenly from the end of each trajectory backwards, among those that pass the sanity gate.
    """
    from pfd.select.gate import pass_gate
    from pfd.select.settings import GateSettings

    count = task.parameters["per_trajectory"]
    taken: list[Atoms] = []
    refused = 0
    for path in task.inputs("trajectory"):
        frames = read_frames(path)
        gate = pass_gate(frames, [], GateSettings())
        good = [frames[index] for index in gate.indices]
        refused += len(frames) - len(good)
        stride = max(1, len(good) // count) if good else 1
        taken += good[::-1][::stride][:count][::-1]
    write_chosen(task, taken)
    task.write("selection.json", {"selected": len(taken), "refused": refused})


def write_chosen(task: TaskContext, frames: list[Atoms]) -> None:
    """Write the chosen frames together, and each alone as what its label depends on: geometry and electronic state."""
    chosen = [with_origin(without_labels(frame)) for frame in frames]
    unique = {frame.info["id"]: frame for frame in chosen}
    write_frames(task.out("selected.extxyz"), list(unique.values()))
    folder = task.out("frames")
    folder.mkdir()
    for name, frame in unique.items():
        bare = frame.copy()
        bare.info = {key: frame.info[key] for key in (*STATE_KEYS, "id") if key in frame.info}
        write_frames(folder / f"{name}.extxyz", [bare])
