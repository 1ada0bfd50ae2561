"""The plan of a stage: one entry per run, in an order that depends on the settings alone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from pfd.errors import SettingError
from pfd.explore.groups import ExplorerSettings
from pfd.explore.settings import PoolSettings
from pfd.settings import Settings


class TrajectoryPlan(Settings):
    """One run of an explorer, or one pool."""

    group: int
    """Index of the group in its stage."""
    structure: int | None = None
    """Index of the starting structure; None for a method that makes its own, and for a pool."""
    formula: str | None = None
    """What the run's cell holds, for a method that makes its own."""
    temperature_K: float | None = None
    """Temperature asked for, K; None where that means nothing."""
    pressure_GPa: float | None = None
    """Pressure asked for, GPa; None where that means nothing."""
    replica: int = 0
    """Which of the replicas at these conditions."""
    pool: bool = False
    """Whether it is a pool."""

    @property
    def name(self) -> str:
        """A name that is unique in its stage."""
        parts = [f"g{self.group}"]
        parts += [] if self.structure is None else [f"x{self.structure}"]
        parts += [] if self.formula is None else [self.formula]
        parts += [] if self.temperature_K is None else [f"{self.temperature_K:g}K"]
        parts += [] if self.pressure_GPa is None else [f"{self.pressure_GPa:g}GPa"]
        return "-".join([*parts, f"r{self.replica}"])


def group_name(stage: int, group: int) -> str:
    """How a frame's ``info`` names the group it was made by.

    >>> group_name(0, 1)
    's0-g1'
    """
    return f"s{stage}-g{group}"


def plan_trajectories(stage: Sequence[ExplorerSettings | PoolSettings], structures: int) -> list[TrajectoryPlan]:
    """All runs of a stage: by group, structure or formula, temperature, pressure, replica; a pool is one entry.

    Args:
        stage: the groups.
        structures: how many starting structures there are.

    Raises:
        SettingError: if a group names a structure that does not exist, or needs one and there is none.
    """
    return [entry for index, group in enumerate(stage) for entry in _plan_group(index, group, structures)]


def _plan_group(index: int, group: ExplorerSettings | PoolSettings, structures: int) -> list[TrajectoryPlan]:
    if isinstance(group, PoolSettings):
        return [TrajectoryPlan(group=index, pool=True)]
    starts: list[TrajectoryPlan]
    if group.compositions:
        starts = [TrajectoryPlan(group=index, formula=formula) for formula in group.compositions]
    else:
        chosen = _chosen(index, group.structures, structures)
        starts = [TrajectoryPlan(group=index, structure=number) for number in chosen]
    return [
        start.model_copy(update={"temperature_K": temperature, "pressure_GPa": pressure, "replica": replica})
        for start, (temperature, pressure), replica in product(starts, group.conditions(), range(group.replicas))
    ]


def _chosen(index: int, wanted: tuple[int, ...] | None, structures: int) -> Sequence[int]:
    """The structures that a group starts from."""
    chosen = range(structures) if wanted is None else wanted
    beyond = [number for number in chosen if number >= structures]
    if beyond or not chosen:
        what = f"there is no structure {beyond[0]}" if beyond else "there is no structure to start from"
        raise SettingError(
            f"{what}: there are {structures}, counted from 0",
            where=f"explore, group {index}, structures",
            hint="perturbed copies count too and follow their structure; leave the key out to take all",
        )
    return chosen
