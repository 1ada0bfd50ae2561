"""What can be known to be wrong before anything is started: files, elements, programs, contradictions."""

from __future__ import annotations

import importlib.util
import shutil

from pfd.config.reading import ResolvedInput, source_path
from pfd.errors import MissingError, SettingError
from pfd.explore.settings import MDSettings, PoolSettings
from pfd.frames import count_labels
from pfd.frames.outside import read_labelled
from pfd.frames.structures import build_structures
from pfd.label.judge import refuse_unhonoured
from pfd.label.labeler import Labeler, make_labeler
from pfd.models.training import require_family


def check_input(resolved: ResolvedInput) -> None:
    """Look at everything that costs nothing.

    Raises:
        SettingError, DataError, ModelError, MissingError: the first thing that would stop the run later.
    """
    tree = resolved.input
    require_family(resolved.teacher)
    if resolved.student is not None:
        require_family(resolved.student)
    if tree.teacher.model not in resolved.teacher.shipped:
        _checkpoint(resolved)
    _groups(resolved)
    for index, entry in enumerate(tree.structures):
        source_path(resolved, str(entry.file), f"structures.{index}.file")
    frames = build_structures(tree.structures, resolved.folder, tree.seed)
    for index, data in enumerate(tree.data):
        path = source_path(resolved, data.file, f"data.{index}.file")
        counts = count_labels(read_labelled(path, data.format, {str(name): key for name, key in data.labels.items()}))
        if not counts["forces"] or not counts["energy"]:
            raise SettingError(
                f"of {counts['frames']} frames {counts['energy']} carry energy and {counts['forces']} carry forces",
                where=f"data.{index}.file",
                hint="name the keys: labels: {energy: ..., forces: ...}",
            )
    if resolved.labeler is not None:
        labeler = make_labeler(resolved.labeler.model_dump(mode="json"))
        require_labeler(labeler)
        if not hasattr(resolved.labeler, "files"):
            labeler.check(frames)
            refuse_unhonoured(frames, labeler)
    if tree.evaluate.test_file is not None:
        source_path(resolved, tree.evaluate.test_file, "evaluate.test_file")


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


def _checkpoint(resolved: ResolvedInput) -> None:
    """A name that is neither shipped nor a file gets both lists."""
    model = resolved.input.teacher.model
    try:
        source_path(resolved, model, "teacher.model")
    except SettingError as error:
        shipped = ", ".join(resolved.teacher.shipped) or "none"
        hint = f"weights that come with {resolved.teacher.name}: {shipped}; or the path of a checkpoint"
        raise SettingError(
            f"{model!r} is neither shipped weights nor a file", where="teacher.model", hint=hint
        ) from error


def _groups(resolved: ResolvedInput) -> None:
    for name, loop in (("finetune", resolved.input.finetune), ("distill", resolved.input.distill)):
        for stage, groups in enumerate(loop.explore if loop is not None else ()):
            for number, group in enumerate(groups):
                where = f"{name}.explore.{stage}.{number}"
                if isinstance(group, PoolSettings):
                    source_path(resolved, str(group.file), f"{where}.file")
                elif not resolved.input.structures:
                    raise SettingError("MD needs something to start from", where=where, hint="add a section structures")
                if isinstance(group, MDSettings) and group.with_ == "student" and name == "finetune":
                    raise SettingError(
                        "there is no student while fine-tuning", where=f"{where}.with", hint="leave it out"
                    )
