"""What can be known of the teacher before it is adopted: that it is there, and which elements it knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pfd.config.brought import read_data, read_pool_of, read_test_set
from pfd.config.reading import ResolvedInput, at, source_path
from pfd.environments.launch import Launch
from pfd.errors import SettingError
from pfd.explore.settings import PoolSettings
from pfd.models.environment import read_card
from pfd.models.family import MODEL_FILE, Family, ModelCard
from pfd.models.training import check_elements
from pfd.wording import shortened

if TYPE_CHECKING:
    from ase import Atoms


def require_teacher(resolved: ResolvedInput) -> None:
    """Refuse a name that is neither shipped nor a file; the hint tells both kinds.

    Raises:
        SettingError: naming the shipped weights; or if a file is to be trusted where that is never asked.
    """
    model = resolved.input.teacher.model
    refuse_idle_trust(resolved, resolved.teacher, "teacher.trust_file", trust_file=resolved.input.teacher.trust_file)
    if model in resolved.teacher.shipped:
        return
    try:
        path = source_path(resolved, model, "teacher.model")
    except SettingError as error:
        shipped = ", ".join(resolved.teacher.shipped) or "none"
        published = "".join(f"; {name} is at {place}" for name, place in resolved.teacher.downloads.items())
        hint = f"weights that come with {resolved.teacher.name}: {shipped}; or the path of a checkpoint{published}"
        what = f"{shortened(model)!r} is neither shipped weights nor a file"
        raise SettingError(what, where=resolved.place("teacher.model"), hint=hint) from error
    if (path / MODEL_FILE).is_file():
        files = sorted(str(file) for file in path.iterdir() if file.name != MODEL_FILE)
        what = f"{shortened(model)!r} is the folder of a model, and a teacher is a checkpoint"
        hint = f"name the checkpoint in it: {' or '.join(files)}"
        raise SettingError(what, where=resolved.place("teacher.model"), hint=hint)


def teacher_source(resolved: ResolvedInput) -> str:
    """The name of the shipped weights, or the path of the checkpoint."""
    model = resolved.input.teacher.model
    return model if model in resolved.teacher.shipped else str(source_path(resolved, model, "teacher.model"))


def refuse_idle_trust(resolved: ResolvedInput, family: Family, key: str, *, trust_file: bool) -> None:
    """Refuse the word that a file may be trusted, where a family never asks for it.

    Raises:
        SettingError
    """
    if trust_file and not family.pickles:
        raise SettingError(
            f"checkpoints of {family.name!r} are never read in a way that could run code",
            where=resolved.place(key),
            hint="leave it out",
        )


def check_teacher(
    resolved: ResolvedInput, frames: Mapping[str, Sequence[Atoms]], launch: Launch | None
) -> ModelCard | None:
    """Refuse frames with an element that the teacher does not know.

    Args:
        resolved: the input.
        frames: key of the input -> the frames that come from there.
        launch: how to ask the teacher for its card; None asks nothing but the family, which may tell the elements of
            weights that it ships.

    Returns:
        The teacher's card, if it was asked for.

    Raises:
        ModelError: if the model cannot be adopted, has no such head, or does not know an element.
    """
    teacher, family = resolved.input.teacher, resolved.teacher
    shipped = teacher.model in family.shipped
    if shipped and (elements := family.shipped_elements(teacher.model)):
        card = ModelCard(family=family.name, name=teacher.model, elements=elements)
        _check_elements(resolved, card, frames)
    if launch is None:
        return None
    source = teacher.model if shipped else str(source_path(resolved, teacher.model, "teacher.model"))
    with at(resolved, "teacher"):
        card = read_card(family, source, teacher.head, teacher.trust_file, launch)
    _check_elements(resolved, card, frames)
    return card


def tuning_files(resolved: ResolvedInput) -> dict[str, Path]:
    """Field of the fine-tuning's settings -> the file that it names: those whose names end with ``_file``.

    Raises:
        SettingError: if one is not there.
    """
    given = {} if resolved.tuning is None else resolved.tuning.model_dump()
    named = {name: value for name, value in given.items() if name.endswith("_file") and isinstance(value, str)}
    return {name: source_path(resolved, value, f"finetune.train.{name}") for name, value in named.items()}


def check_brought_elements(resolved: ResolvedInput, card: ModelCard) -> None:
    """Refuse pools, labelled sets and a test set with an element that an adopted model does not know.

    Raises:
        ModelError: naming the key and the elements.
    """
    loops = {"finetune": resolved.input.finetune, "distill": resolved.input.distill}
    pools = [
        read_pool_of(resolved, group, f"{name}.explore.{stage}.{number}")
        for name, loop in loops.items()
        if loop is not None
        for stage, groups in enumerate(loop.explore)
        for number, group in enumerate(groups)
        if isinstance(group, PoolSettings)
    ]
    brought = [*read_data(resolved), *pools, *read_test_set(resolved)]
    _check_elements(resolved, card, {each.key: each.frames for each in brought})


def _check_elements(resolved: ResolvedInput, card: ModelCard, frames: Mapping[str, Sequence[Atoms]]) -> None:
    for key, some in frames.items():
        with at(resolved, key):
            check_elements(card, some)
