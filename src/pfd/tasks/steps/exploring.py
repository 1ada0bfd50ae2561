"""Steps of exploration: plan a stage's trajectories, and run one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from pfd.frames import EXPLORED_WITH_KEY, read_frames, write_frames
from pfd.tasks.context import TaskContext
from pfd.tasks.steps.labelling import level_of_model

if TYPE_CHECKING:
    from ase import Atoms

    from pfd.explore.trajectory import Trajectory


def plan(task: TaskContext) -> None:
    """Parameters groups; input structures. Output: plan.json, one entry per trajectory (pools have none)."""
    from pfd.explore.groups import GroupSettings
    from pfd.explore.plan import plan_trajectories

    groups = TypeAdapter(list[GroupSettings]).validate_python(task.parameters["groups"])
    count = len(read_frames(task.input("structures"))) if task.has("structures") else 0
    task.write("plan.json", [entry.model_dump(mode="json") for entry in plan_trajectories(groups, count)])


def explore(task: TaskContext) -> None:
    """Parameters group, trajectory (a plan's entry), stage, name, seed; inputs model, structures.

    Outputs: trajectory.extxyz (the good part), report.json.
    """
    entry = task.parameters["trajectory"]
    trajectory = _run(task)
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
            "structure": _structure(task, trajectory),
        },
    )


def _structure(task: TaskContext, trajectory: Trajectory) -> dict[str, Any] | None:
    """Density, g(r) and coordination of where an annealing ended; None for other methods, and where there is vacuum."""
    from dataclasses import asdict

    from pfd.frames import is_bulk
    from pfd.frames.radial import radial_structure

    last = trajectory.frames[-LAST_FRAMES:]
    if task.parameters["group"]["method"] != "anneal" or not last or not all(is_bulk(frame) for frame in last):
        return None
    return asdict(radial_structure(last))


LAST_FRAMES = 5
"""Frames at the end of an annealing over which its structure is averaged."""


def pool(task: TaskContext) -> None:
    """Parameters group, number (its own), part (explore | test), split_seed, test_fraction, blocks, stage, name.

    Input: pool.

    The pool is divided once: what may be tested on is never offered for training.
    Outputs as of ``explore``.
    """
    from pfd.explore.plan import group_name
    from pfd.explore.pool import read_pool
    from pfd.explore.settings import PoolSettings
    from pfd.frames.split import split_pool

    path = task.input("pool")
    group = PoolSettings.model_validate(task.parameters["group"] | {"file": str(path)})
    frames = list(read_pool(path, group).frames)
    train, held_out = split_pool(frames, task.parameters["test_fraction"], task.parameters["split_seed"])
    frames = held_out if task.parameters["part"] == "test" else train
    for frame in frames:
        frame.info.setdefault("group", group_name(task.parameters["stage"], task.parameters["number"]))
    _write(task, frames)
    report = {"temperature_K": None, "pressure_GPa": None, "mean_temperature_K": None, "steps": None, "structure": None}
    task.write("report.json", {"name": task.parameters["name"], "finished": True, "stop_reason": None, **report})


def _write(task: TaskContext, frames: list[Atoms]) -> None:
    for frame in frames:
        frame.info["stage"] = task.parameters["stage"]
        frame.info.setdefault("trajectory", task.parameters["name"])
    write_frames(task.out("trajectory.extxyz"), frames)


def _run(task: TaskContext) -> Trajectory:
    from pfd.explore.groups import ExplorerSettings
    from pfd.explore.job import Job
    from pfd.explore.plan import group_name
    from pfd.models.device import device_for
    from pfd.models.family import knows_batches, read_model
    from pfd.models.training import check_elements, make_family

    explorer: ExplorerSettings = TypeAdapter(ExplorerSettings).validate_python(task.parameters["group"])
    entry = task.parameters["trajectory"]
    folder = task.input("model")
    card = read_model(folder).card
    start = None
    if entry["structure"] is not None:
        start = read_frames(task.input("structures"))[entry["structure"]]
        check_elements(card, [start])
    family = make_family(card.family)
    device = device_for(family, task.device)
    job = Job(
        start=start,
        calculator=lambda: family.calculator(folder, device),
        potential=family.lammps_potential(folder),
        formula=entry["formula"],
        temperature_K=entry["temperature_K"],
        pressure_GPa=entry["pressure_GPa"],
        seed=task.seed,
        name=task.parameters["name"],
        group=group_name(task.parameters["stage"], entry["group"]),
        progress=task.progress,
        batch_model=(lambda: family.batch_model(folder, device)) if knows_batches(family) else None,
        scratch=task.scratch,
    )
    trajectory = explorer.run(job)
    model = level_of_model(folder)
    for frame in trajectory.frames:
        frame.info[EXPLORED_WITH_KEY] = model
    return trajectory
