"""What can be known to be wrong before anything is started: files, elements, programs, contradictions."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from pfd.config.brought import Brought, check_levels, read_set, read_test_set
from pfd.config.contradictions import check_budgets, refuse_idle
from pfd.config.data_check import look_at_brought
from pfd.config.environment import check_devices, check_environments
from pfd.config.exploration_check import Explored, check_groups, frames_of_entry
from pfd.config.gathered import Gathered
from pfd.config.labeler_check import check_labeler
from pfd.config.licence import check_licence
from pfd.config.machine import check_cores, check_gpus
from pfd.config.properties import check_properties
from pfd.config.queue import check_queues
from pfd.config.reading import ResolvedInput, at
from pfd.config.student_limits import check_lammps, check_student_elements
from pfd.config.student_size import check_student_size
from pfd.config.teacher import check_teacher, require_teacher, tuning_files
from pfd.environments.launch import HERE, Launch
from pfd.errors import SettingError
from pfd.frames.state import refuse_unhonoured_state
from pfd.models.family import Family
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
            frames += frames_of_entry(resolved, index)
            read += 1
    with mistakes:
        refuse_idle(resolved)
    for look in (check_cores, check_gpus, partial(check_devices, launch=launch)) if runs_here else ():
        with mistakes:
            look(resolved)
    data, test = _read_brought(resolved, mistakes)
    explored = Explored([], {}, {})
    if read == len(resolved.input.structures):  # groups name structures by their number
        explored = check_groups(resolved, frames, launch, mistakes)
    mistakes.end()

    measured: dict[str, list[Atoms]] = {}
    with mistakes:
        data, test = look_at_brought(resolved, data, test)
    with mistakes:
        check_budgets(resolved, [str(frame.info["parent"]) for frame in frames])
    with mistakes:
        measured = check_properties(resolved, launch, runs_here=runs_here)
    brought = [*data, *explored.pools, *test]
    by_key = {"structures": frames, **explored.drawn, **{each.key: each.frames for each in brought}, **measured}
    pooled = explored.pooled()

    def reads(family: Family) -> bool:
        asked = bool(read_model) or resolved.input.use == "commercial"
        return asked or (read_model is None and _cheap(family, launch[family.name]))

    cards, theory = {}, None
    with mistakes:
        (check_queues if runs_here else _refuse_queues)(resolved)
    with mistakes:
        _check_families(resolved, by_key)
    with mistakes:
        check_lammps(resolved, explored.starts(frames), [frame for some in by_key.values() for frame in some])
    with mistakes:
        cards["teacher.model"] = check_teacher(
            resolved, by_key, launch[resolved.teacher.name] if reads(resolved.teacher) else None
        )
    with mistakes:
        if resolved.labeler is not None:
            cards["finetune.label.model"] = check_labeler(resolved, [*frames, *pooled], launch, reads)
            theory = check_levels(resolved, data, cards.get("teacher.model"))
    with mistakes:
        _check_student(resolved, frames, explored, pooled, {each.key: each.frames for each in test} | measured)
    mistakes.end()
    licences = (check_licence(resolved, each, key) for key, each in cards.items() if each is not None)
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
    explored: Explored,
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
