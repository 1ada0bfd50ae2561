"""Per-frame sums of one quantity's residuals, from which every error and its bootstrap interval are made."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from pfd.arrays import Mask, PerFrame

Pair = tuple[np.ndarray, np.ndarray | None]
"""A label and its prediction (None if the model gave none), of equal shape and in the same unit."""

RESAMPLES = 1000
"""Bootstrap resamples: the ends of a 95 % interval then wobble by a few per cent of its width."""
BATCH = 100
"""Resamples drawn at once, which bounds the memory."""


@dataclass(frozen=True)
class Residuals:
    """Sums over the components of each frame; a frame without a finite prediction is marked, its sums are zero.

    Attributes:
        labelled: whether the frame carries the label.
        finite: whether it carries the label and the prediction is there and finite.
        components: numbers compared.
        squared: sum of (predicted - label)^2, squared unit.
        absolute: sum of the magnitude of (predicted - label), unit.
        label_squared: sum of label^2, squared unit.
        cross: sum of label x predicted, squared unit.
    """

    labelled: Mask
    finite: Mask
    components: PerFrame
    squared: PerFrame
    absolute: PerFrame
    label_squared: PerFrame
    cross: PerFrame

    @classmethod
    def of(cls, pairs: Sequence[Pair | None]) -> Residuals:
        """Sums of each frame's pair; None where the frame carries no such label."""
        labelled = np.array([pair is not None for pair in pairs], dtype=bool)
        sums = np.array([_sums(pair) for pair in pairs], dtype=float).reshape(len(pairs), 5)
        finite = labelled & np.isfinite(sums).all(axis=1)
        sums[~finite] = 0.0
        return cls(labelled, finite, *sums.T)

    def where(self, chosen: Mask) -> Residuals:
        """The residuals of some of the frames."""
        return Residuals(*(getattr(self, field.name)[chosen] for field in fields(self)))

    @property
    def bad(self) -> int:
        """Labelled frames without a finite prediction."""
        return int((self.labelled & ~self.finite).sum())

    @property
    def usable(self) -> bool:
        """True if there is something to compare and no labelled frame lacks a finite prediction."""
        return self.bad == 0 and self.components.sum() > 0

    def rmse(self) -> float | None:
        """Root mean square residual of a component, in the unit of the label; None if not usable."""
        return math.sqrt(self.squared.sum() / self.components.sum()) if self.usable else None

    def mae(self) -> float | None:
        """Mean absolute residual of a component, in the unit of the label; None if not usable."""
        return float(self.absolute.sum() / self.components.sum()) if self.usable else None

    def rms_label(self) -> float | None:
        """Root mean square of the label's components, in its unit; None if not usable."""
        return math.sqrt(self.label_squared.sum() / self.components.sum()) if self.usable else None

    def relative(self) -> float | None:
        """RMSE over the RMS label; None if not usable or if all labels are zero."""
        if not self.usable or self.label_squared.sum() == 0.0:
            return None
        return math.sqrt(self.squared.sum() / self.label_squared.sum())

    def slope(self) -> float | None:
        """Least squares slope through the origin of predicted against label; None if all labels are zero."""
        if not self.usable or self.label_squared.sum() == 0.0:
            return None
        return float(self.cross.sum() / self.label_squared.sum())

    def rmse_interval(self, seed: int) -> tuple[float, float] | None:
        """95 % bootstrap interval of ``rmse``; None if that is None or below two frames."""
        return self._interval(self.components, seed)

    def relative_interval(self, seed: int) -> tuple[float, float] | None:
        """95 % bootstrap interval of ``relative``; None if that is None or below two frames."""
        return self._interval(self.label_squared, seed)

    def _interval(self, weights: PerFrame, seed: int) -> tuple[float, float] | None:
        if not self.usable:
            return None
        return bootstrap_interval(self.squared[self.finite], weights[self.finite], seed)


def bootstrap_interval(numerators: PerFrame, denominators: PerFrame, seed: int) -> tuple[float, float] | None:
    """95 % percentile interval of sqrt(sum of numerators / sum of denominators), with frames drawn with replacement.

    Frames are taken as independent; those of one trajectory seldom are, and the interval is then too narrow.
    None if there are fewer than two frames, or if a resample has nothing to divide by.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), section 13.3.
    """
    count = len(numerators)
    if count < 2:
        return None
    random = np.random.default_rng(seed)
    squares = []
    for _ in range(RESAMPLES // BATCH):
        drawn = random.integers(count, size=(BATCH, count))
        below = denominators[drawn].sum(axis=1)
        if (below == 0.0).any():
            return None
        squares.append(numerators[drawn].sum(axis=1) / below)
    low, high = np.sqrt(np.percentile(squares, (2.5, 97.5)))
    return float(low), float(high)


def _sums(pair: Pair | None) -> tuple[float, float, float, float, float]:
    if pair is None:
        return (0.0,) * 5
    label, predicted = pair
    if predicted is None or not np.isfinite(predicted).all():
        return (math.nan,) * 5
    with np.errstate(over="ignore"):  # a squared residual beyond 1e308 is as bad as an infinite prediction
        residual = predicted - label
        return (
            float(label.size),
            float((residual**2).sum()),
            float(np.abs(residual).sum()),
            float((label**2).sum()),
            float((label * predicted).sum()),
        )
