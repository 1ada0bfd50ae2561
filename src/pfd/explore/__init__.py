"""Explore: make candidate frames by molecular dynamics, or take them from files."""

from pfd.explore.plan import TrajectoryPlan, plan_trajectories
from pfd.explore.settings import GroupSettings, MDSettings, PoolSettings, StopSettings
from pfd.explore.trajectory import Trajectory

__all__ = [
    "GroupSettings",
    "MDSettings",
    "PoolSettings",
    "StopSettings",
    "Trajectory",
    "TrajectoryPlan",
    "plan_trajectories",
]
