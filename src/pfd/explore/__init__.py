"""Explore: make candidate frames with a model (dynamics, relaxation, search), or take them from files."""

from pfd.explore.groups import ExplorerSettings, GroupSettings
from pfd.explore.job import Job
from pfd.explore.plan import TrajectoryPlan, plan_trajectories
from pfd.explore.settings import Explorer, MDSettings, PoolSettings, StopSettings
from pfd.explore.trajectory import Trajectory

__all__ = [
    "Explorer",
    "ExplorerSettings",
    "GroupSettings",
    "Job",
    "MDSettings",
    "PoolSettings",
    "StopSettings",
    "Trajectory",
    "TrajectoryPlan",
    "plan_trajectories",
]
