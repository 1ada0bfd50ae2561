"""Labels of a frame: energy, forces and stress with their level of theory, kept where ASE users look for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pfd.arrays import Forces, Stress
from pfd.errors import DataError
from pfd.frames.frame import is_bulk
from pfd.voigt import to_voigt

if TYPE_CHECKING:
    from ase import Atoms

SIGMA0_KEY = "label_energy_sigma0_eV"
"""In the ``info`` of a frame whose energy is the free one: the energy extrapolated to zero smearing, eV."""
TOTAL_MOMENT_KEY, LOCAL_MOMENTS_KEY = "label_total_magmom", "label_local_magmoms"
"""In the ``info`` and the ``arrays`` of a frame: the moments that a calculation ended with, Bohr magnetons."""
FREE_KEY = "label_energy_free_eV"
"""In the ``info`` of a frame whose energy is another one, because the user named its key: the free energy, eV."""


@dataclass(frozen=True)
class Labels:
    """What a labeler or a model says of one frame.

    Attributes:
        energy: total potential energy of the frame, eV: the one whose gradient the forces are.
        forces: eV/Å, one row per atom.
        stress: eV/Å^3, Voigt order xx yy zz yz xz xy, ASE's sign; None where it has no meaning.
        level_of_theory: one name per method and its settings, such as ``GFN1-xTB``; labels of two levels never mix.
    """

    energy: float | None = None
    forces: Forces | None = None
    stress: Stress | None = None
    level_of_theory: str = ""


def labels_of(frame: Atoms) -> Labels:
    """The labels a frame carries; fields that it lacks are None."""
    results = frame.calc.results if frame.calc is not None else {}
    energy, forces, stress = (results.get(key) for key in ("energy", "forces", "stress"))
    return Labels(
        energy=None if energy is None else float(energy),
        forces=None if forces is None else np.asarray(forces, dtype=float),
        stress=None if stress is None else _voigt(np.asarray(stress, dtype=float)),
        level_of_theory=str(frame.info.get("level_of_theory", "")),
    )


def with_labels(frame: Atoms, labels: Labels) -> Atoms:
    """A copy of the frame that carries these labels instead of any it had."""
    from ase.calculators.singlepoint import SinglePointCalculator

    copy = without_labels(frame)
    results = {"energy": labels.energy, "forces": labels.forces, "stress": labels.stress}
    copy.calc = SinglePointCalculator(copy, **{key: value for key, value in results.items() if value is not None})
    if labels.level_of_theory:
        copy.info["level_of_theory"] = labels.level_of_theory
    return copy


def without_labels(frame: Atoms) -> Atoms:
    """A copy of the frame without labels and without a level of theory."""
    copy = frame.copy()
    copy.calc = None
    copy.info.pop("level_of_theory", None)
    return copy


def count_labels(frames: Sequence[Atoms]) -> dict[str, int]:
    """How many frames there are and how many of them carry energy, forces and stress."""
    labels = [labels_of(frame) for frame in frames]
    return {
        "frames": len(labels),
        "energy": sum(label.energy is not None for label in labels),
        "forces": sum(label.forces is not None for label in labels),
        "stress": sum(label.stress is not None for label in labels),
    }


def trainable_stress(frame: Atoms) -> Stress | None:
    """The frame's stress if it is labelled and the frame is bulk (see ``is_bulk``), else None."""
    stress = labels_of(frame).stress
    return stress if stress is not None and is_bulk(frame) else None


def require_labels(frames: Sequence[Atoms], *, where: str, needs: Sequence[str] = ("energy", "forces")) -> None:
    """Refuse a set in which a frame lacks a label that training or scoring needs.

    Raises:
        DataError: naming how many frames lack which label, and the first of them.
    """
    if not frames:
        raise DataError("the set holds no frame", where=where, hint="check the file and its format")
    for need in needs:
        lacking = [index for index, frame in enumerate(frames) if getattr(labels_of(frame), need) is None]
        if lacking:
            counts = count_labels(frames)
            raise DataError(
                f"{len(lacking)} of {len(frames)} frames carry no {need} (the first is frame {lacking[0]}); "
                f"found energy in {counts['energy']}, forces in {counts['forces']}, stress in {counts['stress']}",
                where=where,
                hint="name the keys that hold the labels, e.g. labels: {energy: REF_energy, forces: REF_forces}",
            )


def require_level(frames: Sequence[Atoms], level_of_theory: str, *, where: str) -> None:
    """Refuse labels that name another level of theory; those that name none are taken at their owner's word.

    Raises:
        DataError: naming the levels, and the first frame of each.
    """
    first: dict[str, int] = {}
    for index, frame in enumerate(frames):
        named = labels_of(frame).level_of_theory
        if named not in {"", level_of_theory}:
            first.setdefault(named, index)
    if first:
        named = ", ".join(f"{level!r} (first in frame {index})" for level, index in first.items())
        raise DataError(
            f"labels of {named} cannot be trained on beside labels of {level_of_theory!r}",
            where=where,
            hint="label with the same method, or leave these frames out",
        )


def _voigt(stress: np.ndarray) -> np.ndarray:
    if stress.shape == (6,):
        return stress
    return to_voigt(stress.reshape(3, 3))
