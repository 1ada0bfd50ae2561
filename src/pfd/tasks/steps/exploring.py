"""Steps of exploration: plan a stage's trajectories, and run one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from pfd.frames import read_frames, write_frames
from pfd.tasks.context import TaskContext

if TYPE_CHECKING:
    from ase import Atoms

    from pfd.explore.settings import MDSettings
    from pfd.explore.trajectory import Trajectory


def plan(task: TaskContext) -> None:
    """Parameters groups; input structures. Output: plan.json, one entry per trajectory (pools have none)."""
    from pfd.explore.plan import plan_trajectories
    from pfd.explore.settings import GroupSettings

    groups = TypeAdapter(list[GroupSettings]).validate_python(task.parameters["groups"])
    count = len(read_frames(task.input("structures"))) if task.has("structures") else 0
    task.write("plan.json", [entry.model_dump(mode="json") for entry in plan_trajectories(groups, count)])


def explore(task: TaskContext) -> None:
    """Parameters group, trajectory (a plan's entry), stage, name, seed; inputs model, structures.

    Outputs: trajectory.extxyz (the good part), report.json.
    """
    from pfd.explore.settings import MDSettings

    entry = task.parameters["trajectory"]
    trajectory = _run(task, MDSettings.model_validate(task.parameters["group"]))
    _write(task, list(trajectory.frames))
    task.write(
        "report.json",
        {
            "name": task.parameters["name"],
            "temperature_K": entry["temperature_K"],
            "pressure_GPa": entry["pressure_GPa"],
            "finished": trajectory.finished,
            "stop_reason": trajectory.stop_reason,
            "steps": trajectory.steps_done,
            "mean_temperature_K": trajectory.mean_temperature_K,
        },
    )


def pool(task: TaskContext) -> None:
    """Parameters group, number (its own), part (explore | test), split_seed, test_fraction, stage, name; input pool.

    The pool's trajectories are divided once: what may be tested on is never offered for training.
    Outputs as of ``explore``.
    """
    from pfd.explore.plan import group_name
    from pfd.explore.pool import read_pool
    from pfd.explore.settings import PoolSettings
    from pfd.frames.split import split_by_trajectory

    path = task.input("pool")
    group = PoolSettings.model_validate(task.parameters["group"] | {"file": str(path)})
    frames = list(read_pool(path, group).frames)
    train, held_out = split_by_trajectory(frames, task.parameters["test_fraction"], task.parameters["split_seed"])
    frames = held_out if task.parameters["part"] == "test" else train
    for frame in frames:
        frame.info.setdefault("group", group_name(task.parameters["stage"], task.parameters["number"]))
    _write(task, frames)
    report = {"temperature_K": None, "pressure_GPa": None, "mean_temperature_K": None, "steps": None}
    task.write("report.json", {"name": task.parameters["name"], "finished": True, "stop_reason": None, **report})


def _write(task: TaskContext, frames: list[Atoms]) -> None:
    for frame in frames:
        frame.info["stage"] = task.parameters["stage"]
        frame.info.setdefault("trajectory", task.parameters["name"])
    write_frames(task.out("trajectory.extxyz"), frames)


def _run(task: TaskContext, group: MDSettings) -> Trajectory:
    """MD in LAMMPS if the model has a pair style there, else in ASE."""
    from pfd.explore.plan import group_name
    from pfd.models.device import device_for
    from pfd.models.family import read_model
    from pfd.models.training import check_elements, make_family

    entry = task.parameters["trajectory"]
    start = read_frames(task.input("structures"))[entry["structure"]]
    folder = task.input("model")
    card = read_model(folder).card
    check_elements(card, [start])
    family = make_family(card.family)
    conditions = {"temperature_K": entry["temperature_K"], "pressure_GPa": entry["pressure_GPa"]}
    how = {
        "seed": task.seed,
        "progress": task.progress,
        "name": task.parameters["name"],
        "group": group_name(task.parameters["stage"], entry["group"]),
    }
    device = device_for(family, task.device)
    potential = family.lammps_potential(folder)
    if potential is not None:
        from pfd.explore.lammps_md import run_md_in_lammps

        return run_md_in_lammps(start, potential, group, **conditions, **how)
    from pfd.explore.md import run_md

    return run_md(start, family.calculator(folder, device), group, **conditions, **how)
