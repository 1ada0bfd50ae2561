"""The toy family: a linear pair potential that adopts, fine-tunes and fits in milliseconds, with numpy alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from pfd.errors import ModelError
from pfd.frames import labels_of, require_labels, trainable_stress
from pfd.models.family import EpochRecord, Family, ModelCard, Progress, TrainingReport, no_progress
from pfd.settings import Settings
from pfd.small_file import small_text
from pfd.testing.toy_potential import CUTOFF_A, ToyCalculator, design, gaussians, morse, pair_types

if TYPE_CHECKING:
    from ase import Atoms

WEIGHTS = "toy.json"


class ToyFineTuneSettings(Settings):
    """Settings of the toy's fine-tuning."""

    ridge: float = Field(default=1e-4, gt=0)
    """Pull towards the pre-trained coefficients, dimensionless: keeps directions that no frame determines."""


class ToyFitSettings(Settings):
    """Settings of the toy's fit from scratch."""

    functions: int = Field(default=12, ge=2, le=40)
    """Number of radial functions: 12 resolve 0.36 Å, finer than any shell of a crystal."""
    ridge: float = Field(default=1e-6, gt=0)
    """Pull towards zero, dimensionless."""


class ToyFamily(Family):
    """Linear pair potential in Gaussians."""

    name = "toy"
    shipped: ClassVar[tuple[str, ...]] = ("soft-copper",)
    FineTuneSettings = ToyFineTuneSettings
    FitSettings = ToyFitSettings

    def adopt(self, source: str, head: str | None, folder: Path, trust_file: bool = False) -> ModelCard:
        """Take ``soft-copper`` (a Morse potential at 0.7 of its strength, in 16 functions) or a toy weight file."""
        if head is not None:
            raise ModelError(f"the toy family has no head {head!r}", hint="leave head out")
        if source == "soft-copper":
            r = np.linspace(1.8, CUTOFF_A, 400)
            target = morse(strength=0.7)(r)[0][:, 0]
            weight = np.exp(-np.maximum(target, 0.0))
            basis = gaussians(16)(r)[0]
            coefficients = np.linalg.lstsq(basis * weight[:, None], target * weight, rcond=1e-10)[0]
            weights = {"elements": ["Cu"], "functions": 16, "coefficients": coefficients.tolist(), "constants_eV": {}}
        else:
            try:
                weights = json.loads(small_text(Path(source)))
                np.array(weights["coefficients"], dtype=float)
                weights["elements"], weights["functions"], weights["constants_eV"]
            except (OSError, ValueError, KeyError, TypeError) as error:
                hint = f"shipped: {', '.join(self.shipped)}; or the path of a {WEIGHTS}"
                raise ModelError(f"{source!r} is no toy model", where=source, hint=hint) from error
        _write(folder, weights)
        return self._card(Path(source).name, weights)

    def shipped_elements(self, name: str) -> tuple[str, ...]:
        """Copper alone."""
        return ("Cu",)

    def calculator(self, folder: Path, device: str = "cpu") -> ToyCalculator:
        """The potential as an ASE calculator; it runs on the CPU whatever the device."""
        w = _read(folder)
        return ToyCalculator(w["elements"], gaussians(w["functions"]), np.array(w["coefficients"]), w["constants_eV"])

    def add_energy_shift(self, folder: Path, shift_eV: dict[str, float]) -> None:
        """Add to the constants."""
        weights = _read(folder)
        for symbol, value in shift_eV.items():
            weights["constants_eV"][symbol] = weights["constants_eV"].get(symbol, 0.0) + value
        _write(folder, weights)

    def fine_tune(
        self,
        folder: Path,
        train: Sequence[Atoms],
        valid: Sequence[Atoms],
        settings: Settings,
        seed: int,
        progress: Progress = no_progress,
        device: str = "cpu",
    ) -> TrainingReport:
        """Ridge regression towards the coefficients in the folder."""
        assert isinstance(settings, ToyFineTuneSettings)
        weights = _read(folder)
        report = _regress(weights, train, valid, settings.ridge)
        _write(folder, weights)
        progress(1.0, "solved")
        return report

    def fit(
        self,
        folder: Path,
        train: Sequence[Atoms],
        valid: Sequence[Atoms],
        settings: Settings,
        seed: int,
        progress: Progress = no_progress,
        device: str = "cpu",
    ) -> tuple[ModelCard, TrainingReport]:
        """Ridge regression towards zero."""
        assert isinstance(settings, ToyFitSettings)
        elements = sorted({symbol for frame in train for symbol in frame.get_chemical_symbols()})
        size = settings.functions * len(pair_types(elements))
        weights = {
            "elements": elements,
            "functions": settings.functions,
            "coefficients": [0.0] * size,
            "constants_eV": {},
        }
        report = _regress(weights, train, valid, settings.ridge)
        _write(folder, weights)
        progress(1.0, "solved")
        return self._card("toy student", weights), report

    def _card(self, name: str, weights: dict[str, Any]) -> ModelCard:
        return ModelCard(
            family=self.name,
            name=name,
            elements=tuple(weights["elements"]),
            cutoff_A=CUTOFF_A,
            level_of_theory="toy Morse",
            parameters=len(weights["coefficients"]),
            licence="MIT",
        )


def _regress(weights: dict[str, Any], train: Sequence[Atoms], valid: Sequence[Atoms], ridge: float) -> TrainingReport:
    require_labels([*train, *valid], where="training set")
    unknown = {s for frame in [*train, *valid] for s in frame.get_chemical_symbols()} - set(weights["elements"])
    if unknown:
        raise ModelError(f"the model does not know {', '.join(sorted(unknown))}", hint="choose a model that does")
    start = np.array(weights["coefficients"])
    rows, targets = _system(weights, train)
    matrix = rows.T @ rows + ridge * len(rows) * np.eye(rows.shape[1])
    change = np.linalg.solve(matrix, rows.T @ (targets - rows @ start))
    weights["coefficients"] = (start + change).tolist()
    curve = []
    for step, coefficients in ((0, start), (1, start + change)):
        residual = rows @ coefficients - targets
        curve.append(
            EpochRecord(
                step=step,
                loss=float(np.mean(residual**2)),
                train_force_rmse_eV_per_A=_force_rmse(weights, train, coefficients),
                valid_force_rmse_eV_per_A=_force_rmse(weights, valid, coefficients) if valid else None,
            )
        )
    return TrainingReport(curve=tuple(curve), best_step=1)


def _system(weights: dict[str, Any], frames: Sequence[Atoms]) -> tuple[np.ndarray, np.ndarray]:
    """Rows and targets: energies centred and scaled per atom, forces, and stresses (as eV per atom / 10)."""
    functions = gaussians(weights["functions"])
    designs = [design(frame, weights["elements"], functions) for frame in frames]
    labels = [labels_of(frame) for frame in frames]
    sizes = np.array([len(frame) for frame in frames])
    energy_rows = np.array([d.energy for d in designs]) / sizes[:, None]
    energies = np.array([label.energy for label in labels]) / sizes
    rows = [10.0 * (energy_rows - energy_rows.mean(axis=0))]
    targets = [10.0 * (energies - energies.mean())]
    for frame, each, label in zip(frames, designs, labels, strict=True):
        rows.append(each.forces.reshape(-1, each.forces.shape[2]))
        assert label.forces is not None
        targets.append(np.ravel(label.forces))
        stress = trainable_stress(frame)
        if stress is not None:
            factor = frame.cell.volume / len(frame) / 10.0
            rows.append(factor * each.stress)
            targets.append(factor * stress)
    return np.concatenate(rows), np.concatenate(targets)


def _force_rmse(weights: dict[str, Any], frames: Sequence[Atoms], coefficients: np.ndarray) -> float:
    functions = gaussians(weights["functions"])
    errors = [
        np.ravel(design(frame, weights["elements"], functions).forces @ coefficients - labels_of(frame).forces)
        for frame in frames
    ]
    return float(np.sqrt(np.mean(np.concatenate(errors) ** 2)))


def _read(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / WEIGHTS).read_text(encoding="utf-8"))
    return content


def _write(folder: Path, weights: dict[str, Any]) -> None:
    (folder / WEIGHTS).write_text(json.dumps(weights, sort_keys=True) + "\n", encoding="utf-8")
