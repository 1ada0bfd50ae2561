"""Before a campaign: are the labels converged with respect to cutoff and k-points, on one or two frames?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pfd.evaluate.preflight import SettingChange, setting_change
from pfd.frames import labels_of, read_frames
from pfd.frames.labels import Labels
from pfd.tasks.folder import Artifact, TaskFolder
from pfd.tasks.steps.labelling import read_record
from pfd.workflow.bindings import Binding
from pfd.workflow.budget import Budget
from pfd.workflow.ledger import PREFLIGHT_PLACE
from pfd.workflow.run_folder import RunFolder

FRAMES = 2
"""Most frames that are looked at, each of another composition."""


def preflight(
    run: RunFolder, binding: Binding, budget: Budget, chosen: Mapping[str, TaskFolder]
) -> list[SettingChange]:
    """Label one frame, or two of different compositions, with each setting one step finer as well, and compare.

    Args:
        run: where tasks are performed.
        binding: who labels.
        budget: caps, and what was spent so far.
        chosen: place of the label tasks -> the task that chose the frames.

    Returns:
        One entry for each finer setting; none if the labeler has none, or nothing is left to spend.
    """
    place, frames = _frames(chosen)
    finer = binding.finer()
    ledger = budget.ledger
    if not finer or not frames or ledger is None:
        return []
    specs = ledger.settle([binding.label(frame) for frame in frames], binding.aids())
    if len(budget.portion(specs)) < len(specs):
        return []
    mine = run.perform({place: specs}, min_done=0.0)[place]
    others = [[binding.label(frame, each.settings) for frame in frames] for each in finer]
    everything = [spec for group in others for spec in group]
    tried = run.perform({PREFLIGHT_PLACE: everything}, min_done=0.0)[PREFLIGHT_PLACE]
    budget.spend(tried)
    changes = []
    for number, each in enumerate(finer):
        theirs = tried[number * len(frames) : (number + 1) * len(frames)]
        names = (each.setting, each.now, each.finer)
        changes.append(_compared(names, mine, theirs, binding))
    return changes


def _frames(chosen: Mapping[str, TaskFolder]) -> tuple[str, list[Artifact]]:
    """The smallest frame of each of the first compositions that are to be labelled, and the place of their labels."""
    for place, selection in chosen.items():
        smallest: dict[str, tuple[int, Path]] = {}
        for path in sorted((selection.path / "outputs" / "frames").iterdir()):
            frame = read_frames(path)[0]
            kind = frame.symbols.formula.reduce()[0].format("hill")
            if kind not in smallest or len(frame) < smallest[kind][0]:
                smallest[kind] = (len(frame), path)
        if smallest:
            return place, [Artifact.of(path) for _, path in list(smallest.values())[:FRAMES]]
    return "", []


def _compared(
    names: tuple[str, str, str], mine: list[TaskFolder], theirs: list[TaskFolder], binding: Binding
) -> SettingChange:
    pairs = [(_label(one), _label(other)) for one, other in zip(mine, theirs, strict=True)]
    both = [(one, other) for one, other in pairs if isinstance(one, Labels) and isinstance(other, Labels)]
    if not both:
        problem = next(str(each) for pair in pairs for each in pair if not isinstance(each, Labels))
        return SettingChange(setting=names[0], now=names[1], finer=names[2], frames=0, problem=problem)
    return setting_change(names, [one for one, _ in both], [other for _, other in both], binding.settings.converge)


def _label(folder: TaskFolder) -> Labels | str:
    """The label of a task, or why there is none."""
    if not folder.done():
        return "its task did not finish"
    path = folder.path / "outputs" / "label"
    frames = read_frames(path / "labelled.extxyz")
    return labels_of(frames[0]) if frames else read_record(path).reason.splitlines()[0]
