"""The fit of a POD model: weighted, regularised linear least squares on energies and forces."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field, model_validator

from pfd.errors import DataError, SettingError
from pfd.frames import EnergyShift, is_bulk, labels_of
from pfd.models.family import EpochRecord, Progress, TrainingReport
from pfd.models.least_squares import Coefficients, ReducedRows
from pfd.models.pod_basis import PODBasis, PODDescriptors
from pfd.models.pod_potential import PARAMETER_FILE, PODPotential
from pfd.settings import Settings

if TYPE_CHECKING:
    from ase import Atoms

PRESETS = {
    "S": PODBasis(radial=(6, 4, 4, 4, 4, 4), angular=(3, 3, 3, 3, 3)),
    "M": PODBasis(radial=(8, 5, 5, 5, 4, 4), angular=(4, 4, 4, 3, 3)),
    "L": PODBasis(radial=(8, 6, 6, 6, 5, 5), angular=(5, 5, 5, 4, 4)),
}
"""Silicon at 300 to 1200 K by CHGNet, 18 neighbours: 8.3, 7.6, 7.0 % of the RMS force at 14, 23, 49 µs per atom and
step."""
NEIGHBOURS = 21.0
"""Neighbours within the default cutoff."""


class PODFitSettings(Settings):
    """How a POD student is fitted."""

    size: Literal["S", "M", "L"] = "M"
    """How many functions; the presets lie on the front of error against speed that was measured on silicon."""
    basis: PODBasis | None = None
    """Numbers of functions of your own instead of a size."""
    cutoff_A: float | None = Field(default=None, gt=1.0, le=12.0)
    """Outer cutoff, Å. Default: the radius in which an atom of the bulk training frames has 21 neighbours on average,
    between 4.2 and 6 Å (silicon: 4.6 Å). The time per step grows with the number of neighbours; on silicon size S left
    4.2, 3.0 and 3.2 % of the RMS force at 4.4, 4.8 and 5.2 Å and took 31, 38 and 38 µs. Below 4.2 Å the outer shells of
    close-packed metals and of ionic crystals would be cut. 5 Å where no frame is bulk."""
    inner_cutoff_A: float | None = Field(default=None, gt=0.0)
    """Where the radial functions begin, Å. Default: 0.8 of the shortest distance in the training frames, since their
    resolution is wasted where no atoms are."""
    energy_weight: float = Field(default=100.0, ge=0.0)
    """Weight of an energy error per atom against that of one force component: at 100, 1 meV/atom counts like
    100 meV/Å, as in LAMMPS' fitpod; each frame has one energy but hundreds of force components."""
    frame_weighting: Literal["relative", "equal"] = "relative"
    """``relative`` divides a frame's errors by its RMS force where that is above the median: a few strongly distorted
    frames would otherwise own the loss. ``equal`` weights all frames alike."""
    ridge: float = Field(default=1e-8, ge=0.0)
    """Ridge regularisation, relative to the features' norms. On 12 to 60 silicon frames 1e-8 beat the best of
    1e-3 ... 1e-12 on a tenth of them, which are too few to choose by; more blurs, much less lets coefficients grow."""
    repulsion: Literal["zbl", "none"] = "zbl"
    """``zbl`` adds the screened nuclear repulsion at distances below all those in the training frames, where the
    linear model only extrapolates; it does not touch the fit. ``none`` leaves it out."""

    @model_validator(mode="after")
    def _one_basis(self) -> PODFitSettings:
        if self.basis is not None and self.moved("size"):
            raise ValueError("basis takes the place of size; remove one of the two")
        return self


def potential_for(train: Sequence[Atoms], valid: Sequence[Atoms], settings: PODFitSettings) -> PODPotential:
    """The potential, its cutoffs chosen by the frames where the settings leave them open.

    Raises:
        DataError: if the validation frames have elements that the training frames lack.
        SettingError: if the inner cutoff is not below the outer one.
    """
    elements = tuple(sorted({symbol for frame in train for symbol in frame.get_chemical_symbols()}))
    foreign = sorted({symbol for frame in valid for symbol in frame.get_chemical_symbols()} - {*elements})
    if foreign:
        raise DataError(f"no training frame has {', '.join(foreign)}", where="validation frames of POD")
    cutoff = settings.cutoff_A or default_cutoff(train)
    closest = min(shortest_distance(frame, cutoff) for frame in train)
    inner = settings.inner_cutoff_A or round(min(0.8 * closest, 0.5 * cutoff), 3)
    if inner >= cutoff:
        raise SettingError(f"inner_cutoff_A ({inner}) is not below cutoff_A ({cutoff})", where="POD")
    repulsion = (round(0.6 * closest, 3), round(0.95 * closest, 3)) if settings.repulsion == "zbl" else None
    return PODPotential(
        elements=elements,
        basis=settings.basis or PRESETS[settings.size],
        inner_cutoff_A=inner,
        cutoff_A=cutoff,
        repulsion_A=repulsion,
    )


def default_cutoff(frames: Sequence[Atoms]) -> float:
    """Radius, Å, of the sphere that holds ``NEIGHBOURS`` atoms at the bulk frames' mean density, within 4.2 to 6 Å."""
    bulk = [frame for frame in frames if is_bulk(frame)]
    if not bulk:
        return 5.0
    density = sum(len(frame) for frame in bulk) / sum(abs(float(frame.cell.volume)) for frame in bulk)
    radius = (3.0 * NEIGHBOURS / (4.0 * np.pi * density)) ** (1.0 / 3.0)
    return round(float(np.clip(radius, 4.2, 6.0)), 2)


def shortest_distance(frame: Atoms, cutoff_A: float) -> float:
    """The shortest distance between two atoms, Å; the cutoff if all are farther apart."""
    from vesin import ase_neighbor_list

    return float(np.min(ase_neighbor_list("d", frame, cutoff_A), initial=cutoff_A))


class _Rows:
    """The rows of one set of frames: as the loss weights them, and bare."""

    def __init__(self, features: int, energy_weight: float) -> None:
        self.loss = ReducedRows(features)
        self.forces = ReducedRows(features)
        self.energy = ReducedRows(features)
        self._energy_weight = energy_weight

    def add(self, frame: Atoms, rows: tuple[np.ndarray, np.ndarray], shift: EnergyShift, weight: float) -> None:
        labels = labels_of(frame)
        energy = np.array([float(labels.energy or 0.0) - shift.of(frame)]) / len(frame)
        forces = np.ravel(np.asarray(labels.forces))
        energy_row = rows[0][None] / len(frame)
        self.forces.add(rows[1], forces)
        self.energy.add(energy_row, energy)
        self.loss.add(rows[1] * weight, forces * weight)
        self.loss.add(energy_row * weight * self._energy_weight, energy * weight * self._energy_weight)


def fit_coefficients(
    potential: PODPotential,
    folder: Path,
    *,
    train: Sequence[Atoms],
    valid: Sequence[Atoms],
    shift: EnergyShift,
    settings: PODFitSettings,
    progress: Progress,
) -> tuple[Coefficients, TrainingReport]:
    """Coefficients that reproduce the labels less the shift, and the errors they leave.

    The loss is sum over frames of s^2 (w^2 (E error / atoms)^2 + sum over components of (F error)^2), with the frame's
    scale s and the energy weight w of the settings. Source: Nguyen and Rohskopf (2023), eq. 35, with a ridge.
    """
    median = float(np.median([_rms_force(frame) for frame in train]))
    total = len(train) + len(valid)
    sets: list[_Rows] = []
    with PODDescriptors(folder / PARAMETER_FILE, potential.elements, potential.cutoff_A) as descriptors:
        for index, frame in enumerate([*train, *valid]):
            rows = descriptors.of(frame)
            if not sets:
                sets = [_Rows(len(rows[0]), settings.energy_weight) for _ in range(2)]
            relative = settings.frame_weighting == "relative" and _rms_force(frame) > median
            weight = median / _rms_force(frame) if relative else 1.0
            sets[index >= len(train)].add(frame, rows, shift, weight)
            progress(0.9 * (index + 1) / total, f"descriptors of {index + 1} of {total} frames")
    progress(0.95, f"solving for {sets[0].loss.features} coefficients")
    solution = sets[0].loss.solve(settings.ridge)
    record = EpochRecord(
        step=1,
        loss=sets[0].loss.rms(solution) ** 2,
        train_force_rmse_eV_per_A=sets[0].forces.rms(solution),
        valid_force_rmse_eV_per_A=sets[1].forces.rms(solution) if valid else None,
        valid_energy_rmse_eV_per_atom=sets[1].energy.rms(solution) if valid else None,
    )
    return solution, TrainingReport(curve=(record,), best_step=1)


def _rms_force(frame: Atoms) -> float:
    return float(np.sqrt(np.mean(np.square(np.asarray(labels_of(frame).forces)))))
