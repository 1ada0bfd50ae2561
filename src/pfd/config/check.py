"""What can be known to be wrong before anything is started: files, elements, programs, contradictions."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pfd.config.brought import Brought, check_levels, read_pool_of, read_set, read_test_set
from pfd.config.contradictions import check_budgets, refuse_idle
from pfd.config.data_check import look_at_brought
from pfd.config.environment import check_devices, check_environments, require_batches
from pfd.config.gathered import Gathered
from pfd.config.licence import check_licence
from pfd.config.machine import check_cores, check_gpus, check_ranks
from pfd.config.properties import check_properties
from pfd.config.queue import check_queues, programs_of_labels
from pfd.config.reading import ResolvedInput, at, source_path
from pfd.config.student_limits import check_lammps, check_student_elements, runs_in_lammps
from pfd.config.student_size import check_student_size
from pfd.config.teacher import check_teacher, refuse_idle_trust, require_teacher, tuning_files
from pfd.environments.launch import HERE, Launch
from pfd.errors import DataError, MissingError, SettingError
from pfd.explore.calypso import INSTALL
from pfd.explore.groups import ExplorerSettings
from pfd.explore.plan import plan_trajectories
from pfd.explore.settings import PoolSettings
from pfd.frames.split import split_by_trajectory
from pfd.frames.state import refuse_unhonoured_state
from pfd.frames.structures import build_structures, refuse_wild
from pfd.label.engine_program import ProgramLabeler
from pfd.label.family import FamilyLabelerSettings
from pfd.label.judge import refuse_unhonoured
from pfd.label.labeler import Labeler, make_labeler
from pfd.models.environment import read_card
from pfd.models.family import MODEL_FILE, Family, ModelCard, knows_batches
from pfd.models.family import read_model as read_model_folder
from pfd.models.training import check_elements
from pfd.plugins import FAMILIES, load_plugin
from pfd.theory import Comparison

if TYPE_CHECKING:
    from ase import Atoms


@dataclass(frozen=True)
class Checked:
    """What is known of an input that has no mistake.

    Attributes:
        brought: the labelled sets, the pools and the test set of the user, with what was found in each.
        theory: how the labels' level of theory compares with the teacher's; None if one of them was not asked.
        licences: that of each model's weights that were asked, in words.
    """

    brought: list[Brought]
    theory: Comparison | None
    licences: tuple[str, ...] = ()


def check_input(resolved: ResolvedInput, *, read_model: bool | None = None, runs_here: bool = True) -> Checked:
    """Look at everything that costs nothing.

    Args:
        resolved: the input.
        read_model: whether to read the teacher's card, which knows heads and elements. None reads it where that needs
            no package that is not imported yet: torch alone takes seconds, and the run's first task reads it anyway.
            What shipped weights know is told without. Where the input declares commercial use, it is always read.
        runs_here: whether tasks run on this machine, or are submitted from it; then its cores, devices and queues are
            looked at.

    Returns:
        What was found.

    Raises:
        SettingError, DataError, ModelError, MissingError: what would stop the run later. Files, structures, groups and
            machine are told at once, and what needs them after that.
    """
    mistakes = Gathered(resolved.file)
    launch = check_environments(resolved)
    frames: list[Atoms] = []
    with mistakes:
        require_teacher(resolved)
    with mistakes:
        tuning_files(resolved)
    read = 0
    for index in range(len(resolved.input.structures)):
        with mistakes:
            frames += _started(resolved, index)
            read += 1
    with mistakes:
        refuse_idle(resolved)
    for look in (check_cores, check_gpus, check_queues) if runs_here else (_refuse_queues,):
        with mistakes:
            look(resolved)
    with mistakes:
        if runs_here:
            check_devices(resolved, launch)
    data, test = _read_brought(resolved, mistakes)
    explored = _Explored([], {}, {})
    if read == len(resolved.input.structures):  # groups name structures by their number
        explored = _check_groups(resolved, frames, launch, mistakes)
    mistakes.end()

    data, test = look_at_brought(resolved, data, test)
    check_budgets(resolved, [str(frame.info["parent"]) for frame in frames])
    brought = [*data, *explored.pools, *test]
    measured = check_properties(resolved, launch, runs_here=runs_here)
    by_key = {"structures": frames, **explored.drawn, **{each.key: each.frames for each in brought}, **measured}
    pooled = [frame for pool in explored.pools for frame in pool.frames]
    pooled += [frame for some in explored.drawn.values() for frame in some]

    def reads(family: Family) -> bool:
        asked = bool(read_model) or resolved.input.use == "commercial"
        return asked or (read_model is None and _cheap(family, launch[family.name]))

    card, cards, theory = None, {}, None
    with mistakes:
        _check_families(resolved, by_key)
    with mistakes:
        check_lammps(resolved, explored.starts(frames), [frame for some in by_key.values() for frame in some])
    with mistakes:
        card = check_teacher(resolved, by_key, launch[resolved.teacher.name] if reads(resolved.teacher) else None)
        cards["teacher.model"] = card
    with mistakes:
        if resolved.labeler is not None:
            cards["finetune.label.model"] = check_labeler(resolved, [*frames, *pooled], launch, reads)
            theory = check_levels(resolved, data, card)
    with mistakes:
        _check_student(resolved, frames, explored, pooled, {each.key: each.frames for each in test} | measured)
    mistakes.end()
    licences = [check_licence(resolved, each, key) for key, each in cards.items() if each is not None]
    return Checked(brought, theory, tuple(licences))


def _refuse_queues(resolved: ResolvedInput) -> None:
    """Refuse jobs of a cluster's queue where tasks do not run on this machine."""
    if steps := resolved.input.resources.on_cluster():
        raise SettingError(
            "jobs of a cluster's queue are not for a run on Kubernetes",
            where=resolved.place(f"resources.{steps[0]}.engine"),
            hint="leave engine: hpc out, or submit without --engine argo",
        )


def _read_brought(resolved: ResolvedInput, mistakes: Gathered) -> tuple[list[Brought], list[Brought]]:
    """The labelled sets and the test set of the user."""
    data: list[Brought] = []
    test: list[Brought] = []
    with mistakes:
        if resolved.input.data and resolved.input.finetune is None:
            raise SettingError(
                "labelled sets are trained on in fine-tuning, and there is none",
                where=resolved.place("data"),
                hint="leave it out, or add a section finetune",
            )
    for index in range(len(resolved.input.data)):
        with mistakes:
            data.append(read_set(resolved, index))
    with mistakes:
        test = read_test_set(resolved)
    return data, test


def _cheap(family: Family, launch: Launch) -> bool:
    """Whether reading a card of the family starts no interpreter, and imports nothing that is not there yet."""
    return launch == HERE and all(module in sys.modules for module in family.modules)


@dataclass(frozen=True)
class _Explored:
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


def _check_families(resolved: ResolvedInput, frames: Mapping[str, Sequence[Atoms]]) -> None:
    """Refuse frames with an electronic state that the teacher or the student could not tell apart."""
    for chosen, family in (("teacher.family", resolved.teacher), ("distill.student.family", resolved.student)):
        for key, some in frames.items() if family is not None else ():
            assert family is not None
            with at(resolved, chosen if key == "structures" else key):
                refuse_unhonoured_state(some, family.honours, f"the family {family.name!r}", chosen)


def _check_student(
    resolved: ResolvedInput,
    frames: Sequence[Atoms],
    explored: _Explored,
    pooled: Sequence[Atoms],
    known: Mapping[str, Sequence[Atoms]],
) -> None:
    """Refuse frames of elements that the student will not have seen (key of the input -> its frames), and its size."""
    moved = [frame for some in explored.starts(frames).values() for frame in some]
    labelled = resolved.input.finetune is not None and resolved.input.finetune.initial == "label"
    seen = [*moved, *pooled, *(frames if labelled else ())]
    check_student_size(resolved, seen)
    for key, some in known.items():
        check_student_elements(resolved, seen, some, key)


def require_labeler(labeler: Labeler) -> None:
    """Refuse to go on without the labeler's packages; those that run a program look for it, and for its interpreter.

    Raises:
        MissingError: naming them and the command that installs them.
    """
    if isinstance(labeler, ProgramLabeler):
        return
    missing = [module for module in labeler.modules if importlib.util.find_spec(module) is None]
    missing += [program for program in labeler.programs if shutil.which(program) is None]
    if missing:
        raise MissingError(f"the labeler {labeler.name!r} needs {', '.join(missing)}", hint=labeler.install)


def starting_frames(resolved: ResolvedInput) -> list[Atoms]:
    """All starting frames; each file is read by itself, so that an error names its key.

    Raises:
        SettingError, DataError: naming the key.
    """
    return [frame for index in range(len(resolved.input.structures)) for frame in _started(resolved, index)]


def _started(resolved: ResolvedInput, index: int) -> list[Atoms]:
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


def _check_groups(
    resolved: ResolvedInput, frames: Sequence[Atoms], launch: Mapping[str, Launch], mistakes: Gathered
) -> _Explored:
    """Every group of every stage; returns what exploration starts from."""
    explored = _Explored([], {}, {})
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
    explored: _Explored,
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
            split_by_trajectory(pool.frames, fraction, 0)
        except DataError as error:
            total = len(pool.frames)
            what = f"testing on {fraction:g} of the {total} frames of {group.file} leaves no training frame"
            hint = "lower it, or bring more frames" if total > 1 else "a pool needs two frames at least: bring more"
            raise SettingError(what, hint=hint) from error
    return pool


def check_labeler(
    resolved: ResolvedInput, frames: Sequence[Atoms], launch: Mapping[str, Launch], reads: Callable[[Family], bool]
) -> ModelCard | None:
    """The labeler, and the frames that it is to label; the card of the model that labels, if one does and was asked.

    Args:
        resolved: the input.
        frames: what it is to label, or such as that.
        launch: family -> how its tasks are started; of a model that labels.
        reads: whether a family's model is read for what it knows.
    """
    assert resolved.labeler is not None
    labeler = make_labeler(resolved.labeler.model_dump(mode="json"))
    with programs_of_labels(resolved), at(resolved, "finetune.label.method"):
        require_labeler(labeler)
        if not hasattr(resolved.labeler, "files"):
            labeler.check(frames)
            refuse_unhonoured(frames, labeler)
    check_ranks(resolved, labeler)
    if isinstance(resolved.labeler, FamilyLabelerSettings):
        return _check_label_model(resolved, resolved.labeler, frames, launch, reads)
    return None


def _check_label_model(
    resolved: ResolvedInput,
    settings: FamilyLabelerSettings,
    frames: Sequence[Atoms],
    launch: Mapping[str, Launch],
    reads: Callable[[Family], bool],
) -> ModelCard | None:
    """The card of the model that labels in the place of first principles: named, installed, and of these elements.

    None if it was not asked.

    Raises:
        SettingError, ModelError, MissingError
    """
    if settings.family is None or settings.model is None:
        raise SettingError(
            "a model is to label, and none is named",
            where=resolved.place("finetune.label"),
            hint="write label: {method: family, family: ..., model: ...}; the teacher itself would teach it nothing",
        )
    with at(resolved, "finetune.label.family"):
        family: Family = load_plugin(FAMILIES, settings.family, "finetune.label.family")()
        refuse_unhonoured_state(frames, family.honours, f"the family {family.name!r}", "finetune.label.family")
    refuse_idle_trust(resolved, family, "finetune.label.trust_file", trust_file=settings.trust_file)
    shipped = settings.model in family.shipped
    source = settings.model if shipped else str(source_path(resolved, settings.model, "finetune.label.model"))
    with at(resolved, "finetune.label.model"):
        if (Path(source) / MODEL_FILE).is_file():
            card = read_model_folder(Path(source)).card
            if card.family != family.name:
                raise SettingError(f"the folder holds a model of the family {card.family!r}", hint="name that family")
        elif reads(family):
            card = read_card(family, source, settings.head, settings.trust_file, launch[family.name])
        else:
            return None
        check_elements(card, frames)
        return card
