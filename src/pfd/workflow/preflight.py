"""Before a campaign: are the labels converged with respect to cutoff and k-points, on one or two frames?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pfd.evaluate.preflight import SettingChange, limits_in_words, setting_change
from pfd.frames import labels_of, read_frames
from pfd.frames.labels import Labels
from pfd.label.engine_program import ProgramSettings
from pfd.label.labeler import LabelerSettings
from pfd.tasks.folder import Artifact, TaskFolder
from pfd.tasks.steps.labelling import read_record
from pfd.units import seconds
from pfd.wording import counted
from pfd.workflow.bindings import Binding
from pfd.workflow.budget import Budget
from pfd.workflow.ledger import PREFLIGHT_PLACE
from pfd.workflow.run_folder import RunFolder

COSTLIER = 4
"""A label with a finer setting may take this many times as long: 0.7 in the distance of k-points makes 2.9 times as
many of them."""
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
    place, paths = _frames(chosen)
    frames = [read_frames(path)[0] for path in paths]
    finer = binding.finer(frames)
    ledger = budget.ledger
    if not finer or not frames or ledger is None:
        return []
    specs = ledger.settle([binding.label(Artifact.of(path)) for path in paths], binding.aids())
    within = [spec.identity() for spec in budget.portion(specs)]
    kept = [number for number, spec in enumerate(specs) if spec.identity() in within]
    mine = run.perform({place: [specs[number] for number in kept]})[place] if kept else []
    changes = []
    for each in finer:
        names = (each.setting, each.now, each.finer)
        if not kept or not budget.affords(COSTLIER * len(kept)):
            changes.append(
                _uncompared(names, "finetune.label.max_core_hours or finetune.label.max_total does not pay for it")
            )
            continue
        if problem := next(filter(None, (binding.refuses(frames[number], each.settings) for number in kept)), ""):
            changes.append(_uncompared(names, problem))
            continue
        tried_on = counted(len(kept), "frame")
        limits = limits_in_words(binding.settings.converge)
        run.say("finetune/preflight", f"preflight: {each.setting} {each.finer} for {each.now} on {tried_on}; {limits}")
        patient = _patient(each.settings)
        theirs = [binding.label(Artifact.of(paths[number]), patient) for number in kept]
        tried = run.perform({PREFLIGHT_PLACE: theirs}, min_done=0.0)[PREFLIGHT_PLACE]
        budget.spend(tried)
        changes.append(_compared(names, mine, tried, binding))
    return changes


def _patient(settings: LabelerSettings) -> LabelerSettings:
    """The same settings with time for the longer run."""
    if not isinstance(settings, ProgramSettings):
        return settings
    return settings.model_copy(update={"wall_time": COSTLIER * seconds(settings.wall_time)})


def _uncompared(names: tuple[str, str, str], problem: str) -> SettingChange:
    return SettingChange(setting=names[0], now=names[1], finer=names[2], frames=0, problem=problem)


def _frames(chosen: Mapping[str, TaskFolder]) -> tuple[str, list[Path]]:
    """The smallest frame of each of the first compositions that are to be labelled, and the place of their labels.

    Of equally small ones it is the last: the first may be a crystal whose forces vanish.
    """
    for place, selection in chosen.items():
        smallest: dict[str, tuple[int, Path]] = {}
        for path in sorted((selection.path / "outputs" / "frames").iterdir()):
            frame = read_frames(path)[0]
            kind = frame.symbols.formula.reduce()[0].format("hill")
            if kind not in smallest or len(frame) <= smallest[kind][0]:
                smallest[kind] = (len(frame), path)
        if smallest:
            return place, [path for _, path in list(smallest.values())[:FRAMES]]
    return "", []


def _compared(
    names: tuple[str, str, str], mine: list[TaskFolder], theirs: list[TaskFolder], binding: Binding
) -> SettingChange:
    pairs = [(_label(one), _label(other)) for one, other in zip(mine, theirs, strict=True)]
    both = [(one, other) for one, other in pairs if isinstance(one, Labels) and isinstance(other, Labels)]
    if not both:
        return _uncompared(names, next(str(each) for pair in pairs for each in pair if not isinstance(each, Labels)))
    return setting_change(names, [one for one, _ in both], [other for _, other in both], binding.settings.converge)


def _label(folder: TaskFolder) -> Labels | str:
    """The label of a task, or why there is none."""
    if not folder.done():
        return "its task did not finish"
    path = folder.path / "outputs" / "label"
    frames = read_frames(path / "labelled.extxyz")
    return labels_of(frames[0]) if frames else read_record(path).reason.splitlines()[0]
