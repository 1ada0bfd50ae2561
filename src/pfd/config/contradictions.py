"""Settings that contradict each other across sections: budgets too small to be judged, options without effect."""

from __future__ import annotations

from collections.abc import Iterator

from pfd.config.reading import ResolvedInput
from pfd.config.sections import LoopSettings
from pfd.errors import SettingError
from pfd.explore.plan import plan_trajectories
from pfd.explore.settings import PoolSettings

Condition = tuple[float | None, float | None]
"""Temperature (K) and pressure (GPa)."""


def check_budgets(resolved: ResolvedInput, structures: int) -> None:
    """Refuse budgets with which fine-tuning could not converge whatever the model does.

    Every temperature and pressure of a stage is judged on newly labelled frames of it, so each needs one at least.
    Distillation is judged on the student's own MD, whatever is selected for it.

    Args:
        resolved: the input.
        structures: how many starting frames there are.

    Raises:
        SettingError: naming the smallest budget that works.
    """
    loop = resolved.input.finetune
    if loop is None:
        return
    conditions = [len(found) for found in _conditions(loop, structures)]
    if loop.select.max_frames < max(conditions):
        stage = conditions.index(max(conditions))
        raise SettingError(
            f"{loop.select.max_frames} frames for the {max(conditions)} conditions (temperatures x pressures) of stage "
            f"{stage}: some could never be judged",
            where=f"{resolved.file}: finetune.select.max_frames",
            hint=f"{max(conditions)} is the smallest that works; or ask for fewer conditions in a stage",
        )
    total = resolved.campaign.max_total
    test = _test_frames(resolved, loop, structures)
    begin = structures if loop.initial == "label" else 0
    needed = test + begin + max(1, conditions[0])
    if total is not None and total < needed:
        initial = f" and {begin} starting frames" if begin else ""
        raise SettingError(
            f"{total} labels for {test} test frames{initial} and one frame for each condition of the first iteration",
            where=f"{resolved.file}: finetune.label.max_total",
            hint=f"{needed} is the smallest that works; or lower evaluate.test_frames "
            f"({resolved.input.evaluate.test_frames})",
        )


def refuse_idle(resolved: ResolvedInput) -> None:
    """Refuse options that would be without effect because of what stands, or does not stand, in other sections.

    Raises:
        SettingError: naming the first.
    """
    for key, why in _idle(resolved):
        raise SettingError(f"without effect: {why}", where=f"{resolved.file}: {key}", hint="remove it")


def _idle(resolved: ResolvedInput) -> Iterator[tuple[str, str]]:
    """Key and reason of each option without effect."""
    tree = resolved.input
    loops = [loop for loop in (tree.finetune, tree.distill) if loop is not None]
    groups = [group for loop in loops for stage in loop.explore for group in stage]
    if not any(isinstance(group, PoolSettings) for group in groups) and tree.evaluate.moved("pool_test_fraction"):
        yield "evaluate.pool_test_fraction", "no pool is explored"
    if tree.distill is not None and not _has_dynamics(tree.distill):
        for name in tree.distill.moved("hotter", "own_md_factor"):
            yield f"distill.{name}", "it is about dynamics, and distillation explores without"
    if tree.finetune is None and tree.resources.moved("label"):
        yield "resources.label", "nothing is labelled by first principles (the teacher's labels go by predict)"
    if all(isinstance(group, PoolSettings) for group in groups) and tree.resources.moved("explore"):
        yield "resources.explore", "only pools are explored"
    if tree.finetune is not None and tree.finetune.initial == "label" and not tree.structures:
        yield "finetune.initial", "there are no structures to label"


def _has_dynamics(loop: LoopSettings) -> bool:
    return any(group.dynamics for stage in loop.explore for group in stage)


def _conditions(loop: LoopSettings, structures: int) -> list[set[Condition]]:
    """The conditions of each stage; pools have none."""
    plans = [plan_trajectories(stage, structures) for stage in loop.explore]
    return [{(e.temperature_K, e.pressure_GPa) for e in plan if not e.pool} for plan in plans]


def _test_frames(resolved: ResolvedInput, loop: LoopSettings, structures: int) -> int:
    """How many frames the fixed test set asks for: so many of each condition of each group, and of each pool."""
    groups = {
        (stage, entry.group, entry.temperature_K, entry.pressure_GPa)
        for stage, each in enumerate(loop.explore)
        for entry in plan_trajectories(each, structures)
    }
    return len(groups) * resolved.input.evaluate.test_frames
