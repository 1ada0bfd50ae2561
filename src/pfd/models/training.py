"""Adopt, fine-tune and fit: what is the same for every family, the energy shift above all."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pfd.frames import EnergyShift, fit_energy_shift, labels_of, require_labels, with_labels
from pfd.frames.state import refuse_unhonoured_state
from pfd.models.environment import require_family
from pfd.models.family import (
    Family,
    Model,
    ModelCard,
    Progress,
    TrainingReport,
    no_progress,
    read_model,
    require_elements,
    write_model,
)
from pfd.plugins import FAMILIES, load_plugin
from pfd.settings import Settings
from pfd.software import version_of

if TYPE_CHECKING:
    from ase import Atoms


def make_family(name: str, where: str = "") -> Family:
    """The family of that registered name.

    Raises:
        SettingError: if there is none of that name.
    """
    family: Family = load_plugin(FAMILIES, name, where)()
    return family


def adopt_model(family: Family, source: str, head: str | None, folder: Path, trust_file: bool = False) -> Model:
    """Put a pre-trained model into an empty folder, with its ``model.json``."""
    model = Model(card=family.adopt(source, head, folder, trust_file), versions=package_versions(family))
    write_model(folder, model)
    return model


def package_versions(family: Family) -> dict[str, str]:
    """Installed versions of the family's packages."""
    names = (re.split(r"[^\w.-]", requirement)[0] for requirement in family.packages)
    return {name: version_of(name) for name in names}


def check_elements(card: ModelCard, frames: Sequence[Atoms], where: str = "") -> None:
    """Refuse frames with an element that the model of this card does not know; a card that names none knows all.

    Raises:
        ModelError: naming the elements.
    """
    if card.elements:
        require_elements(frames, card.elements, where, model=f"the model {card.name!r} ({card.family})")


def predict_frames(
    folder: Path, frames: Sequence[Atoms], progress: Progress = no_progress, device: str = "cpu"
) -> list[Atoms]:
    """The frames with the model's energy, forces and stress as labels."""
    card = read_model(folder).card
    family = make_family(card.family)
    require_family(family)
    check_elements(card, frames)
    return [
        with_labels(frame, labels)
        for frame, labels in zip(frames, family.predict(folder, frames, progress, device), strict=True)
    ]


def fine_tune_model(
    start: Path,
    train: Sequence[Atoms],
    valid: Sequence[Atoms],
    settings: Settings,
    seed: int,
    folder: Path,
    progress: Progress = no_progress,
    device: str = "cpu",
) -> TrainingReport:
    """Fine-tune the model in ``start`` into the new folder ``folder``.

    The energy shift is fitted on the training frames as minimum-norm least squares of label - model, added to the
    weights, and fitted and added again after the training: every later use of the model starts from those weights.

    Raises:
        DataError: if a frame lacks energy or forces.
        InputError: if a frame asks for an electronic state that the family cannot tell apart.
        ModelError: if the model does not know an element.
    """
    model = read_model(start)
    family = make_family(model.card.family)
    require_family(family)
    require_labels([*train, *valid], where="training set")
    refuse_unhonoured_state([*train, *valid], family.honours, f"the family {family.name!r}", "training set")
    check_elements(model.card, [*train, *valid], where="training set")
    shutil.copytree(start, folder, dirs_exist_ok=True)
    before = _shift(family, folder, train, device)
    report = family.fine_tune(folder, train, valid, settings, seed, progress, device)
    after = _shift(family, folder, train, device)
    total = dict(model.energy_shift_eV)
    for shift in (before, after):
        for symbol, value in shift.per_element_eV.items():
            total[symbol] = total.get(symbol, 0.0) + value
    card = read_model(folder).card  # a training may add a head to the model
    _record(folder, family, card, len(train) + len(valid), total, after.undetermined, train)
    return report


def fit_model(
    family: Family,
    train: Sequence[Atoms],
    valid: Sequence[Atoms],
    settings: Settings,
    seed: int,
    folder: Path,
    progress: Progress = no_progress,
    device: str = "cpu",
) -> TrainingReport:
    """Fit a student of the family from scratch into an empty folder; its energies are shifted as in fine-tuning.

    Raises:
        DataError: if a frame lacks energy or forces.
        InputError: if a frame asks for an electronic state that the family cannot tell apart.
    """
    require_family(family)
    require_labels([*train, *valid], where="training set")
    refuse_unhonoured_state([*train, *valid], family.honours, f"the family {family.name!r}", "training set")
    card, report = family.fit(folder, train, valid, settings, seed, progress, device)
    after = _shift(family, folder, train, device)
    distinct = len({id(frame) for frame in [*train, *valid]})  # a frame that counts several times stands there so often
    _record(folder, family, card, distinct, after.per_element_eV, after.undetermined, train)
    return report


def _shift(family: Family, folder: Path, train: Sequence[Atoms], device: str = "cpu") -> EnergyShift:
    shift = fit_energy_shift(train, family.predict(folder, train, device=device))
    family.add_energy_shift(folder, shift.per_element_eV)
    return shift


def _record(
    folder: Path,
    family: Family,
    card: ModelCard,
    frames: int,
    shift_eV: dict[str, float],
    undetermined: tuple[str, ...],
    train: Sequence[Atoms],
) -> None:
    levels = {labels_of(frame).level_of_theory for frame in train} - {""}
    level = " + ".join(sorted(levels)) or "unknown"
    write_model(
        folder,
        Model(
            card=card.model_copy(update={"level_of_theory": level}),
            energy_shift_eV=shift_eV,
            undetermined_elements=undetermined,
            trained_frames=frames,
            versions=package_versions(family),
        ),
    )
