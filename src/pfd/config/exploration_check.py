"""What exploration starts from: the starting frames, the pools, and whether each group can do what it says."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pfd.config.brought import Brought, read_pool_of
from pfd.config.environment import require_batches
from pfd.config.gathered import Gathered
from pfd.config.reading import ResolvedInput, at, source_path
from pfd.config.student_limits import runs_in_lammps
from pfd.environments.launch import Launch
from pfd.errors import DataError, MissingError, SettingError
from pfd.explore.calypso import INSTALL
from pfd.explore.groups import ExplorerSettings
from pfd.explore.plan import plan_trajectories
from pfd.explore.settings import PoolSettings
from pfd.frames.split import split_pool
from pfd.frames.structures import build_structures, refuse_wild
from pfd.models.family import knows_batches

if TYPE_CHECKING:
    from ase import Atoms


@dataclass(frozen=True)
class Explored:
    """What exploration starts from.

    Attributes:
        pools: the frames of the pools.
        structures: loop -> numbers of the starting frames that its groups use.
        drawn: key of the input -> an example of each kind of structure that a random search will draw.
    """

    pools: list[Brought]
    structures: dict[str, set[int]]
    drawn: dict[str, list[Atoms]]

    def starts(self, frames: Sequence[Atoms]) -> dict[str, list[Atoms]]:
        """Loop -> the starting frames of its groups."""
        return {loop: [frames[index] for index in sorted(used)] for loop, used in self.structures.items()}

    def pooled(self) -> list[Atoms]:
        """The frames of the pools, and those that a search will draw."""
        drawn = (frame for some in self.drawn.values() for frame in some)
        return [*(frame for pool in self.pools for frame in pool.frames), *drawn]


def starting_frames(resolved: ResolvedInput) -> list[Atoms]:
    """All starting frames; each file is read by itself, so that an error names its key.

    Raises:
        SettingError, DataError: naming the key.
    """
    return [frame for index in range(len(resolved.input.structures)) for frame in frames_of_entry(resolved, index)]


def frames_of_entry(resolved: ResolvedInput, index: int) -> list[Atoms]:
    """The starting frames of one entry of ``structures``."""
    entry, key = resolved.input.structures[index], f"structures.{index}.file"
    path = source_path(resolved, entry.file, key)
    with at(resolved, key):
        if path.is_dir():
            raise SettingError(f"{entry.file} is a folder", hint="name the structure file in it")
        there = entry.model_copy(update={"file": path})
        if entry.interface is not None:
            other = source_path(resolved, entry.interface.file, f"structures.{index}.interface.file")
            there = there.model_copy(update={"interface": entry.interface.model_copy(update={"file": other})})
        built = build_structures([there], Path(), resolved.input.seed)
    with at(resolved, f"structures.{index}.perturb.displacement_A"):
        refuse_wild(built, entry.perturb)
    return built


def check_groups(
    resolved: ResolvedInput, frames: Sequence[Atoms], launch: Mapping[str, Launch], mistakes: Gathered
) -> Explored:
    """Every group of every stage; returns what exploration starts from."""
    explored = Explored([], {}, {})
    for name, loop in (("finetune", resolved.input.finetune), ("distill", resolved.input.distill)):
        for stage, groups in enumerate(loop.explore if loop is not None else ()):
            for number, group in enumerate(groups):
                with mistakes:
                    _check_group(resolved, group, (name, stage, number), frames, launch, explored)
    return explored


def _check_group(
    resolved: ResolvedInput,
    group: ExplorerSettings | PoolSettings,
    at_place: tuple[str, int, int],
    frames: Sequence[Atoms],
    launch: Mapping[str, Launch],
    explored: Explored,
) -> None:
    """One group; what it starts from goes into ``explored``."""
    where = "{}.explore.{}.{}".format(*at_place)
    if isinstance(group, PoolSettings):
        explored.pools.append(_check_pool(resolved, group, where))
        return
    _check_driver(resolved, group, where, launch)
    if group.compositions:
        key = f"{where}.{group.shaped_by}"
        with at(resolved, key):
            explored.drawn[key] = [group.example(formula) for formula in group.compositions]
    else:
        explored.structures.setdefault(at_place[0], set()).update(_check_starts(resolved, group, frames, where))


def _check_driver(resolved: ResolvedInput, group: ExplorerSettings, where: str, launch: Mapping[str, Launch]) -> None:
    """The model that a group follows: it is there, and runs where the group says."""
    place = resolved.place(where)
    if group.with_ == "student" and where.startswith("finetune"):
        raise SettingError("there is no student while fine-tuning", where=f"{place}.with", hint="leave it out")
    if group.program is not None and shutil.which(group.program) is None:
        raise MissingError(f"there is no program {group.program!r} on this machine", where=place, hint=INSTALL)
    driver = resolved.student if group.with_ == "student" else resolved.teacher
    if group.needs_batch_model and driver is not None and not knows_batches(driver):
        what = f"models of {driver.name!r} do not run in torch-sim"
        raise SettingError(what, where=f"{place}.method", hint="write method: md")
    if group.needs_batch_model and driver is not None:
        require_batches(launch[driver.name], f"{place}.method")
    if not group.needs_lammps or driver is None or runs_in_lammps(driver):
        return
    raise SettingError(
        f"models of {driver.name!r} have no pair style in LAMMPS, which this group needs",
        where=place,
        hint="write method: md or ensemble: nvt, or with: student where the student has one",
    )


def _check_starts(resolved: ResolvedInput, group: ExplorerSettings, frames: Sequence[Atoms], where: str) -> list[int]:
    """The structures that a group starts from; returns their numbers."""
    if not frames:
        raise SettingError(
            f"method {group.method} needs structures to start from, and there are none",
            where=resolved.place(where),
            hint="add a section structures: [{file: ...}]",
        )
    with at(resolved, f"{where}.structures"):
        chosen = sorted({plan.structure or 0 for plan in plan_trajectories([group], len(frames))})
    for index in chosen:
        with at(resolved, f"{where}.{group.shaped_by}"):
            group.require(frames[index])
    return chosen


def _check_pool(resolved: ResolvedInput, group: PoolSettings, where: str) -> Brought:
    pool = read_pool_of(resolved, group, where)
    fraction = resolved.input.evaluate.pool_test_fraction
    with at(resolved, "evaluate.pool_test_fraction"):
        try:
            split_pool(pool.frames, fraction, resolved.input.seed)
        except DataError as error:
            total = len(pool.frames)
            what = f"testing on {fraction:g} of the {total} frames of {group.file} leaves no training frame"
            hint = "lower it, or bring more frames" if total > 1 else "a pool needs two frames at least: bring more"
            raise SettingError(what, hint=hint) from error
    return pool
