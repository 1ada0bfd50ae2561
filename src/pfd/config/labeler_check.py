"""Whether the labeler is there, and can label such frames."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pfd.config.machine import check_ranks
from pfd.config.queue import programs_of_labels
from pfd.config.reading import ResolvedInput, at, source_path
from pfd.config.teacher import refuse_idle_trust
from pfd.environments.launch import Launch
from pfd.errors import MissingError, SettingError
from pfd.frames.state import refuse_unhonoured_state
from pfd.label.engine_program import ProgramLabeler
from pfd.label.family import FamilyLabelerSettings
from pfd.label.judge import refuse_unhonoured
from pfd.label.labeler import Labeler, make_labeler
from pfd.models.environment import read_card
from pfd.models.family import MODEL_FILE, Family, ModelCard
from pfd.models.family import read_model as read_model_folder
from pfd.models.training import check_elements
from pfd.plugins import FAMILIES, load_plugin

if TYPE_CHECKING:
    from ase import Atoms


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
