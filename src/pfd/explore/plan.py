"""The plan of a stage: one entry per trajectory, in an order that depends on the settings alone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from pfd.errors import SettingError
from pfd.explore.settings import MDSettings, PoolSettings
from pfd.settings import Settings


class TrajectoryPlan(Settings):
    """One trajectory to run."""

    group: int
    """Index of the group in its stage."""
    structure: int | None = None
    """Index of the starting structure; None for a pool."""
    temperature_K: float | None = None
    """Temperature asked for, K; None for a pool."""
    pressure_GPa: float | None = None
    """Pressure asked for, GPa; None unless the ensemble is npt."""
    replica: int = 0
    """Which of the replicas at these conditions."""

    @property
    def name(self) -> str:
        """A name that is unique in its stage."""
        parts = [f"g{self.group}"]
        parts += [] if self.structure is None else [f"x{self.structure}"]
        parts += [] if self.temperature_K is None else [f"{self.temperature_K:g}K"]
        parts += [] if self.pressure_GPa is None else [f"{self.pressure_GPa:g}GPa"]
        return "-".join([*parts, f"r{self.replica}"])


def group_name(stage: int, group: int) -> str:
    """How a frame's ``info`` names the group it was made by.

    >>> group_name(0, 1)
    's0-g1'
    """
    return f"s{stage}-g{group}"


def plan_trajectories(stage: Sequence[MDSettings | PoolSettings], structures: int) -> list[TrajectoryPlan]:
    """All trajectories of a stage: by group, structure, temperature, pressure, replica; a pool is one entry.

    Args:
        stage: the groups.
        structures: how many starting structures there are.

    Raises:
        SettingError: if a group names a structure that does not exist, or needs one and there is none.
    """
    return [entry for index, group in enumerate(stage) for entry in _plan_group(index, group, structures)]


def _plan_group(index: int, group: MDSettings | PoolSettings, structures: int) -> list[TrajectoryPlan]:
    if isinstance(group, PoolSettings):
        return [TrajectoryPlan(group=index)]
    chosen = range(structures) if group.structures is None else group.structures
    beyond = [number for number in chosen if number >= structures]
    if beyond or not chosen:
        what = f"there is no structure {beyond[0]}" if beyond else "there is no structure to start from"
        raise SettingError(
            f"{what}: there are {structures}, counted from 0",
            where=f"explore, group {index}, structures",
            hint="perturbed copies count too and follow their structure; leave the key out to take all",
        )
    pressures = group.pressures_GPa if group.ensemble == "npt" else (None,)
    return [
        TrajectoryPlan(
            group=index, structure=structure, temperature_K=temperature, pressure_GPa=pressure, replica=replica
        )
        for structure, temperature, pressure, replica in product(
            chosen, group.temperatures_K, pressures, range(group.replicas)
        )
    ]
