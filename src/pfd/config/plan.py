"""How much an input asks for at most: runs of exploration, frames to test on, labels. What is done can only be less."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pfd.config.reading import ResolvedInput
from pfd.config.sections import DistillSettings, LoopSettings
from pfd.explore.groups import ExplorerSettings
from pfd.explore.plan import TrajectoryPlan, plan_trajectories
from pfd.explore.settings import PoolSettings

Condition = tuple[float | None, float | None]
"""Temperature (K) and pressure (GPa)."""


@dataclass(frozen=True)
class GroupPlan:
    """One group of exploration.

    Attributes:
        key: where the input has it, such as ``finetune.explore.0.1``.
        group: its settings.
        starts: names of the structures, or formulas, that it starts from.
        conditions: temperatures and pressures.
        runs: how many in one iteration; those of the wider grid of distillation (``hotter``) are in ``warmer``.
        frames: most frames that one run, or the pool, gives.
        sources: structures that share out a condition's test frames: perturbed copies are one with their structure.
        asked: test frames that are asked for at each condition.
        possible: how many of these the trajectories can give.
        warmer: runs at higher temperatures, for training only.
    """

    key: str
    group: ExplorerSettings | PoolSettings
    starts: tuple[str, ...]
    conditions: tuple[Condition, ...]
    runs: int
    frames: int
    sources: int
    asked: int
    possible: int
    warmer: int = 0

    @property
    def candidates(self) -> int:
        """Frames of an iteration to choose from."""
        return (self.runs + self.warmer) * self.frames


@dataclass(frozen=True)
class LoopPlan:
    """One loop.

    Attributes:
        name: ``finetune`` or ``distill``.
        stages: the groups of each stage.
        initial: starting frames that are labelled before the first exploration.
        max_frames: ``select.max_frames``.
        max_iterations: of one stage.
        max_total: cap on the labels of the loop, if there is one.
        wider: whether the first selection also chooses from what the loop before explored.
    """

    name: str
    stages: tuple[tuple[GroupPlan, ...], ...]
    initial: int
    max_frames: int
    max_iterations: int
    max_total: int | None
    wider: bool = False

    @property
    def asked(self) -> int:
        """Test frames that are asked for."""
        return sum(len(group.conditions) * group.asked for stage in self.stages for group in stage)

    @property
    def test_frames(self) -> int:
        """Test frames that there can be."""
        return sum(len(group.conditions) * group.possible for stage in self.stages for group in stage)

    def per_iteration(self, stage: int) -> int:
        """Most frames that one iteration of a stage chooses."""
        candidates = sum(group.candidates for group in self.stages[stage])
        return self.max_frames if self.wider else min(self.max_frames, candidates)

    @property
    def wanted(self) -> int:
        """Most labels that the loop would ask for without a cap."""
        chosen = sum(self.max_iterations * self.per_iteration(stage) for stage in range(len(self.stages)))
        return self.initial + self.test_frames + chosen

    @property
    def labels(self) -> int:
        """Most labels of the loop."""
        return self.wanted if self.max_total is None else min(self.wanted, self.max_total)


def plan_input(resolved: ResolvedInput, parents: Sequence[str], pools: Mapping[str, tuple[int, int]]) -> list[LoopPlan]:
    """The plan of each loop.

    Args:
        resolved: the input.
        parents: of each starting frame, the id of the structure that it is, or is a perturbed copy of.
        pools: key of a pool's file -> its frames to explore, and those to test on; a pool that is not named is taken
            to hold as many as are asked for.
    """
    tree = resolved.input
    plans = []
    for name, loop in (("finetune", tree.finetune), ("distill", tree.distill)):
        if loop is not None:
            initial = len(parents) if name == "finetune" and tree.finetune and tree.finetune.initial == "label" else 0
            stages = tuple(
                tuple(plan_groups(resolved, name, loop, stage, parents, pools)) for stage in range(len(loop.explore))
            )
            cap = resolved.campaign.max_total if name == "finetune" else None
            wider = name == "distill" and tree.finetune is not None
            plans.append(LoopPlan(name, stages, initial, loop.select.max_frames, loop.max_iterations, cap, wider))
    return plans


def plan_groups(
    resolved: ResolvedInput,
    name: str,
    loop: LoopSettings,
    stage: int,
    parents: Sequence[str],
    pools: Mapping[str, tuple[int, int]],
) -> list[GroupPlan]:
    """The groups of one stage; see ``plan_input``."""
    entries = plan_trajectories(loop.explore[stage], len(parents))
    wanted = resolved.input.evaluate.test_frames
    hotter = isinstance(loop, DistillSettings) and loop.hotter > 1.0
    plans = []
    for number, group in enumerate(loop.explore[stage]):
        own = [entry for entry in entries if entry.group == number]
        key = f"{name}.explore.{stage}.{number}"
        if isinstance(group, PoolSettings):
            offered, held_out = pools.get(resolved.shown(f"{key}.file"), (loop.select.max_frames, wanted))
            found = (min(wanted, held_out), 0)
            plans.append(GroupPlan(key, group, (), ((None, None),), 1, offered, 1, wanted, *found))
            continue
        sources = len({entry.formula or parents[entry.structure or 0] for entry in own})
        each = max(1, wanted // sources)
        frames = group.most_frames
        plans.append(
            GroupPlan(
                key=key,
                group=group,
                starts=tuple(dict.fromkeys(_start(entry) for entry in own)),
                conditions=tuple(dict.fromkeys((entry.temperature_K, entry.pressure_GPa) for entry in own)),
                runs=len(own),
                frames=frames,
                sources=sources,
                asked=sources * each,
                possible=sources * min(each, frames),
                warmer=sum(entry.temperature_K is not None for entry in own) if hotter else 0,
            )
        )
    return plans


def _start(entry: TrajectoryPlan) -> str:
    return entry.formula or f"structure {entry.structure}"
