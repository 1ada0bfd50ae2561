"""Choice by disagreement: where several models give different forces, none of them knows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from pfd.errors import DataError

CommitteeForces = Float[np.ndarray, "models atoms 3"]
PerAtom = Float[np.ndarray, "atoms"]
PerFrame = Float[np.ndarray, "frames"]


def force_deviations(forces: CommitteeForces) -> PerAtom:
    """Deviation on each atom of a frame, sqrt(mean over models of |F - mean F|^2), eV/Å.

    Raises:
        DataError: if there are fewer than two models.

    Source: Zhang et al., Phys. Rev. Materials 3, 023804 (2019), eq. 1 (DP-GEN's model deviation; it compares frames
    by the largest of their atoms).
    """
    if len(forces) < 2:
        raise DataError(
            f"{len(forces)} model cannot disagree", where="committee", hint="hand in the forces of two or more"
        )
    squared = ((forces - forces.mean(axis=0)) ** 2).sum(axis=2)
    return np.asarray(np.sqrt(squared.mean(axis=0)))


@dataclass(frozen=True)
class Calibration:
    """What a committee's disagreement says of its error, from labelled frames.

    Attributes:
        scale: RMS force error of the committee's mean over RMS deviation: above 1 the committee is too sure of itself.
        correlation: rank correlation of deviation and error over the frames' worst atoms; near 0 disagreement is
            no guide, and another method is better.
    """

    scale: float
    correlation: float


def calibrate(deviations: Sequence[PerAtom], errors: Sequence[PerAtom]) -> Calibration:
    """Compare disagreement with error on labelled frames, which no model of the committee was trained on.

    Args:
        deviations: of each frame the ``force_deviations``, eV/Å.
        errors: of each frame the length of the error of the committee's mean force on each atom, eV/Å.

    Raises:
        DataError: if there are fewer than two frames, or the committee agrees everywhere.
    """
    from scipy.stats import spearmanr

    if len(deviations) < 2 or len(deviations) != len(errors):
        raise DataError(
            f"{len(deviations)} predicted and {len(errors)} labelled frames calibrate nothing",
            where="committee",
            hint="hand in the predictions and labels of the same frames, at least two",
        )
    spread = float(np.sqrt(np.mean(np.concatenate(deviations) ** 2)))
    if spread == 0.0:
        raise DataError(
            "all models give the same forces", where="committee", hint="train them with different seeds or data"
        )
    scale = float(np.sqrt(np.mean(np.concatenate(errors) ** 2))) / spread
    worst = [[float(part.max()) for part in parts] for parts in (deviations, errors)]
    constant = any(len(set(values)) < 2 for values in worst)
    return Calibration(scale, 0.0 if constant else float(spearmanr(*worst).statistic))


@dataclass(frozen=True)
class Trust:
    """Candidates by their deviation: indices of the accurate, of those worth a label, and of the failed ones."""

    accurate: tuple[int, ...]
    candidate: tuple[int, ...]
    failed: tuple[int, ...]


def sort_by_trust(deviation: PerFrame, low_eV_per_A: float, high_eV_per_A: float) -> Trust:
    """Below ``low`` the models know the frame; from ``high`` on (or not finite) it is no physical frame.

    Raises:
        DataError: if the levels are not 0 <= low < high.

    Source: DP-GEN's ``model_devi_f_trust_lo`` and ``model_devi_f_trust_hi``.
    """
    if not 0 <= low_eV_per_A < high_eV_per_A:
        raise DataError(
            f"trust levels {low_eV_per_A:g} and {high_eV_per_A:g} eV/Å are not 0 <= low < high",
            where="committee",
            hint="DP-GEN's usual ones are 0.05 and 0.2 times the RMS force or so",
        )
    known = deviation < low_eV_per_A
    lost = ~(deviation < high_eV_per_A)
    places = [np.flatnonzero(mask).tolist() for mask in (known, ~known & ~lost, lost)]
    return Trust(*(tuple(int(place) for place in part) for part in places))


def more_disputed_half(deviation: PerFrame) -> Trust:
    """The half with the larger deviations as candidates; frames whose deviation is not finite have failed."""
    finite = np.isfinite(deviation)
    middle = float(np.median(deviation[finite])) if finite.any() else 0.0
    masks = (finite & (deviation < middle), finite & (deviation >= middle), ~finite)
    return Trust(*(tuple(int(place) for place in np.flatnonzero(mask)) for mask in masks))
