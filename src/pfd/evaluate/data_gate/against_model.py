"""Labels against a model that was not trained on them: correlation, slope, errors, shift of energies, units."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from pfd.evaluate.data_gate.finding import Finding, Verdict
from pfd.evaluate.data_gate.labelled_set import FORCE_THAT_COUNTS_EV_PER_A, LabelledSet
from pfd.evaluate.data_gate.unit_slips import ENERGY_UNITS, FORCE_UNITS, plausible, unit_slip
from pfd.evaluate.errors_of import error_report
from pfd.frames import EnergyShift, Labels, fit_energy_shift, labels_of, with_labels
from pfd.wording import counted

if TYPE_CHECKING:
    from ase import Atoms

ALIKE = 0.7
"""Correlation from which a ratio is taken for a unit."""
WEAK_BELOW = 0.5
FEWEST_ATOMS = 30
FEWEST_ENERGIES = 5
SPREAD_EV_PER_ATOM = 0.005
"""Spread of the model's energies below which they have nothing to correlate with."""
_ROUNDS = 3
PerAtom = Float[np.ndarray, "frames"]


def against_model(labelled: LabelledSet) -> Iterator[Finding]:
    """Findings ``forces against the model`` and ``energies against the model``; none without predictions."""
    entries = list(labelled.compared())
    if not entries:
        return
    shift = robust_shift([frame for _, frame, _, _ in entries], [prediction for *_, prediction in entries])
    report = error_report([frame for _, frame, _, _ in entries], [prediction for *_, prediction in entries], shift)
    if report.force_frames:
        forces = [(label.forces, p.forces) for *_, label, p in entries if label.forces is not None]
        label, model = (np.concatenate([pair[side] for pair in forces]) for side in (0, 1))
        numbers = {
            "cosine": cosine(label, model),
            "slope": report.force_slope,
            "rmse_meV_per_A": report.force_rmse_meV_per_A,
            "mae_meV_per_A": report.force_mae_meV_per_A,
            "rms_label_meV_per_A": report.force_rms_label_meV_per_A,
            "frames": float(report.force_frames),
        }
        yield _forces(labelled, label, model, {key: value for key, value in numbers.items() if value is not None})
    if report.energy_frames:
        yield _energies(labelled, shift, report.energy_rmse_meV_per_atom or 0.0)


def robust_shift(frames: list[Atoms], predictions: list[Labels]) -> EnergyShift:
    """The shift per element, fitted again without the frames whose residuals are beyond ten robust deviations."""
    kept = list(range(len(frames)))
    shift = fit_energy_shift(frames, predictions)
    for _ in range(_ROUNDS):
        residuals = np.array([residual(frame, p, shift) for frame, p in zip(frames, predictions, strict=True)])
        centre = np.nanmedian(residuals) if np.isfinite(residuals).any() else 0.0
        deviation = 1.4826 * np.nanmedian(np.abs(residuals - centre)) if np.isfinite(residuals).any() else 0.0
        now = [index for index in range(len(frames)) if abs(residuals[index] - centre) <= 10.0 * deviation + 1e-9]
        if now == kept or len(now) < max(2, len(frames) // 2):
            break
        kept = now
        shift = fit_energy_shift([frames[index] for index in kept], [predictions[index] for index in kept])
    return shift


def residual(frame: Atoms, prediction: Labels, shift: EnergyShift) -> float:
    """Label - model - shift, eV per atom; NaN without an energy on either side."""
    energy = labels_of(frame).energy
    if energy is None or prediction.energy is None:
        return float("nan")
    return (energy - prediction.energy - shift.of(frame)) / len(frame)


def cosine(label: np.ndarray, model: np.ndarray) -> float:
    """Correlation through the origin, -1 to 1; 0 if one side is zero throughout."""
    size = float(np.linalg.norm(label) * np.linalg.norm(model))
    return float((label * model).sum()) / size if size else 0.0


def _forces(labelled: LabelledSet, label: np.ndarray, model: np.ndarray, numbers: dict[str, float]) -> Finding:
    ratio, moved = _ratio(label, model)
    numbers["ratio"] = ratio
    text = (
        f"forces of {labelled.model} against the labels: cosine {numbers['cosine']:.3f}, "
        f"slope {numbers.get('slope', 0.0):.3f}, "
        f"RMSE {numbers['rmse_meV_per_A']:.0f} meV/Å, MAE {numbers['mae_meV_per_A']:.0f} meV/Å "
        f"(RMS label {numbers['rms_label_meV_per_A']:.0f} meV/Å), {counted(int(numbers['frames']), 'frame')}"
    )
    verdict, hint = Verdict.FINE, ""
    if moved >= FEWEST_ATOMS:
        unit = unit_slip(ratio, FORCE_UNITS) if abs(numbers["cosine"]) > ALIKE else None
        if unit is not None:
            verdict, hint = Verdict.REFUSED, f"the labels seem to be in {unit}: convert them to eV/Å"
        elif abs(numbers["cosine"]) > ALIKE and not plausible(ratio):
            verdict = Verdict.WARNING
            hint = f"the model's forces are {ratio:.3g} times the labels, which no common unit explains: look at both"
        elif numbers["cosine"] < WEAK_BELOW:
            verdict = Verdict.WARNING
            hint = "the model does not describe this material, or the labels are not of these structures: look at both"
    return Finding(
        sign="forces against the model", verdict=verdict, where=labelled.name, text=text, hint=hint, numbers=numbers
    )


def _ratio(label: np.ndarray, model: np.ndarray) -> tuple[float, int]:
    """Size of the model's forces over that of the labels, and the number of atoms with a force that counts.

    Medians over the quarter of those atoms whose forces are largest: small forces are where models are too soft by far
    (CHGNet on molybdenum: 0.49 over all, 0.82 over that quarter, slope 0.80).
    """
    sizes = np.linalg.norm(model, axis=1)
    moved = sizes[sizes >= FORCE_THAT_COUNTS_EV_PER_A]
    if not moved.size:
        return 0.0, 0
    large = sizes >= np.percentile(moved, 75.0)
    known = float(np.median(np.linalg.norm(label[large], axis=1)))
    return (float(np.median(sizes[large])) / known if known else 0.0), moved.size


@dataclass(frozen=True)
class _Energies:
    """Energies per atom without what the composition explains, eV: of the labels, and of the model."""

    label: PerAtom
    model: PerAtom

    @property
    def correlation(self) -> float:
        return cosine(self.label - self.label.mean(), self.model - self.model.mean())

    @property
    def ratio(self) -> float:
        """Spread of the model's over that of the labels; 0 if those do not differ."""
        spread = float(self.label.std())
        return float(self.model.std()) / spread if spread else 0.0


def _energies(labelled: LabelledSet, shift: EnergyShift, rmse: float) -> Finding:
    chosen = [(frame, labels, p) for _, frame, labels, p in labelled.compared() if labels.energy is not None]
    frames = [frame for frame, _, _ in chosen]
    given = np.array([float(labels.energy or 0.0) for _, labels, _ in chosen])
    model = _without_composition(frames, np.array([float(p.energy or 0.0) for *_, p in chosen]))
    found = _Energies(_without_composition(frames, given), model)
    shifts = ", ".join(f"{symbol} {value:+.3f}" for symbol, value in shift.per_element_eV.items())
    loose = f" ({', '.join(shift.undetermined)} not determined one by one)" if shift.undetermined else ""
    text = (
        f"energies of {labelled.model}: shift {shifts} eV per atom{loose}, then RMSE {rmse:.1f} meV/atom, correlation "
        f"{found.correlation:.3f}, {counted(len(frames), 'frame')}"
    )
    verdict, hint = Verdict.FINE, ""
    if len(frames) >= FEWEST_ENERGIES and float(model.std()) > SPREAD_EV_PER_ATOM:
        verdict, hint = _energy_verdict(frames, given, found)
    numbers = {"rmse_meV_per_atom": rmse, "correlation": found.correlation, "ratio": found.ratio}
    numbers |= {f"shift_{symbol}_eV": value for symbol, value in shift.per_element_eV.items()}
    return Finding(
        sign="energies against the model", verdict=verdict, where=labelled.name, text=text, hint=hint, numbers=numbers
    )


def _energy_verdict(frames: list[Atoms], given: np.ndarray, found: _Energies) -> tuple[Verdict, str]:
    alike = found.correlation > ALIKE
    if alike and plausible(found.ratio):
        return Verdict.FINE, ""
    whole = _Energies(_without_composition(frames, given * [len(frame) for frame in frames]), found.model)
    if whole.correlation > ALIKE and plausible(whole.ratio):
        return Verdict.REFUSED, "the energies seem to be per atom: multiply them by the number of atoms"
    if alike and (unit := unit_slip(found.ratio, ENERGY_UNITS)) is not None:
        return Verdict.REFUSED, f"the energies seem to be in {unit}: convert them to eV"
    if alike:
        return Verdict.WARNING, f"the model's energies vary {found.ratio:.3g} times as much as the labels: look at both"
    if found.correlation < WEAK_BELOW:
        return (
            Verdict.WARNING,
            "the energies do not follow the model's: are they of these structures, and of one reference?",
        )
    return Verdict.FINE, ""


def _without_composition(frames: list[Atoms], energies: np.ndarray) -> PerAtom:
    """Energies (eV, of whole frames) per atom, less a constant for each element."""
    labelled = [with_labels(frame, Labels(energy)) for frame, energy in zip(frames, energies.tolist(), strict=True)]
    nothing = Labels(0.0)
    shift = fit_energy_shift(labelled, [nothing] * len(labelled))
    return np.array([residual(frame, nothing, shift) for frame in labelled])
