"""The one point of the learning curve of a student that is solved for, not trained step by step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pfd.frames import Labels, labels_of
from pfd.models.family import EpochRecord

if TYPE_CHECKING:
    from ase import Atoms


def fitted_record(
    loss: float,
    valid: Sequence[Atoms],
    found: Sequence[Labels],
    train: Sequence[Atoms] = (),
    kept: Sequence[Labels] = (),
) -> EpochRecord:
    """The record, with the errors of what a fit predicts.

    Args:
        loss: of the fit.
        valid: labelled frames that it was not fitted to; there need be none.
        found: what it predicts of them.
        train: labelled frames that it was fitted to, if their errors are wanted.
        kept: what it predicts of them.
    """
    return EpochRecord(
        step=1,
        loss=loss,
        train_force_rmse_eV_per_A=_force_rmse(train, kept) if train else None,
        valid_force_rmse_eV_per_A=_force_rmse(valid, found) if valid else None,
        valid_energy_rmse_eV_per_atom=_energy_rmse(valid, found) if valid else None,
    )


def _force_rmse(frames: Sequence[Atoms], found: Sequence[Labels]) -> float:
    """Over all components, eV/Å."""
    pairs = zip(frames, found, strict=True)
    errors = [np.ravel(np.asarray(each.forces) - np.asarray(labels_of(frame).forces)) for frame, each in pairs]
    return float(np.sqrt(np.mean(np.square(np.concatenate(errors)))))


def _energy_rmse(frames: Sequence[Atoms], found: Sequence[Labels]) -> float:
    """Over all frames, eV per atom."""
    pairs = zip(frames, found, strict=True)
    errors = [(float(each.energy or 0.0) - float(labels_of(frame).energy or 0.0)) / len(frame) for frame, each in pairs]
    return float(np.sqrt(np.mean(np.square(errors))))
