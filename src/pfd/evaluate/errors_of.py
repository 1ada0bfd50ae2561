"""Errors of a model on a labelled set: energy, forces and stress, overall, by element and by condition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool

from pfd.arrays import Mask
from pfd.errors import DataError
from pfd.evaluate.error_report import NOT_STATED, AtomErrors, ErrorReport, Errors, condition_text
from pfd.evaluate.residuals import MIN_TRAJECTORIES, Pair, Residuals
from pfd.frames import EnergyShift, Labels, labels_of, trainable_stress
from pfd.frames.depth import depth_below_surface
from pfd.frames.split import trajectory_of
from pfd.units import GPA_PER_EV_PER_A3

if TYPE_CHECKING:
    from ase import Atoms

Chosen = Bool[np.ndarray, "_"]
"""Some atoms of one frame."""
DEPTH_BIN_A = 2.0
"""Depths below a surface that are reported together, Å: about one layer of a metal or a covalent crystal."""
GROUP_KEYS = ("temperature_K", "pressure_GPa", "group", "structure")
"""The conditions in a frame's ``info`` that errors are reported by; a structure is reported, never judged."""


def error_report(
    labelled: Sequence[Atoms], predicted: Sequence[Labels], shift: EnergyShift | None = None
) -> ErrorReport:
    """Compare predictions with the labels that the frames carry.

    Args:
        labelled: frames with labels; a frame counts for the quantities that it is labelled with. An empty set gives
            a report of zero frames without figures.
        predicted: one per frame, in the same order: energy eV, forces eV/Å, stress eV/Å^3.
        shift: what is added to the predicted energies before the comparison, None for nothing; the errors without
            it are given beside.

    Raises:
        DataError: if the numbers of frames or atoms differ, a frame is empty, or a *label* is not finite. A prediction
            that is missing or not finite is no exception but a result: counted, and the figure is None.
    """
    compared = pair_up(labelled, predicted, shift)
    trajectories = [trajectory_of(frame) for frame in labelled]
    sums = Quantities(*(Residuals.of(getattr(compared, field.name), trajectories) for field in fields(compared)))
    everything = np.ones(len(labelled), dtype=bool)
    by_group: dict[str, dict[str, Errors]] = {}
    for key in GROUP_KEYS:
        values = [condition_text(frame.info.get(key)) for frame in labelled]
        stated = sorted(set(values), key=_order)
        if stated and stated != [NOT_STATED]:
            by_group[key] = {value: _errors(sums, np.array([own == value for own in values])) for value in stated}
    overall = _errors(sums, everything)
    return ErrorReport(
        **overall.model_dump(),
        by_element=_by_element(labelled, compared.forces),
        by_depth=_by_depth(labelled, compared.forces),
        by_group=by_group,
        shift_eV=None if shift is None else dict(shift.per_element_eV),
    )


@dataclass(frozen=True)
class Compared:
    """Labels beside predictions, one entry per frame and None where the frame carries no such label.

    Attributes:
        energy: meV per atom, after the shift.
        raw_energy: meV per atom, before the shift.
        forces: meV/Å, atoms x 3.
        stress: GPa, Voigt order, of bulk frames only.
    """

    energy: list[Pair | None]
    raw_energy: list[Pair | None]
    forces: list[Pair | None]
    stress: list[Pair | None]


@dataclass(frozen=True)
class Quantities:
    """The residuals of each quantity in ``Compared``."""

    energy: Residuals
    raw_energy: Residuals
    forces: Residuals
    stress: Residuals


def pair_up(labelled: Sequence[Atoms], predicted: Sequence[Labels], shift: EnergyShift | None) -> Compared:
    """Lay labels and predictions side by side, in the units that errors are reported in.

    Raises:
        DataError: see ``error_report``.
    """
    if len(labelled) != len(predicted):
        raise DataError(f"{len(labelled)} labelled frames stand beside {len(predicted)} predictions", where="errors")
    compared = Compared([], [], [], [])
    for index, (frame, prediction) in enumerate(zip(labelled, predicted, strict=True)):
        where = f"frame {frame.info.get('id', index)}"
        if len(frame) == 0:
            raise DataError("the frame holds no atom", where=where)
        label, stress = labels_of(frame), trainable_stress(frame)
        per_atom = 1000.0 / len(frame)
        raw = None if prediction.energy is None else prediction.energy * per_atom
        shifted = None if raw is None else raw + (shift.of(frame) * per_atom if shift else 0.0)
        energy = None if label.energy is None else label.energy * per_atom
        compared.energy.append(_pair(energy, shifted, 1.0, where))
        compared.raw_energy.append(_pair(energy, raw, 1.0, where))
        compared.forces.append(_pair(label.forces, prediction.forces, 1000.0, where))
        compared.stress.append(_pair(stress, prediction.stress, GPA_PER_EV_PER_A3, where))
    return compared


def _pair(label: Any, predicted: Any, factor: float, where: str) -> Pair | None:
    if label is None:
        return None
    ours = np.atleast_1d(np.asarray(label, dtype=float)) * factor
    if not np.isfinite(ours).all():
        raise DataError("a label is NaN or infinite", where=where, hint="leave the frame out of the labelled set")
    if predicted is None:
        return ours, None
    with np.errstate(over="ignore"):  # beyond 1e308 it is infinite, and counted as such
        theirs = np.atleast_1d(np.asarray(predicted, dtype=float)) * factor
    if theirs.shape != ours.shape:
        raise DataError(f"a label of shape {ours.shape} has a prediction of shape {theirs.shape}", where=where)
    return ours, theirs


def _errors(sums: Quantities, chosen: Mask) -> Errors:
    energy, raw, force, stress = (getattr(sums, field.name).where(chosen) for field in fields(sums))
    return Errors(
        frames=int(chosen.sum()),
        trajectories=max(quantity.trajectories for quantity in (energy, force, stress)),
        interval_note=_interval_note(energy, force, stress),
        energy_frames=int(energy.labelled.sum()),
        force_frames=int(force.labelled.sum()),
        stress_frames=int(stress.labelled.sum()),
        bad_energies=energy.bad,
        bad_forces=force.bad,
        bad_stresses=stress.bad,
        energy_rmse_meV_per_atom=energy.rmse(),
        energy_mae_meV_per_atom=energy.mae(),
        unshifted_energy_rmse_meV_per_atom=raw.rmse(),
        unshifted_energy_mae_meV_per_atom=raw.mae(),
        force_rmse_meV_per_A=force.rmse(),
        force_mae_meV_per_A=force.mae(),
        force_rms_label_meV_per_A=force.rms_label(),
        force_rmse_relative=force.relative(),
        force_slope=force.slope(),
        stress_rmse_GPa=stress.rmse(),
        stress_mae_GPa=stress.mae(),
        energy_rmse_interval=energy.rmse_interval(),
        force_rmse_interval=force.rmse_interval(),
        force_relative_interval=force.relative_interval(),
        stress_rmse_interval=stress.rmse_interval(),
    )


def _interval_note(*quantities: Residuals) -> str:
    """Says so if intervals had to be made of frames that are not independent."""
    few = [
        each.trajectories for each in quantities if 0 < each.trajectories < MIN_TRAJECTORIES and each.labelled.sum() > 1
    ]
    if not few:
        return ""
    names = "one trajectory" if min(few) == 1 else f"{min(few)} trajectories"
    return f"of {names}, whose frames are taken as independent: the interval is too narrow"


def _by_element(labelled: Sequence[Atoms], force_pairs: Sequence[Pair | None]) -> dict[str, AtomErrors]:
    symbols = [np.array(frame.get_chemical_symbols()) for frame in labelled]
    elements = sorted({str(symbol) for names in symbols for symbol in names})
    return {element: _atom_errors([names == element for names in symbols], force_pairs) for element in elements}


def _by_depth(labelled: Sequence[Atoms], force_pairs: Sequence[Pair | None]) -> dict[str, AtomErrors]:
    depths = [depth_below_surface(frame) for frame in labelled]
    bins = [
        np.full(len(frame), -1) if depth is None else (depth // DEPTH_BIN_A).astype(int)
        for frame, depth in zip(labelled, depths, strict=True)
    ]
    report = {}
    for number in sorted({int(each) for own in bins for each in own if each >= 0}):
        name = f"{number * DEPTH_BIN_A:g} to {(number + 1) * DEPTH_BIN_A:g}"
        report[name] = _atom_errors([own == number for own in bins], force_pairs)
    return report


def _atom_errors(chosen: Sequence[Chosen], force_pairs: Sequence[Pair | None]) -> AtomErrors:
    """Errors on some atoms of each frame."""
    there = [
        None if pair is None or not mask.any() else _rows(pair, mask)
        for mask, pair in zip(chosen, force_pairs, strict=True)
    ]
    residuals = Residuals.of(there)
    return AtomErrors(
        atoms=sum(len(pair[0]) for pair in there if pair is not None),
        force_rmse_meV_per_A=residuals.rmse(),
        force_mae_meV_per_A=residuals.mae(),
        force_rmse_relative=residuals.relative(),
    )


def _rows(pair: Pair, chosen: Mask) -> Pair:
    label, predicted = pair
    return label[chosen], None if predicted is None else predicted[chosen]


def _order(value: str) -> tuple[int, float, str]:
    """Numbers by size, then texts, then the frames that state nothing."""
    try:
        return 0, float(value), value
    except ValueError:
        return (2 if value == NOT_STATED else 1), 0.0, value
