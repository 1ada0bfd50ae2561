"""Steps of selection: choose what to label, and sample a test set."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from pfd.frames import read_frames, with_origin, without_labels, write_frames
from pfd.frames.frame import STATE_KEYS
from pfd.tasks.context import TaskContext

if TYPE_CHECKING:
    from ase import Atoms

    from pfd.select.settings import SelectSettings

T = TypeVar("T")


def committee(task: TaskContext) -> None:
    """Inputs frames, and model0 ... of one family.

    Output: deviation.extxyz, the frames with the committee's mean forces as labels and each atom's deviation (eV/Å).
    """
    import numpy as np

    from pfd.frames import Labels, labels_of, with_labels
    from pfd.models.device import device_for
    from pfd.models.family import read_model
    from pfd.models.training import make_family, predict_frames
    from pfd.select.committee import force_deviations

    frames = read_frames(task.input("frames"))
    models = task.inputs("model")
    device = device_for(make_family(read_model(models[0]).card.family), task.device)
    forces = []
    for number, model in enumerate(models, 1):
        forces.append([labels_of(frame).forces for frame in predict_frames(model, frames, device=device)])
        task.progress(number / len(models), f"predicted by {number} of {len(models)} models")
    judged = []
    for frame, *each in zip(frames, *forces, strict=True):
        stacked = np.array(each)
        judged.append(with_labels(frame, Labels(forces=stacked.mean(axis=0))))
        judged[-1].new_array(DEVIATION, force_deviations(stacked))
    write_frames(task.out("deviation.extxyz"), judged)


DEVIATION = "force_deviation"
"""Array of a frame: deviation of the committee's forces on each atom, eV/Å."""


def calibrate_committee(task: TaskContext) -> None:
    """Inputs labelled, and deviation0 ... (of ``committee``). Output: calibration.json, what they say of each other.

    Frames are known by their id; scale and correlation are null where too few of the labelled ones were judged.
    """
    import numpy as np

    from pfd.errors import DataError
    from pfd.frames import labels_of
    from pfd.select.committee import calibrate

    judged = {frame.info["id"]: frame for path in task.inputs("deviation") for frame in read_frames(path)}
    pairs = [(judged[f.info["id"]], f) for f in read_frames(task.input("labelled")) if f.info["id"] in judged]
    deviations = [mean.arrays[DEVIATION] for mean, _ in pairs]
    errors = [
        np.linalg.norm(np.asarray(labels_of(mean).forces) - np.asarray(labels_of(label).forces), axis=1)
        for mean, label in pairs
    ]
    try:
        found = calibrate(deviations, errors)
        scale, correlation = found.scale, found.correlation
    except DataError:
        scale, correlation = None, None
    task.write("calibration.json", {"frames": len(pairs), "scale": scale, "correlation": correlation})


def select(task: TaskContext) -> None:
    """Parameters settings, limit, seed, struck (ids, if there are any).

    Inputs trajectory0..., reference0..., deviation0... (if a committee was asked).

    Outputs: selected.extxyz, frames, selection.json.
    """
    from pfd.select.conditions import select_by_condition
    from pfd.select.coverage import coverage_of
    from pfd.select.settings import SelectSettings

    settings = SelectSettings.model_validate(task.parameters["settings"])
    struck = set(task.parameters.get("struck", ()))
    candidates = [frame for path in task.inputs("trajectory") for frame in read_frames(path)]
    candidates = [frame for frame in candidates if frame.info.get("id") not in struck]
    reference = [frame for path in task.inputs("reference") for frame in read_frames(path)]
    limit = min(settings.max_frames, task.parameters["limit"])
    settings = settings.model_copy(update={"max_frames": max(1, limit)})
    disputed, refused, insane = _disputed(task, candidates, settings)
    chosen = select_by_condition(disputed, reference, settings, task.seed, task.progress)
    indices = chosen.indices[: max(0, limit)]
    picked = [disputed[index] for index in indices]
    write_chosen(task, picked)
    described = settings.method != "random"  # which is there for pools that nothing else can be done with
    task.write(
        "selection.json",
        {
            "selected": len(indices),
            "gains": list(chosen.gains[: len(indices)]),
            "candidates": len(candidates),
            "passed": chosen.passed,
            "coverage": coverage_of(candidates, reference, picked, settings) if described else None,
            "insane": chosen.insane + insane,
            "refused": dict(sorted((Counter(chosen.rejected) + Counter(refused)).items())),
        },
    )


def _disputed(
    task: TaskContext, candidates: list[Atoms], settings: SelectSettings
) -> tuple[list[Atoms], dict[str, int], int]:
    """The candidates that a committee disagrees on, or has not seen; reasons of the others, and how many are insane."""
    import numpy as np

    from pfd.select.committee import more_disputed_half, sort_by_trust

    if settings.committee is None or not task.inputs("deviation"):
        return candidates, {}, 0
    largest = {
        frame.info["id"]: float(frame.arrays[DEVIATION].max())
        for path in task.inputs("deviation")
        for frame in read_frames(path)
    }
    seen = [frame for frame in candidates if frame.info["id"] in largest]
    deviation = np.array([largest[frame.info["id"]] for frame in seen])
    if not deviation.any():  # members that are copies of each other know nothing
        return candidates, {}, 0
    levels = settings.committee.trust_eV_per_A
    trust = more_disputed_half(deviation) if levels is None else sort_by_trust(deviation, *levels)
    unseen = [frame for frame in candidates if frame.info["id"] not in largest]
    refused = {"the committee agrees": len(trust.accurate), "the committee is lost": len(trust.failed)}
    refused = {reason: count for reason, count in refused.items() if count}
    return [*(seen[index] for index in trust.candidate), *unseen], refused, len(trust.failed)


def strike(task: TaskContext) -> None:
    """Parameter struck (ids); inputs selected and selection (of ``select`` or ``sample``): the same without them.

    Outputs as in ``select``; selection.json tells too how many were struck out.
    """
    frames = read_frames(task.input("selected"))
    kept = [index for index, frame in enumerate(frames) if frame.info["id"] not in set(task.parameters["struck"])]
    write_chosen(task, [frames[index] for index in kept])
    selection = json.loads(task.input("selection").read_text(encoding="utf-8"))
    gains = selection.get("gains", [])
    selection |= {"gains": [gains[index] for index in kept if index < len(gains)]} if "gains" in selection else {}
    task.write("selection.json", selection | {"selected": len(kept), "struck": len(frames) - len(kept)})


def sample(task: TaskContext) -> None:
    """Parameters per_trajectory (a number each), gate, limit (if there is one), inputs trajectory0...

    Outputs as in ``select``. Frames are taken evenly from the end of each trajectory backwards, among those that pass
    the sanity gate, from each of its groups in turn (a pool may have several), and besides all that were kept as the
    onset of a failure; a limit is shared out in turn.
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
        kinds: dict[str, list[Atoms]] = defaultdict(list)
        for frame in good:
            kinds[str(frame.info.get("group", ""))].append(frame)
        each = -(-count // len(kinds)) if kinds else 0
        taken.append(share_out([_evenly(own, each) for own in kinds.values()], count) + onset)
    chosen = share_out(taken, task.parameters.get("limit"))
    write_chosen(task, chosen)
    task.write(
        "selection.json",
        {"selected": len(chosen), "candidates": candidates, "insane": insane, "refused": dict(sorted(refused.items()))},
    )


def _evenly(frames: Sequence[Atoms], count: int) -> list[Atoms]:
    """So many of the frames, evenly from their end backwards, in their order."""
    stride = max(1, len(frames) // count)
    return list(frames[::-1][::stride][:count][::-1])


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
