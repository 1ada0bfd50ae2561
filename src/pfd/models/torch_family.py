"""What torch families have in common: a checkpoint read into memory, the shared predictions, the shared training."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from pfd.errors import ModelError
from pfd.frames import Labels, fit_energy_shift
from pfd.models.agreement import require_agreement
from pfd.models.family import (
    Family,
    ModelCard,
    Progress,
    TrainingReport,
    model_digest,
    no_progress,
    require_elements,
)
from pfd.models.torch_batch import torch_batch_model
from pfd.models.torch_potential import TorchPotential, predict_frames, torch_calculator
from pfd.models.torch_training import FineTuneSettings, train_torch

if TYPE_CHECKING:
    from ase import Atoms
    from ase.calculators.calculator import Calculator

    from pfd.settings import Settings


P = TypeVar("P", bound=TorchPotential)
KNOWN_FRAMES = 4
"""Training frames that are predicted again with the saved model."""


class TorchFamily(Family, Generic[P]):
    """A family whose models are torch modules; a subclass reads and writes them, and says what a prediction is."""

    devices: ClassVar[tuple[str, ...]] = ("cpu", "cuda")
    engine: ClassVar[str] = "the saved model"
    """What predicts from the files in a folder, as messages name it."""
    FineTuneSettings: ClassVar[type[Settings] | None] = FineTuneSettings
    _last: ClassVar[tuple[tuple[type, str, str], Any] | None] = None

    @abstractmethod
    def load(self, folder: Path, device: str = "cpu") -> P:
        """The model of a folder in memory; no code in its files is run.

        Raises:
            MissingError: if the family's packages are not installed.
            ModelError: if the folder holds no model of the family.
        """

    @abstractmethod
    def save(self, potential: P, folder: Path) -> None:
        """Write a model that ``load`` made back into its folder; same weights, same bytes."""

    def freeze(self, potential: P, settings: Settings) -> None:
        """Turn off ``requires_grad`` of what is not to be trained; nothing by default."""

    def train(
        self,
        potential: P,
        train: Sequence[Atoms],
        valid: Sequence[Atoms],
        settings: Settings,
        seed: int,
        progress: Progress,
    ) -> TrainingReport:
        """Train the model in memory; a family that needs more than the shared loop overrides this."""
        if not isinstance(settings, FineTuneSettings):
            raise TypeError(f"{self.name} is not trained with {type(settings).__name__}")
        self.freeze(potential, settings)
        return train_torch(potential, train, valid, settings, seed=seed, progress=progress)

    def build(self, folder: Path, train: Sequence[Atoms], settings: Settings, seed: int) -> ModelCard:
        """Write a new model of random weights into an empty folder, for the elements of the training frames.

        A family that can be a student has this and ``FitSettings``, a subclass of the training's settings.

        Raises:
            ModelError: if the family cannot be a student.
        """
        raise ModelError(f"the family {self.name!r} cannot be fitted from scratch", hint="choose another student")

    def calculator(self, folder: Path, device: str = "cpu") -> Calculator:
        """An ASE calculator of the model in the folder."""
        return torch_calculator(self._kept(folder, device), str(folder))

    def batch_model(self, folder: Path, device: str = "cpu") -> Any:
        """See ``Family.batch_model``."""
        TorchFamily._last = None  # batches need the memory
        return torch_batch_model(self.load(folder, device), device)

    def predict(
        self, folder: Path, frames: Sequence[Atoms], progress: Progress = no_progress, device: str = "cpu"
    ) -> list[Labels]:
        """Energy, forces and stress of each frame, small frames in batches."""
        return predict_frames(self._kept(folder, device), frames, str(folder), progress)

    def _kept(self, folder: Path, device: str) -> P:
        """The model of a folder, kept in memory while the very same files are asked for.

        A teacher labels each frame in a task of its own, hundreds in one process: loading SevenNet-0 takes 1.3 s, a
        frame of 64 atoms 0.08 s. One model is kept, known by the digest of its files; nothing trains it.
        """
        key = (type(self), model_digest(folder), device)
        last = TorchFamily._last
        if last is None or last[0] != key:
            last = TorchFamily._last = None  # its memory is free before the next one is read
            last = (key, self.load(folder, device))
            TorchFamily._last = last
        potential: P = last[1]
        return potential

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
        """Train further, save, load what was saved, and hold it to the model that was trained.

        Raises:
            TaskFailed: if the saved model is off the trained one by more than 1e-4 eV/atom or 1e-4 eV/Å.
        """
        TorchFamily._last = None  # training needs the memory
        potential = self.load(folder, device)
        require_elements([*train, *valid], potential.elements, str(folder))
        report = self.train(potential, train, valid, settings, seed, progress)
        known = [*train[:: max(1, len(train) // KNOWN_FRAMES)]][:KNOWN_FRAMES]
        trained = predict_frames(potential, known, str(folder))
        potential.module.cpu()
        self.save(potential, folder)
        hint = "do not use it; please report it with the settings of the training"
        require_agreement(self.engine, self.predict(folder, known, device=device), trained, known, hint)
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
        """Build a new model, give it the energies of the elements by least squares, and train it."""
        card = self.build(folder, train, settings, seed)
        shift = fit_energy_shift(train, self.predict(folder, train, device=device))
        self.add_energy_shift(folder, shift.per_element_eV)
        return card, self.fine_tune(folder, train, valid, settings, seed, progress, device)
