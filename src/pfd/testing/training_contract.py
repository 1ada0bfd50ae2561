"""What every training must hold, as two functions: one for fine-tuning, one for fits from scratch."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pfd.frames import labels_of, with_labels
from pfd.frames.labels import Labels
from pfd.models.family import Family, model_digest, read_model
from pfd.models.torch_family import TorchFamily
from pfd.models.training import fine_tune_model, fit_model
from pfd.settings import Settings

if TYPE_CHECKING:
    from ase import Atoms

Train = Callable[[Sequence["Atoms"], Path], None]
"""Trains on the frames into a new folder."""
OFFSET_EV = 7.5
"""What is added to the energy of each atom in the labels: this much, and more by each element's atomic number."""


def check_fine_tuning(
    family: Family,
    start: Path,
    train: Sequence[Atoms],
    settings: Settings,
    scratch: Path,
    *,
    energy_eV: float = 1e-4,
    force_eV_per_A: float = 2e-3,
) -> None:
    """Hold the fine-tuning of a family to what the loop asks of it.

    It lowers the force error on its training frames, keeps cutoff and elements, gives the same bytes again with the
    same seed, and other frames of another zero of energy change nothing but the shift. What was saved is read back
    exactly.

    Args:
        family: the family.
        start: a model folder, with ``model.json``.
        train: labelled frames.
        settings: a short training.
        scratch: an empty folder.
        energy_eV: tolerance per atom where rounding may differ.
        force_eV_per_A: the same of forces.

    Raises:
        AssertionError: saying what does not hold, and by how much.
    """

    def fine_tune(frames: Sequence[Atoms], folder: Path) -> None:
        fine_tune_model(start, frames, [], settings, 0, folder)

    before, after = read_model(start).card, scratch / "first"
    wrong = list(_training(family, fine_tune, train, scratch, energy_eV, force_eV_per_A))
    card = read_model(after).card
    kept = [(name, getattr(before, name), getattr(card, name)) for name in ("cutoff_A", "elements", "heads", "head")]
    wrong += [f"{name} was {was} and is {became}" for name, was, became in kept if was != became]
    if isinstance(family, TorchFamily):
        saved = shutil.copytree(after, scratch / "saved")
        family.save(family.load(saved), saved)
        wrong += ["saving what was loaded gives other bytes"] if model_digest(saved) != model_digest(after) else []
    worse, better = (_force_rmse(family, folder, train) for folder in (start, after))
    if not better < worse:
        wrong.append(f"the force RMSE of its training frames was {worse:.4f} and is {better:.4f} eV/Å")
    assert not wrong, f"{family.name}: " + "; ".join(wrong)


def check_fit(
    family: Family,
    train: Sequence[Atoms],
    settings: Settings,
    scratch: Path,
    *,
    energy_eV: float = 1e-4,
    force_eV_per_A: float = 2e-3,
) -> None:
    """Hold a fit from scratch to the same; in the place of what it started from stands a model without forces.

    Args:
        family: the family.
        train: labelled frames.
        settings: a short fit.
        scratch: an empty folder.
        energy_eV: tolerance per atom where rounding may differ.
        force_eV_per_A: the same of forces.

    Raises:
        AssertionError: saying what does not hold, and by how much.
    """

    def fit(frames: Sequence[Atoms], folder: Path) -> None:
        folder.mkdir()
        fit_model(family, frames, [], settings, 0, folder)

    wrong = list(_training(family, fit, train, scratch, energy_eV, force_eV_per_A))
    flat = _rms([np.asarray(labels_of(frame).forces) for frame in train])
    found = _force_rmse(family, scratch / "first", train)
    if not found < flat:
        wrong.append(f"the force RMSE of its training frames is {found:.4f} eV/Å, that of no model {flat:.4f}")
    elements = {symbol for frame in train for symbol in frame.get_chemical_symbols()}
    if not elements <= set(read_model(scratch / "first").card.elements):
        wrong.append("its card does not name the elements of its training frames")
    assert not wrong, f"{family.name}: " + "; ".join(wrong)


def _training(
    family: Family, run: Train, train: Sequence[Atoms], scratch: Path, energy_eV: float, force_eV_per_A: float
) -> Iterator[str]:
    first, second, moved = scratch / "first", scratch / "second", scratch / "moved"
    run(train, first)
    run(train, second)
    if model_digest(first) != model_digest(second):
        yield "the same seed and frames give other bytes"
    run([_with_offset(frame) for frame in train], moved)
    copy = shutil.copytree(first, scratch / "copy")
    some = train[:2]
    here, there, again = (family.predict(folder, some) for folder in (first, moved, copy))
    off_energy = off_force = 0.0
    for frame, one, other, same in zip(some, here, there, again, strict=True):
        if one.energy != same.energy or not np.array_equal(np.asarray(one.forces), np.asarray(same.forces)):
            yield "a copy of the model predicts something else"
        gained = (float(other.energy or 0) - float(one.energy or 0) - _offset_eV(frame)) / len(frame)
        off_energy = max(off_energy, abs(gained))
        off_force = max(off_force, float(np.abs(np.asarray(other.forces) - np.asarray(one.forces)).max()))
    if off_energy > energy_eV or off_force > force_eV_per_A:
        off = f"{off_energy:.1e} eV/atom and {off_force:.1e} eV/Å"
        yield f"another zero of the labels' energy moves more than the energy, by {off}"


def _with_offset(frame: Atoms) -> Atoms:
    labels = labels_of(frame)
    energy = float(labels.energy or 0) + _offset_eV(frame)
    return with_labels(frame, Labels(energy, labels.forces, labels.stress, labels.level_of_theory))


def _offset_eV(frame: Atoms) -> float:
    return float((OFFSET_EV + frame.numbers / 10).sum())


def _force_rmse(family: Family, folder: Path, frames: Sequence[Atoms]) -> float:
    pairs = zip(family.predict(folder, frames), map(labels_of, frames), strict=True)
    return _rms([np.asarray(found.forces) - np.asarray(label.forces) for found, label in pairs])


def _rms(values: Sequence[np.ndarray]) -> float:
    return float(np.sqrt(np.mean(np.concatenate([np.ravel(each) for each in values]) ** 2)))
