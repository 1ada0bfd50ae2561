"""Points of parity plots (predicted against label), thinned to what a page can show, the worst always kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from pfd.evaluate.errors_of import pair_up
from pfd.evaluate.residuals import Pair
from pfd.frames import EnergyShift, Labels
from pfd.settings import Settings

if TYPE_CHECKING:
    from ase import Atoms

Values = Float[np.ndarray, "points"]
"""One number per point of a plot."""
MAX_POINTS = 2000
"""Points per plot: more do not show, and make the page heavy."""
KEPT_WORST = 0.02
"""Share of the points that goes to the largest residuals, so that thinning hides no outlier."""


class ParityPoints(Settings):
    """The points of one plot; numbers have six significant digits."""

    label: tuple[float, ...]
    """What the labels say, one number per point."""
    predicted: tuple[float, ...]
    """What the model says, in the same order and unit."""
    total: int
    """Points before thinning."""
    left_out: int = 0
    """Labelled numbers in frames without a finite prediction: they have no place in a plot."""
    frame: tuple[int, ...] = ()
    """Of each point, the index in ``Parity.frames`` of the frame it is of."""
    place: tuple[int, ...] = ()
    """Of each point, its index in the frame's label: 3 * atom + direction of a force, Voigt component of a stress."""


class Parity(Settings):
    """Points for the parity plots of one model; None where no frame carries the label."""

    energy_meV_per_atom: ParityPoints | None = None
    """Energies per atom after the shift, both relative to the mean label energy per atom, meV."""
    force_eV_per_A: ParityPoints | None = None
    """Force components, eV/Å."""
    stress_GPa: ParityPoints | None = None
    """Voigt components of the stress of bulk frames, GPa."""
    frames: tuple[str, ...] = ()
    """Ids of the labelled frames, in order; empty if one of them has none."""


def parity_points(
    labelled: Sequence[Atoms],
    predicted: Sequence[Labels],
    shift: EnergyShift | None = None,
    max_points: int = MAX_POINTS,
) -> Parity:
    """Points of energies, forces and stress; the same frames give the same points.

    Args:
        labelled: frames with labels.
        predicted: one per frame, in the same order: energy eV, forces eV/Å, stress eV/Å^3.
        shift: added to the predicted energies.
        max_points: most points per plot.

    Raises:
        DataError: if frames, atoms or labels do not fit each other (see ``error_report``).
    """
    compared = pair_up(labelled, predicted, shift)
    energies = [pair[0] for pair in compared.energy if pair is not None]
    mean = float(np.concatenate(energies).mean()) if energies else 0.0
    return Parity(
        energy_meV_per_atom=_points(compared.energy, mean, 1.0, max_points),
        force_eV_per_A=_points(compared.forces, 0.0, 1e-3, max_points),
        stress_GPa=_points(compared.stress, 0.0, 1.0, max_points),
        frames=tuple(ids) if all(ids := [str(frame.info.get("id", "")) for frame in labelled]) else (),
    )


def _points(pairs: Sequence[Pair | None], origin: float, factor: float, most: int) -> ParityPoints | None:
    there = [(index, *pair) for index, pair in enumerate(pairs) if pair is not None]
    if not there:
        return None
    finite = [(index, label, other) for index, label, other in there if other is not None and np.isfinite(other).all()]
    left_out = sum(label.size for _, label, _ in there) - sum(label.size for _, label, _ in finite)
    label = np.concatenate([label.ravel() for _, label, _ in finite] or [np.empty(0)])
    other = np.concatenate([other.ravel() for _, _, other in finite] or [np.empty(0)])
    frame = np.concatenate([np.full(label.size, index) for index, label, _ in finite] or [np.empty(0, dtype=int)])
    place = np.concatenate([np.arange(label.size) for _, label, _ in finite] or [np.empty(0, dtype=int)])
    kept = _thinned(np.abs(other - label), most)
    return ParityPoints(
        label=_rounded((label[kept] - origin) * factor),
        predicted=_rounded((other[kept] - origin) * factor),
        total=label.size,
        left_out=left_out,
        frame=tuple(int(index) for index in frame[kept]),
        place=tuple(int(index) for index in place[kept]),
    )


def _thinned(residual: Values, most: int) -> np.ndarray:
    """Indices of at most ``most`` points, in order: the worst, and a random draw (fixed seed) of the others.

    A regular stride would be simpler and wrong: with x, y, z in turn it may show one direction only.
    """
    if residual.size <= most:
        return np.arange(residual.size)
    ranked = np.argsort(-residual, kind="stable")
    worst = int(most * KEPT_WORST)
    others = np.random.default_rng(0).permutation(ranked[worst:])[: most - worst]
    return np.sort(np.concatenate([ranked[:worst], others]))


def _rounded(values: Values) -> tuple[float, ...]:
    return tuple(float(f"{value:.6g}") for value in values)
