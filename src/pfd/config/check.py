"""What can be known to be wrong before anything is started: files, elements, programs, contradictions."""

from __future__ import annotations

import importlib.util
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pfd.config.reading import ResolvedInput, source_path
from pfd.errors import DataError, InputError, MissingError, SettingError
from pfd.explore.md import degrees_of_freedom, require_bulk
from pfd.explore.plan import plan_trajectories
from pfd.explore.pool import read_pool
from pfd.explore.settings import MDSettings, PoolSettings
from pfd.frames import require_labels
from pfd.frames.outside import read_labelled
from pfd.frames.split import split_by_trajectory
from pfd.frames.state import refuse_unhonoured_state
from pfd.frames.structures import build_structures
from pfd.label.family import FamilyLabelerSettings
from pfd.label.judge import refuse_unhonoured
from pfd.label.labeler import Labeler, make_labeler
from pfd.models.family import MODEL_FILE, Family
from pfd.models.family import read_model as read_model_folder
from pfd.models.training import check_elements, require_family
from pfd.plugins import FAMILIES, load_plugin

if TYPE_CHECKING:
    from ase import Atoms


def check_input(resolved: ResolvedInput, *, read_model: bool | None = None) -> None:
    """Look at everything that costs nothing.

    Args:
        resolved: the input.
        read_model: whether to read the teacher's card, which knows the elements. None reads it where that needs no
            package that is not imported yet: torch alone takes seconds, and the run's first task reads it anyway.

    Raises:
        SettingError, DataError, ModelError, MissingError: the first thing that would stop the run later.
    """
    for key, family in (("teacher.family", resolved.teacher), ("distill.student.family", resolved.student)):
        if family is not None:
            with _at(resolved, key):
                require_family(family)
    _require_teacher(resolved)
    frames = _starting_frames(resolved)
    pools = _check_groups(resolved, frames)
    _check_families(resolved, [*frames, *pools])
    if resolved.input.data and resolved.input.finetune is None:
        raise SettingError(
            "labelled sets are trained on in fine-tuning, and there is none",
            where=f"{resolved.file}: data",
            hint="leave it out, or add a section finetune",
        )
    brought = _check_labelled_sets(resolved)
    if resolved.labeler is not None:
        _check_labeler(resolved, [*frames, *pools])
    if _cheap(resolved.teacher) if read_model is None else read_model:
        check_teacher(resolved, {"structures": frames, "explore": pools, "data": brought})


def _cheap(family: Family) -> bool:
    """Whether reading a card of the family imports nothing that is not there yet."""
    return all(module in sys.modules for module in family.modules)


def _check_families(resolved: ResolvedInput, frames: list[Atoms]) -> None:
    """Refuse frames with an electronic state that the teacher or the student could not tell apart."""
    for key, family in (("teacher.family", resolved.teacher), ("distill.student.family", resolved.student)):
        if family is not None:
            with _at(resolved, key):
                refuse_unhonoured_state(frames, family.honours, f"the family {family.name!r}", key)


def check_teacher(resolved: ResolvedInput, frames: dict[str, list[Atoms]]) -> None:
    """Adopt the teacher into a temporary folder, and refuse frames with an element that its card does not name.

    Args:
        resolved: the input.
        frames: key of the input -> the frames that come from there.

    Raises:
        ModelError: if the model cannot be adopted, has no such head, or does not know an element.
    """
    teacher = resolved.input.teacher
    shipped = teacher.model in resolved.teacher.shipped
    source = teacher.model if shipped else str(source_path(resolved, teacher.model, "teacher.model"))
    with tempfile.TemporaryDirectory(prefix="pfd-") as folder, _at(resolved, "teacher"):
        card = resolved.teacher.adopt(source, teacher.head, Path(folder))
    for key, some in frames.items():
        with _at(resolved, key):
            check_elements(card, some)


def require_labeler(labeler: Labeler) -> None:
    """Refuse to go on without the labeler's packages and programs.

    Raises:
        MissingError: naming them and the command that installs them.
    """
    missing = [module for module in labeler.modules if importlib.util.find_spec(module) is None]
    command = str(getattr(labeler.settings, "command", "") or "")
    programs = [command.split(maxsplit=1)[0]] if command else list(labeler.programs)
    missing += [program for program in programs if shutil.which(program) is None]
    if missing:
        raise MissingError(f"the labeler {labeler.name!r} needs {', '.join(missing)}", hint=labeler.install)


@contextmanager
def _at(resolved: ResolvedInput, key: str) -> Iterator[None]:
    """Name the input file and the key in whatever error arises."""
    try:
        yield
    except (InputError, MissingError) as error:
        place = f"{resolved.file}: {key}"
        if error.where.startswith(place):
            raise
        what = f"{error.where}: {error.what}" if error.where and error.where not in key else error.what
        raise type(error)(what, where=place, hint=error.hint) from error


def _require_teacher(resolved: ResolvedInput) -> None:
    """A name that is neither shipped nor a file gets both lists."""
    model = resolved.input.teacher.model
    if model in resolved.teacher.shipped:
        return
    try:
        source_path(resolved, model, "teacher.model")
    except SettingError as error:
        shipped = ", ".join(resolved.teacher.shipped) or "none"
        hint = f"weights that come with {resolved.teacher.name}: {shipped}; or the path of a checkpoint"
        what = f"{model!r} is neither shipped weights nor a file"
        raise SettingError(what, where=f"{resolved.file}: teacher.model", hint=hint) from error


def _starting_frames(resolved: ResolvedInput) -> list[Atoms]:
    """All starting frames; each file is read by itself, so that an error names its key."""
    frames: list[Atoms] = []
    for index, entry in enumerate(resolved.input.structures):
        key = f"structures.{index}.file"
        path = source_path(resolved, entry.file, key)
        with _at(resolved, key):
            if path.is_dir():
                raise SettingError(f"{entry.file} is a folder", hint="name the structure file in it")
            frames += build_structures([entry], resolved.folder, resolved.input.seed)
    return frames


def _check_groups(resolved: ResolvedInput, frames: Sequence[Atoms]) -> list[Atoms]:
    """Every group of every stage; returns the frames of the pools."""
    pools = []
    for name, loop in (("finetune", resolved.input.finetune), ("distill", resolved.input.distill)):
        for stage, groups in enumerate(loop.explore if loop is not None else ()):
            for number, group in enumerate(groups):
                where = f"{name}.explore.{stage}.{number}"
                if isinstance(group, PoolSettings):
                    pools += _check_pool(resolved, group, where)
                else:
                    _check_md(resolved, group, frames, where)
    return pools


def _check_md(resolved: ResolvedInput, group: MDSettings, frames: Sequence[Atoms], where: str) -> None:
    place = f"{resolved.file}: {where}"
    if not frames:
        hint = "add a section structures: [{file: ...}]"
        raise SettingError("MD needs structures to start from, and there are none", where=place, hint=hint)
    if group.with_ == "student" and where.startswith("finetune"):
        raise SettingError("there is no student while fine-tuning", where=f"{place}.with", hint="leave it out")
    with _at(resolved, f"{where}.structures"):
        chosen = sorted({plan.structure or 0 for plan in plan_trajectories([group], len(frames))})
    for index in chosen:
        with _at(resolved, f"{where}.ensemble"):
            require_bulk(frames[index], group)
        with _at(resolved, where):
            degrees_of_freedom(frames[index])


def _check_pool(resolved: ResolvedInput, group: PoolSettings, where: str) -> list[Atoms]:
    path = source_path(resolved, group.file, f"{where}.file")
    with _at(resolved, f"{where}.file"):
        frames = list(read_pool(path, group).frames)
    fraction = resolved.input.evaluate.pool_test_fraction
    if fraction:
        with _at(resolved, "evaluate.pool_test_fraction"):
            try:
                split_by_trajectory(frames, fraction, 0)
            except DataError as error:
                what = f"testing on {fraction:g} of the {len(frames)} frames of {group.file} leaves no training frame"
                raise SettingError(what, hint="bring more frames, or name evaluate.test_file and write 0") from error
    return frames


def _check_labelled_sets(resolved: ResolvedInput) -> list[Atoms]:
    """The user's labelled sets, which need energy and forces, and the test set; returns the frames of the former."""
    brought = []
    for index, data in enumerate(resolved.input.data):
        key = f"data.{index}.file"
        path = source_path(resolved, data.file, key)
        with _at(resolved, key):
            frames = read_labelled(path, data.format, {str(name): label for name, label in data.labels.items()})
            require_labels(frames, where="")
            brought += frames
    test = resolved.input.evaluate
    if test.test_file is not None:
        path = source_path(resolved, test.test_file, "evaluate.test_file")
        with _at(resolved, "evaluate.test_file"):
            read_labelled(path, None, {str(name): label for name, label in test.test_labels.items()})
    return brought


def _check_labeler(resolved: ResolvedInput, frames: Sequence[Atoms]) -> None:
    assert resolved.labeler is not None
    labeler = make_labeler(resolved.labeler.model_dump(mode="json"))
    with _at(resolved, "finetune.label.method"):
        require_labeler(labeler)
        if not hasattr(resolved.labeler, "files"):
            labeler.check(frames)
            refuse_unhonoured(frames, labeler)
    _check_ranks(resolved, labeler)
    if isinstance(resolved.labeler, FamilyLabelerSettings):
        _check_label_model(resolved, resolved.labeler, frames)


def _check_ranks(resolved: ResolvedInput, labeler: Labeler) -> None:
    """Refuse a command that starts other than what the engine counts: cores would be oversubscribed, or lie idle."""
    started, cores = labeler.cores(), resolved.input.resources.label.cores
    if started is not None and cores % started[0]:
        ranks, setting = started
        raise SettingError(
            f"the command starts {ranks} processes, and resources.label.cores is {cores}",
            where=f"{resolved.file}: finetune.label.{setting}",
            hint=f"write resources: {{label: {{cores: {ranks}}}}}, or a multiple for more threads in each process",
        )


def _check_label_model(resolved: ResolvedInput, settings: FamilyLabelerSettings, frames: Sequence[Atoms]) -> None:
    """The model that labels in the place of first principles: named, installed, there, and of these elements.

    Raises:
        SettingError, ModelError, MissingError
    """
    if settings.family is None or settings.model is None:
        raise SettingError(
            "a model is to label, and none is named",
            where=f"{resolved.file}: finetune.label",
            hint="write label: {method: family, family: ..., model: ...}; the teacher itself would teach it nothing",
        )
    with _at(resolved, "finetune.label.family"):
        family: Family = load_plugin(FAMILIES, settings.family, "finetune.label.family")()
        require_family(family)
        refuse_unhonoured_state(frames, family.honours, f"the family {family.name!r}", "finetune.label.family")
    shipped = settings.model in family.shipped
    source = settings.model if shipped else str(source_path(resolved, settings.model, "finetune.label.model"))
    with _at(resolved, "finetune.label.model"):
        if (Path(source) / MODEL_FILE).is_file():
            card = read_model_folder(Path(source)).card
            if card.family != family.name:
                raise SettingError(f"the folder holds a model of the family {card.family!r}", hint="name that family")
            check_elements(card, frames)
        elif _cheap(family):
            with tempfile.TemporaryDirectory(prefix="pfd-") as folder:
                check_elements(family.adopt(source, settings.head, Path(folder)), frames)
