"""The sanity gate: what is no physical or no new frame is turned away, and every rejection is counted by its reason."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pfd.frames import EXPLORED_WITH_KEY, MODEL_ENERGY_KEY, MODEL_FORCE_KEY, frame_id, labels_of
from pfd.frames.fingerprint import near_pairs
from pfd.frames.neighbours import closest_contact
from pfd.select.settings import GateSettings

if TYPE_CHECKING:
    from ase import Atoms


@dataclass(frozen=True)
class Passed:
    """What the gate let through.

    Attributes:
        indices: of the candidates that passed, in their order.
        rejected: reason -> how many candidates were turned away for it (the first that applies).
        insane: how many of the rejected were turned away for what they are, not because they are known.
    """

    indices: tuple[int, ...]
    rejected: dict[str, int]
    insane: int = 0


def pass_gate(candidates: Sequence[Atoms], reference: Sequence[Atoms], settings: GateSettings) -> Passed:
    """Let through the candidates that are sane, new to the reference, and not twice in the pool.

    Of several equal or nearly equal candidates the one with the smallest id stays, so the set of frames that passes
    does not depend on their order.
    """
    reasons: Counter[str] = Counter()
    sane: list[int] = []
    for index, frame in enumerate(candidates):
        reason = defect(frame, settings)
        if reason:
            reasons[reason] += 1
        else:
            sane.append(index)
    usual = _within_window(candidates, sane, settings.energy_window_eV_per_atom)
    if len(usual) < len(sane):
        reasons["model energy outside the window"] += len(sane) - len(usual)
    insane = sum(reasons.values())
    kept = _without_twins(candidates, usual, reference, settings.near_duplicate, reasons)
    return Passed(tuple(kept), dict(sorted(reasons.items())), insane)


def _within_window(candidates: Sequence[Atoms], sane: Sequence[int], window: float | None) -> list[int]:
    """Those whose energy per atom is not known, or near the median of its like: same composition, same model."""
    if window is None:
        return list(sane)
    known: dict[tuple[str, str], dict[int, float]] = defaultdict(dict)
    for index in sane:
        energy = _model_energy(candidates[index])
        if energy is not None:
            composition = candidates[index].symbols.formula.reduce()[0].format("hill")
            model = str(candidates[index].info.get(EXPLORED_WITH_KEY, ""))
            known[composition, model][index] = energy / len(candidates[index])
    outside = set()
    for energies in known.values():
        values = np.array([*energies.values()])
        middle = float(np.median(values[np.isfinite(values)])) if np.isfinite(values).any() else 0.0
        outside |= {index for index, value in energies.items() if not abs(value - middle) <= window}
    return [index for index in sane if index not in outside]


def defect(frame: Atoms, settings: GateSettings) -> str | None:
    """Why a frame is no candidate in itself, or None."""
    if len(frame) == 0:
        return "no atoms"
    if not (np.isfinite(frame.positions).all() and np.isfinite(frame.cell.array).all()):
        return "positions or cell not finite"
    if frame.pbc.any() and _bad_cell(frame, settings):
        return "cell too skewed or too thin"
    if settings.min_distance > 0 and closest_contact(frame, settings.min_distance) < settings.min_distance:
        return "atoms too close"
    largest = _model_force(frame)
    cap = settings.max_force_eV_per_A
    if largest is not None and cap is not None and not largest <= cap:
        return "model force above the cap"
    return None


def _bad_cell(frame: Atoms, settings: GateSettings) -> bool:
    vectors = frame.cell.array[frame.pbc]
    lengths = np.linalg.norm(vectors, axis=1)
    if (lengths < 1e-6).any():
        return True
    cosines = np.abs(vectors @ vectors.T / np.outer(lengths, lengths))[np.triu_indices(len(vectors), 1)]
    if (cosines > np.cos(np.radians(settings.min_cell_angle_deg))).any():
        return True
    if not frame.pbc.all():
        return False
    volume = abs(float(np.linalg.det(vectors)))
    areas = np.linalg.norm(np.cross(vectors[[1, 2, 0]], vectors[[2, 0, 1]]), axis=1)
    return bool(volume < 1e-9 or lengths.max() * areas.max() > settings.max_cell_aspect * volume)


def _model_force(frame: Atoms) -> float | None:
    forces = labels_of(frame).forces
    if forces is not None:
        return float(np.linalg.norm(forces, axis=1).max())
    return float(frame.info[MODEL_FORCE_KEY]) if MODEL_FORCE_KEY in frame.info else None


def _model_energy(frame: Atoms) -> float | None:
    energy = labels_of(frame).energy
    if energy is not None:
        return float(energy)
    return float(frame.info[MODEL_ENERGY_KEY]) if MODEL_ENERGY_KEY in frame.info else None


def _without_twins(
    candidates: Sequence[Atoms],
    sane: Sequence[int],
    reference: Sequence[Atoms],
    near: float,
    reasons: Counter[str],
) -> list[int]:
    known = {frame_id(frame) for frame in reference}
    first: dict[str, int] = {}
    for index in sane:
        name = frame_id(candidates[index])
        if name in known:
            reasons["already in the data"] += 1
        elif name in first:
            reasons["twice among the candidates"] += 1
        else:
            first[name] = index
    order = [first[name] for name in sorted(first)]
    if near > 0:
        frames = [*reference, *(candidates[index] for index in order)]
        offset = len(reference)
        gone: set[int] = set()
        for earlier, later in near_pairs(frames, near):
            if later >= offset and later not in gone and earlier not in gone:
                gone.add(later)
                reasons["nearly in the data" if earlier < offset else "nearly twice among the candidates"] += 1
        order = [index for position, index in enumerate(order) if position + offset not in gone]
    return sorted(order)
