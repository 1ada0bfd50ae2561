"""The constant energy per element between two levels of theory, fitted by minimum-norm least squares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pfd.frames.labels import Labels, labels_of

if TYPE_CHECKING:
    from ase import Atoms


@dataclass(frozen=True)
class EnergyShift:
    """What to add to a model's energy, per atom of each element.

    Attributes:
        per_element_eV: chemical symbol -> eV per atom.
        undetermined: elements whose own value the compositions do not determine; only sums over them are fixed,
            and the minimum-norm solution is the gauge.
    """

    per_element_eV: dict[str, float]
    undetermined: tuple[str, ...] = ()

    def of(self, frame: Atoms) -> float:
        """The shift of a whole frame, eV."""
        return float(sum(self.per_element_eV.get(symbol, 0.0) for symbol in frame.get_chemical_symbols()))


def fit_energy_shift(labelled: Sequence[Atoms], predictions: Sequence[Labels]) -> EnergyShift:
    """Fit label - model = sum over elements of count x shift, weighting every frame by 1 / atoms.

    Frames without an energy on either side are left out. The solution has minimum norm (``numpy.linalg.lstsq``),
    so that elements whose counts are proportional in all frames share the shift evenly per count.
    """
    symbols = sorted({symbol for frame in labelled for symbol in frame.get_chemical_symbols()})
    rows, differences = [], []
    for frame, prediction in zip(labelled, predictions, strict=True):
        energy = labels_of(frame).energy
        if energy is None or prediction.energy is None:
            continue
        names = frame.get_chemical_symbols()
        rows.append([names.count(symbol) / len(frame) for symbol in symbols])
        differences.append((energy - prediction.energy) / len(frame))
    if not rows:
        return EnergyShift({})
    matrix = np.array(rows)
    solution = np.linalg.lstsq(matrix, np.array(differences), rcond=1e-8)[0]
    _, singular, vectors = np.linalg.svd(matrix, full_matrices=True)
    rank = int((singular > 1e-8 * singular[0]).sum())
    loose = np.linalg.norm(vectors[rank:], axis=0) > 1e-6
    return EnergyShift(
        {symbol: float(value) for symbol, value in zip(symbols, solution, strict=True)},
        tuple(symbol for symbol, free in zip(symbols, loose, strict=True) if free),
    )
