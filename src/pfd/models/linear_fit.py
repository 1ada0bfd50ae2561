"""The fit of a linear student: weighted, regularised least squares on energies, forces and stresses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from pfd.errors import DataError, TaskFailed
from pfd.frames import EnergyShift, is_bulk, labels_of, trainable_stress
from pfd.frames.neighbours import shortest_distance
from pfd.models.family import Progress
from pfd.models.least_squares import Coefficients, Inequalities, ReducedRows
from pfd.models.linear_potential import Descriptors
from pfd.models.repulsion import Repulsion, ranges_of_frames
from pfd.models.squeeze import compressions, crowds, pushes
from pfd.settings import Settings

if TYPE_CHECKING:
    from ase import Atoms

ROUNDING = 1e-9
"""eV/Å, of a push that is to be nothing."""
MARGIN = 0.1
"""Part of the nuclear repulsion that must be left of it, whatever the linear model adds."""
NEIGHBOURS = 21.0
"""Neighbours within the default cutoff."""
LEAST_USUAL = 0.1
"""Of the root of all frames' mean square force: below it, a median is one of crystals without forces."""
STILL = 0.01
"""Of the median RMS force: forces below it are those of perfect crystals, which decide nothing."""
FEW_EQUATIONS, ENOUGH_EQUATIONS = 3.0, 10.0
"""Force components for each coefficient up to which a ridge is the largest, and from which on the smallest."""
RIDGE_OF_ENOUGH = 1e-8
"""The ridge from there on, relative to the features' norms."""


class LinearFitSettings(Settings):
    """How a linear student is fitted, whatever its descriptors."""

    cutoff_A: float | None = Field(default=None, gt=1.0, le=12.0)
    """Outer cutoff, Å. Default: the radius in which an atom of the bulk training frames has 21 neighbours on average,
    between 4.2 and 6 Å (silicon: 4.6 Å). The time per step grows with the number of neighbours; on silicon POD's size S
    of before left 4.2, 3.0 and 3.2 % of the RMS force at 4.4, 4.8 and 5.2 Å and took 31, 38 and 38 µs. Below 4.2 Å the
    outer shells of close-packed metals and of ionic crystals would be cut. 5 Å where no frame is bulk."""
    energy_weight: float = Field(default=100.0, ge=0.0)
    """Weight of an energy error per atom against that of one force component: at 100, 1 meV/atom counts like
    100 meV/Å, as in LAMMPS' fitpod; each frame has one energy but hundreds of force components."""
    most_stress_weight: ClassVar[float] = 2.0
    """The default ``stress_weight`` where equations are many."""
    many_equations: ClassVar[float] = 40.0
    """Force components for each coefficient of which as many more make stresses, and calm frames, count once more."""
    most_calm_weight: ClassVar[float] = 5.0
    """Most that forces and stress of a frame with small forces are multiplied with."""
    stress_weight: float | None = Field(default=None, ge=0.0)
    """Weight of an error of stress times volume over the root of the number of atoms (eV) against that of one force
    component, of bulk frames with a stress. Default: one for each 40 force components that the frames have for each
    coefficient, 2 at most (SNAP: each 100, 0.5 at most), since few stresses are learnt by heart. 1185 frames of
    molybdenum, POD M of 392 coefficients: 2 in the place of 1 brought C11 from 11 to 7 % off the teacher's, at 2 % of
    the force error; 60 frames of 8 atoms and two elements: 0.25 made forces worse by a third (docs/distillation.md).
    POD's fits take three to four times as long; SNAP's virial is at hand. 0 leaves stresses out."""
    frame_weighting: Literal["relative", "equal"] = "relative"
    """``relative`` divides a frame's errors by its RMS force where that is above the median (or, where most frames are
    crystals without forces, above a tenth of the RMS over all): a few strongly distorted frames would otherwise own the
    loss. Where there are more than 40 force components for each coefficient, POD multiplies forces and stress of
    frames with small forces likewise, by up to a fortieth of that number and 5, so that strained crystals are learnt
    beside a melt. ``equal`` weights all frames alike."""
    most_ridge: ClassVar[float] = 1e-5
    """The default ``ridge`` where equations are few."""
    ridge: float | None = Field(default=None, ge=0.0)
    """Ridge regularisation, relative to the features' norms. Default: 1e-5 (SNAP: 1e-8) where the frames have three
    force components for each coefficient, or fewer, and 1e-8 where they have ten, or more; between them it falls evenly
    in its logarithm. 21 frames of molybdenum left POD M with 402 meV/Å at 1e-8 and with 249 at 1e-5, 73 frames with
    208 and 221 (docs/distillation.md)."""
    repulsion: Literal["zbl", "none"] = "zbl"
    """``zbl`` adds the screened nuclear repulsion of each pair of elements below its shortest distance in the training
    frames, where the linear model only extrapolates, and has the fit keep two atoms repelling each other from there
    down to 0.5 Å, in vacuum and among the neighbours that training frames give them, several neighbours that are drawn
    to an atom at once too, and has compressing frames as a whole cost energy. Without, POD pulled two silicon atoms
    together by 960 eV. The force error on silicon and molybdenum changed by less than 1 %. ``none`` leaves out all of
    it."""

    @property
    def neighbours(self) -> float:
        """How many neighbours the default cutoff holds."""
        return NEIGHBOURS

    @property
    def smoothness(self) -> float:
        """Weight of ``Descriptors.roughness``."""
        return 0.0

    def stress_weight_of(self, frames: Sequence[Atoms], coefficients: int) -> float:
        """The weight of stresses in a fit of so many coefficients to these frames."""
        if self.stress_weight is not None:
            return self.stress_weight
        return min(self.most_stress_weight, 3 * sum(map(len, frames)) / coefficients / self.many_equations)

    def ridge_of(self, frames: Sequence[Atoms], coefficients: int) -> float:
        """The ridge of a fit of so many coefficients to these frames."""
        if self.ridge is not None:
            return self.ridge
        share = 3 * sum(map(len, frames)) / coefficients
        digits = np.log10((self.most_ridge, RIDGE_OF_ENOUGH))
        return float(10.0 ** np.interp(share, (FEW_EQUATIONS, ENOUGH_EQUATIONS), digits))

    def max_frame_weight(self, frames: Sequence[Atoms], coefficients: int) -> float:
        """The largest factor of forces and stress of a calm frame in a fit of so many coefficients to these frames.

        1 where most frames are crystals without forces: those are many enough.
        """
        median, least = _median_and_least(frames)
        if self.frame_weighting == "equal" or median < least:
            return 1.0
        moving = [frame for frame in frames if _rms_force(frame) > STILL * median]
        return min(self.most_calm_weight, max(1.0, 3 * sum(map(len, moving)) / coefficients / self.many_equations))


class Ranges(Settings):
    """What the frames say of a student's distances where the settings leave them open."""

    elements: tuple[str, ...]
    """Chemical symbols, sorted."""
    cutoff_A: float
    """Outer cutoff, Å."""
    closest_A: float
    """Shortest distance in the training frames, Å."""
    repulsion_A: dict[str, tuple[float, float]] | None
    """Of each pair of elements: where the nuclear repulsion begins to be switched off and where it has vanished, Å;
    None without it."""


def ranges_of(train: Sequence[Atoms], valid: Sequence[Atoms], settings: LinearFitSettings, name: str) -> Ranges:
    """Elements and distances of a student.

    Raises:
        DataError: if the validation frames have elements that the training frames lack.
    """
    elements = tuple(sorted({symbol for frame in train for symbol in frame.get_chemical_symbols()}))
    foreign = sorted({symbol for frame in valid for symbol in frame.get_chemical_symbols()} - {*elements})
    if foreign:
        raise DataError(f"no training frame has {', '.join(foreign)}", where=f"validation frames of {name}")
    cutoff = settings.cutoff_A or default_cutoff(train, settings.neighbours)
    closest = min(shortest_distance(frame, cutoff) or cutoff for frame in train)
    repulsion = ranges_of_frames(train, elements, cutoff) if settings.repulsion == "zbl" else None
    return Ranges(elements=elements, cutoff_A=cutoff, closest_A=closest, repulsion_A=repulsion)


def default_cutoff(frames: Sequence[Atoms], neighbours: float = NEIGHBOURS) -> float:
    """Radius, Å, of the sphere that holds so many atoms at the bulk frames' mean density, within 4.2 to 6 Å.

    The limits are those of ``NEIGHBOURS``; of fewer neighbours, they are as much smaller as the radius is.
    """
    smaller = float((neighbours / NEIGHBOURS) ** (1.0 / 3.0))
    bulk = [frame for frame in frames if is_bulk(frame)]
    if not bulk:
        return round(5.0 * smaller, 2)
    density = sum(len(frame) for frame in bulk) / sum(abs(float(frame.cell.volume)) for frame in bulk)
    radius = (3.0 * NEIGHBOURS / (4.0 * np.pi * density)) ** (1.0 / 3.0)
    return round(smaller * float(np.clip(radius, 4.2, 6.0)), 2)


def fit_coefficients(
    descriptors: Descriptors,
    frames: Sequence[Atoms],
    *,
    shift: EnergyShift,
    repulsion: Repulsion,
    settings: LinearFitSettings,
    progress: Progress,
) -> tuple[Coefficients, float]:
    """Coefficients that reproduce the labels less the shift and the repulsion, and the loss that they leave.

    The loss is sum over frames of t^2 w^2 (E error / atoms)^2 + s^2 (sum over components of (F error)^2 + v^2 sum over
    components of (stress error * volume)^2 / atoms), with the frame's scale s, t = min(s, 1), and the weights w
    of energies and v of stresses, over the number of all terms; roughness is no part of it. Source: Nguyen and
    Rohskopf (2023), eq. 35, with a ridge; stresses as in Thompson et al., J. Comput. Phys. 285, 316 (2015).
    """
    usual = _usual_force(frames)
    reduced: ReducedRows | None = None
    stress_weight, most = 0.0, 1.0
    times = Counter(map(id, frames))  # a frame that counts several times stands there so often
    distinct = list({id(frame): frame for frame in frames}.values())
    for index, frame in enumerate(distinct):
        energy_row, force_rows = descriptors.of(frame)
        if reduced is None:
            reduced = ReducedRows(len(energy_row))
            stress_weight = settings.stress_weight_of(distinct, len(energy_row))
            most = settings.max_frame_weight(distinct, len(energy_row))
        relative = settings.frame_weighting == "relative"
        weight = weight_of(_rms_force(frame), usual, most) if relative else 1.0
        of_energy = min(weight, 1.0) * settings.energy_weight / len(frame)
        labels, apart = labels_of(frame), repulsion.labels(frame)
        energy = float(labels.energy or 0.0) - shift.of(frame) - float(apart.energy or 0.0)
        forces = np.ravel(np.asarray(labels.forces) - np.asarray(apart.forces))
        rows, targets = [force_rows * weight, energy_row * of_energy], np.append(forces * weight, energy * of_energy)
        reduced.add(np.vstack(rows), targets, times[id(frame)])
        stress = trainable_stress(frame)
        if stress is not None and stress_weight > 0.0:
            of_stress = weight * stress_weight * abs(float(frame.cell.volume)) / len(frame) ** 0.5
            rest = stress if apart.stress is None else stress - apart.stress
            reduced.add(descriptors.stress(frame) * of_stress, rest * of_stress, times[id(frame)])
        progress(0.8 * (index + 1) / len(distinct), f"descriptors of {index + 1} of {len(distinct)} frames")
    assert reduced is not None
    progress(0.8, "pairs of atoms pushed together")
    apart_pushes = repelling(descriptors, frames, repulsion)
    progress(0.85, f"solving for {reduced.features} coefficients")
    roughness = descriptors.roughness()
    penalties = None if roughness is None or settings.smoothness == 0.0 else settings.smoothness * roughness
    solution = reduced.solve(settings.ridge_of(distinct, reduced.features), apart_pushes, penalties)
    return solution, reduced.rms(solution) ** 2


def repelling(descriptors: Descriptors, frames: Sequence[Atoms], repulsion: Repulsion) -> Inequalities | None:
    """What keeps atoms apart: they push at least with a tenth of their nuclear repulsion, and compression costs energy.

    The first, of two atoms and of several neighbours of one, are in eV/Å. Of frames that are compressed as a whole, the
    energy (eV) rises at each step by a tenth of what that of the nuclei does, at least.
    Coefficients of zero obey, so that there are always some that do: a place where the nuclei alone do not push apart,
    because an atom that stays is closer still, is left out. None without a nuclear repulsion, or any such place.

    Raises:
        TaskFailed: if the descriptors of most places are no numbers.
    """
    if not repulsion.ranges_A:
        return None
    rows, bounds = [], []
    where = (frames, descriptors.elements, repulsion.ranges_A, descriptors.cutoff_A)
    for push in chain(pushes(*where), crowds(*where)):
        rows.append(push.along.ravel() @ descriptors.of(push.frame)[1])
        whole = float(np.sum(push.along * np.asarray(repulsion.labels(push.frame).forces)))
        least = sum(part * repulsion.push(pair, distance) for pair, distance, part in push.pairs)
        bounds.append(MARGIN * least - whole)
    for path in compressions(frames):
        energies = np.array([descriptors.energy(frame) for frame in path])
        nuclei = np.array([float(repulsion.labels(frame).energy or 0.0) for frame in path])
        rows += list(np.diff(energies, axis=0))
        bounds += list((MARGIN - 1.0) * np.diff(nuclei))
    if not rows:
        return None
    # LAMMPS divides zero by zero for two atoms at POD's inner cutoff, to the last digit: no number, no condition.
    finite = np.isfinite(rows).all(axis=1)
    if finite.mean() < 0.5:
        raise TaskFailed(f"descriptors of {np.sum(~finite)} of {len(rows)} places with atoms close by are no numbers")
    kept = finite & (np.array(bounds) <= ROUNDING)
    return Inequalities(np.array(rows)[kept], np.array(bounds)[kept]) if kept.any() else None


def weight_of(own: float, usual: float, most: float) -> float:
    """What a frame's forces and stress are multiplied with: the usual RMS force over its own, ``most`` at most.

    1 where no frame has forces.
    """
    if usual <= 0.0:
        return 1.0
    return most if own * most <= usual else usual / own


def _usual_force(frames: Sequence[Atoms]) -> float:
    """The RMS force that a frame's own is measured by, eV/Å: the median, or a tenth of the mean square's root.

    More than half of a set may be crystals without forces; the median alone would leave nothing of the others.
    """
    return max(_median_and_least(frames))


def _median_and_least(frames: Sequence[Atoms]) -> tuple[float, float]:
    """Median of the frames' RMS forces, and ``LEAST_USUAL`` of the root of their mean square, eV/Å."""
    forces = [_rms_force(frame) for frame in frames]
    return float(np.median(forces)), LEAST_USUAL * float(np.sqrt(np.mean(np.square(forces))))


def _rms_force(frame: Atoms) -> float:
    return float(np.sqrt(np.mean(np.square(np.asarray(labels_of(frame).forces)))))
