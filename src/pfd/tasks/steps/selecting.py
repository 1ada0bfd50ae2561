"""Steps of selection: choose what to label, and sample a test set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from pfd.frames import read_frames, with_origin, without_labels, write_frames
from pfd.frames.frame import STATE_KEYS
from pfd.tasks.context import TaskContext

if TYPE_CHECKING:
    from ase import Atoms

T = TypeVar("T")


def select(task: TaskContext) -> None:
    """Parameters settings, limit, seed; inputs trajectory0..., reference0....

    Outputs: selected.extxyz, frames, selection.json.
    """
    from pfd.select.conditions import select_by_condition
    from pfd.select.settings import SelectSettings

    settings = SelectSettings.model_validate(task.parameters["settings"])
    candidates = [frame for path in task.inputs("trajectory") for frame in read_frames(path)]
    reference = [frame for path in task.inputs("reference") for frame in read_frames(path)]
    limit = min(settings.max_frames, task.parameters["limit"])
    settings = settings.model_copy(update={"max_frames": max(1, limit)})
    chosen = select_by_condition(candidates, reference, settings, task.seed, task.progress)
    indices = chosen.indices[: max(0, limit)]
    write_chosen(task, [candidates[index] for index in indices])
    task.write(
        "selection.json",
        {
            "selected": len(indices),
            "gains": list(chosen.gains[: len(indices)]),
            "candidates": chosen.candidates,
            "passed": chosen.passed,
            "insane": chosen.insane,
            "refused": dict(chosen.rejected),
        },
    )


def sample(task: TaskContext) -> None:
    """Parameters per_trajectory (a number each), gate, limit (if there is one), inputs trajectory0...

    Outputs as in ``select``. Frames are taken evenly from the end of each trajectory backwards, among those that pass
    the sanity gate, and besides all that were kept as the onset of a failure; a limit is shared out in turn.
    """
    from pfd.explore.trajectory import ONSET_KEY
    from pfd.select.gate import pass_gate
    from pfd.select.settings import GateSettings

    settings = GateSettings.model_validate(task.parameters["gate"])
    taken: list[list[Atoms]] = []
    refused: Counter[str] = Counter()
    insane = candidates = 0
    for path, count in zip(task.inputs("trajectory"), task.parameters["per_trajectory"], strict=True):
        frames = read_frames(path)
        gate = pass_gate(frames, [], settings)
        good = [frames[index] for index in gate.indices if not frames[index].info.get(ONSET_KEY)]
        onset = [frames[index] for index in gate.indices if frames[index].info.get(ONSET_KEY)]
        candidates += len(frames)
        insane += gate.insane
        refused.update(gate.rejected)
        stride = max(1, len(good) // count) if good else 1
        taken.append(good[::-1][::stride][:count][::-1] + onset)
    chosen = share_out(taken, task.parameters.get("limit"))
    write_chosen(task, chosen)
    task.write(
        "selection.json",
        {"selected": len(chosen), "candidates": candidates, "insane": insane, "refused": dict(sorted(refused.items()))},
    )


def share_out(groups: Sequence[Sequence[T]], limit: int | None) -> list[T]:
    """At most ``limit`` members of the groups (None: all), one of each in turn, in the order of the groups.

    >>> share_out(["abc", "d", "ef"], 4)
    ['a', 'b', 'd', 'e']
    """
    turns = sorted((place, number) for number, group in enumerate(groups) for place in range(len(group)))
    kept = sorted((number, place) for place, number in turns[:limit])
    return [groups[number][place] for number, place in kept]


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
