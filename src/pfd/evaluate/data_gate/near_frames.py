"""What neighbouring frames of a set say of its labels: force against displacement, energy against work."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from pfd.evaluate.data_gate.labelled_set import LabelledSet, counts
from pfd.frames import labels_of

NEAR_A = 0.5
"""RMS displacement up to which a force should change against it: half of what separates neighbouring atoms' cages."""
TRAPEZOID_A = 0.1
"""RMS displacement up to which the mean of the forces at both ends is taken for the force on the way."""
STILL_A = 1e-3
"""RMS displacement below which two frames are the same."""
_STRAIN = 0.03
Displacements = Float[np.ndarray, "atoms 3"]
PerPair = Float[np.ndarray, "pairs"]
PerClosePair = Float[np.ndarray, "close_pairs"]


@dataclass(frozen=True)
class NearFrames:
    """Pairs of consecutive frames of the same atoms in nearly the same cell, with forces that count.

    Attributes:
        restoring: of each pair, minus the cosine between displacement and change of the forces, as 3N-vectors: positive
            if the forces pull back, as around a minimum; 0 +- 1/sqrt(3N) for forces that know nothing of it.
        components: 3N of each pair.
        work: of the pairs closer than ``TRAPEZOID_A`` in one cell, -sum of u (F1 + F2) / 2, eV: what the energy should
            have changed by.
        energy_change: of the same pairs, what the labels say, eV.
    """

    restoring: PerPair
    components: PerPair
    work: PerClosePair
    energy_change: PerClosePair

    def mean_restoring(self) -> float:
        """Mean of ``restoring`` over the components of all pairs; 0 if there is no pair."""
        return float(np.average(self.restoring, weights=self.components)) if len(self.restoring) else 0.0


def near_frames(labelled: LabelledSet) -> NearFrames:
    """The pairs of consecutive frames of a set that are near enough to learn from."""
    restoring, components, work, change = [], [], [], []
    for index in range(len(labelled.frames) - 1):
        first, second = labels_of(labelled.frames[index]), labels_of(labelled.frames[index + 1])
        step = displacements(labelled, index, index + 1)
        if step is None or first.forces is None or second.forces is None:
            continue
        if not (counts(first.forces) and counts(second.forces)):
            continue
        moved = float(np.sqrt((step**2).sum(axis=1).mean()))
        turned = second.forces - first.forces
        lengths = float(np.linalg.norm(step) * np.linalg.norm(turned))
        if not STILL_A <= moved <= NEAR_A or lengths == 0.0:
            continue
        restoring.append(-float((step * turned).sum()) / lengths)
        components.append(float(step.size))
        one_cell = np.allclose(labelled.frames[index].cell.array, labelled.frames[index + 1].cell.array, atol=1e-4)
        if moved <= TRAPEZOID_A and one_cell and first.energy is not None and second.energy is not None:
            work.append(-0.5 * float((step * (first.forces + second.forces)).sum()))
            change.append(second.energy - first.energy)
    return NearFrames(*(np.array(values, dtype=float) for values in (restoring, components, work, change)))


def displacements(labelled: LabelledSet, first: int, second: int) -> Displacements | None:
    """From one frame to another, Å, by the nearest images and without the mean; None if they have no atom in common.

    That is where atoms or their order differ, or a component of the cell by more than 3 % of its shortest edge.
    """
    one, two = labelled.frames[first], labelled.frames[second]
    if len(one) != len(two) or (one.numbers != two.numbers).any() or (one.pbc != two.pbc).any():
        return None
    if one.cell.rank < 3:
        step = two.positions - one.positions
        return step - step.mean(axis=0) if not one.pbc.any() else None
    if np.abs(two.cell.array - one.cell.array).max() > _STRAIN * one.cell.lengths().min():
        return None
    fractional = two.cell.scaled_positions(two.positions) - one.cell.scaled_positions(one.positions)
    fractional -= np.where(one.pbc, np.round(fractional), 0.0)
    step = fractional @ ((one.cell.array + two.cell.array) / 2.0)
    return np.asarray(step - step.mean(axis=0))
