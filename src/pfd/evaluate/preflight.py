"""How much labels change when a setting of the engine is one step finer, against the error that a run aims at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pfd.evaluate.converge import ConvergeSettings
from pfd.frames.labels import Labels
from pfd.settings import Settings
from pfd.units import GPA_PER_EV_PER_A3

STRESS_TARGET_GPA = 0.3
"""Target of the stress where the run names none: a few per cent of what a strain of 0.05 makes in a hard solid."""

VANISHING_EV_PER_A = 1e-4
"""Forces below this are zero by symmetry: no setting changes them, and they say nothing of it."""


class SettingChange(Settings):
    """What one finer setting does to the labels of a few frames."""

    setting: str
    """Name of the setting in the label section."""
    now: str
    """Its value."""
    finer: str
    """The value that it was compared with."""
    frames: int
    """Frames compared."""
    force_change_meV_per_A: float | None = None
    """RMS change of a force component, meV/Å; None where all forces vanish by symmetry, which nothing changes."""
    force_target_meV_per_A: float | None = None
    """The force error that the run aims at, meV/Å; None if it names none."""
    stress_change_GPa: float | None = None
    """RMS change of a stress component, GPa; None where there is no stress. With a cutoff it is the Pulay stress."""
    stress_target_GPa: float | None = None
    """The stress error that the run aims at, GPa, else 0.3."""
    problem: str = ""
    """Why nothing could be compared."""

    def above_target(self) -> list[str]:
        """In words, each change that is larger than its target."""
        pairs = (
            ("forces", self.force_change_meV_per_A, self.force_target_meV_per_A, "meV/Å"),
            ("stresses", self.stress_change_GPa, self.stress_target_GPa, "GPa"),
        )
        return [
            f"{what} change by {change:.3g} {unit}, and the run aims at {target:.3g}"
            for what, change, target, unit in pairs
            if change is not None and target is not None and change > target
        ]

    def in_words(self) -> str:
        """One line: the setting, what it changes, and what the run aims at."""
        begin = f"{self.setting} {self.now}, tried with {self.finer}"
        if self.problem:
            return f"{begin}: nothing to compare ({self.problem})"
        if above := self.above_target():
            return f"WARNING {begin}: {'; '.join(above)}: make {self.setting} finer before more labels are paid for"
        pairs = (
            ("forces", self.force_change_meV_per_A, self.force_target_meV_per_A, "meV/Å"),
            ("stresses", self.stress_change_GPa, self.stress_target_GPa, "GPa"),
        )
        changes = [
            f"{what} change by {change:.2g} {unit}"
            + (f" (limit {target:.3g})" if target is not None else " (converge names no limit)")
            for what, change, target, unit in pairs
            if change is not None
        ]
        judged = self.force_target_meV_per_A is not None or self.stress_target_GPa is not None
        return f"{begin}: {', '.join(changes)}" + (": converged" if judged else "")


def limits_in_words(converge: ConvergeSettings) -> str:
    """By how much forces and stresses may change, before the labels are there."""
    absolute, relative = converge.force_rmse_eV_per_A, converge.force_rmse_relative
    forces = "forces without a limit in converge"
    if absolute is not None:
        forces = f"forces may change by {1000.0 * absolute:.3g} meV/Å"
    elif relative is not None:
        forces = f"forces may change by {100.0 * relative:.3g} % of the RMS force"
    return f"{forces}, stresses by {converge.stress_rmse_GPa or STRESS_TARGET_GPA:g} GPa"


def setting_change(
    names: tuple[str, str, str], labels: Sequence[Labels], finer: Sequence[Labels], converge: ConvergeSettings
) -> SettingChange:
    """Compare the labels of the same frames under two settings.

    Args:
        names: the setting, its value, and the finer one.
        labels: of the frames, with forces.
        finer: of the same frames in the same order.
        converge: the limits of the run, which give the targets: an absolute limit, else the relative one times the RMS
            label force.

    Raises:
        ValueError: if there are no labels, or not as many of both.
    """
    if not labels or len(labels) != len(finer):
        raise ValueError(f"{len(labels)} and {len(finer)} labels cannot be compared")
    forces = [np.asarray(each.forces) for each in labels]
    change = _rms([np.asarray(other.forces) - mine for mine, other in zip(forces, finer, strict=True)])
    target = converge.force_rmse_eV_per_A
    if target is None and converge.force_rmse_relative is not None:
        target = converge.force_rmse_relative * _rms(forces)
    pairs = zip(labels, finer, strict=True)
    stresses = [
        np.asarray(other.stress) - np.asarray(mine.stress)
        for mine, other in pairs
        if mine.stress is not None and other.stress is not None
    ]
    vanish = max(float(np.abs(array).max(initial=0.0)) for array in forces) < VANISHING_EV_PER_A
    setting, now, then = names
    return SettingChange(
        setting=setting,
        now=now,
        finer=then,
        frames=len(labels),
        force_change_meV_per_A=None if vanish else 1000.0 * change,
        force_target_meV_per_A=None if vanish or target is None else 1000.0 * target,
        problem="all forces vanish by symmetry, and there is no stress" if vanish and not stresses else "",
        stress_change_GPa=_rms(stresses) * GPA_PER_EV_PER_A3 if stresses else None,
        stress_target_GPa=(converge.stress_rmse_GPa or STRESS_TARGET_GPA) if stresses else None,
    )


def _rms(arrays: Sequence[np.ndarray]) -> float:
    return float(np.sqrt(np.mean(np.concatenate([np.ravel(array) for array in arrays]) ** 2)))
