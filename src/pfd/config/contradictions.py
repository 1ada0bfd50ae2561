"""Settings that contradict each other across sections: budgets too small to be judged, options without effect."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pfd.config.plan import GroupPlan, plan_input
from pfd.config.queue import idle_queue_keys
from pfd.config.reading import ResolvedInput
from pfd.config.sections import LoopSettings
from pfd.errors import SettingError
from pfd.explore.settings import PoolSettings
from pfd.wording import counted


def check_budgets(resolved: ResolvedInput, parents: Sequence[str]) -> None:
    """Refuse budgets with which fine-tuning could not converge whatever the model does.

    Every temperature and pressure of a stage is judged on newly labelled frames of it, so each needs one at least.
    Distillation is judged on the student's own MD, whatever is selected for it.

    Args:
        resolved: the input.
        parents: of each starting frame, the id of the structure that it came from.

    Raises:
        SettingError: naming the smallest budget that works.
    """
    if resolved.input.finetune is None:
        return
    loop = plan_input(resolved, parents, {})[0]
    conditions = [_conditions(stage) for stage in loop.stages]
    most = max(conditions)
    if loop.max_frames < most:
        raise SettingError(
            f"{counted(loop.max_frames, 'frame')} for the {most} conditions (temperatures x pressures) of stage "
            f"{conditions.index(most)}: some could never be judged",
            where=resolved.place("finetune.select.max_frames"),
            hint=f"{most} is the smallest that works; or ask for fewer conditions in a stage",
        )
    needed = loop.asked + loop.initial + max(1, conditions[0])
    if loop.max_total is not None and loop.max_total < needed:
        initial = f" and {counted(loop.initial, 'starting frame')}" if loop.initial else ""
        raise SettingError(
            f"{counted(loop.max_total, 'label')} for {counted(loop.asked, 'test frame')}{initial} and one frame for "
            "each condition of the first iteration",
            where=resolved.place("finetune.label.max_total"),
            hint=f"{needed} is the smallest that works; or lower evaluate.test_frames "
            f"({resolved.input.evaluate.test_frames})",
        )


def _conditions(stage: Sequence[GroupPlan]) -> int:
    """How many temperatures and pressures a stage has; pools have none."""
    return len({each for plan in stage if not isinstance(plan.group, PoolSettings) for each in plan.conditions})


def refuse_idle(resolved: ResolvedInput) -> None:
    """Refuse options that would be without effect because of what stands, or does not stand, in other sections.

    Raises:
        SettingError: naming the first.
    """
    for key, why in _idle(resolved):
        raise SettingError(f"without effect: {why}", where=resolved.place(key), hint="remove it")


def _idle(resolved: ResolvedInput) -> Iterator[tuple[str, str]]:
    """Key and reason of each option without effect."""
    yield from idle_queue_keys(resolved)
    tree = resolved.input
    loops = [loop for loop in (tree.finetune, tree.distill) if loop is not None]
    groups = [group for loop in loops for stage in loop.explore for group in stage]
    if not any(isinstance(group, PoolSettings) for group in groups) and tree.evaluate.moved("pool_test_fraction"):
        yield "evaluate.pool_test_fraction", "no pool is explored"
    if tree.distill is not None and not _has_dynamics(tree.distill):
        for name in tree.distill.moved("hotter", "own_md_factor"):
            yield f"distill.{name}", "it is about dynamics, and distillation explores without"
    if tree.finetune is None and tree.distill is not None and tree.distill.moved("label_times"):
        yield "distill.label_times", "nothing is fine-tuned, so that there are no labels of first principles"
    if tree.finetune is None and tree.resources.moved("label"):
        yield "resources.label", "nothing is labelled by first principles (the teacher's labels go by predict)"
    if all(isinstance(group, PoolSettings) for group in groups) and tree.resources.moved("explore"):
        yield "resources.explore", "only pools are explored"
    if tree.distill is None and tree.resources.predict.moved("min_success"):
        yield "resources.predict.min_success", "it is about labels by the teacher, and nothing is distilled"
    if tree.finetune is not None and tree.finetune.initial == "label" and not tree.structures:
        yield "finetune.initial", "there are no structures to label"


def _has_dynamics(loop: LoopSettings) -> bool:
    return any(group.dynamics for stage in loop.explore for group in stage)
