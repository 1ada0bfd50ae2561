"""What torch families have in common: a checkpoint read into memory, the shared predictions, the shared training."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from pfd.frames import Labels, fit_energy_shift
from pfd.models.family import Family, ModelCard, Progress, TrainingReport, no_progress, require_elements
from pfd.models.torch_batch import torch_batch_model
from pfd.models.torch_potential import TorchPotential, predict_frames, torch_calculator
from pfd.models.torch_training import FineTuneSettings, train_torch

if TYPE_CHECKING:
    from ase import Atoms
    from ase.calculators.calculator import Calculator

    from pfd.settings import Settings


P = TypeVar("P", bound=TorchPotential)
VERIFIED = 5
"""Training frames on which a saved model is held to the one in memory."""


class TorchFamily(Family, Generic[P]):
    """A family whose models are torch modules; a subclass reads and writes them, and says what a prediction is."""

    devices: ClassVar[tuple[str, ...]] = ("cpu", "cuda")
    FineTuneSettings: ClassVar[type[Settings] | None] = FineTuneSettings

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

    def verify(self, potential: P, folder: Path, frames: Sequence[Atoms]) -> None:
        """Hold what was saved, where another program is to run it, to the trained model in memory, on some frames.

        Raises:
            TaskFailed: if they differ.
        """

    def build(self, folder: Path, train: Sequence[Atoms], settings: Settings, seed: int) -> ModelCard:
        """Write a new model of random weights into an empty folder, for the elements of the training frames.

        A family that can be a student has this and ``FitSettings``, a subclass of the training's settings.
        """
        raise NotImplementedError

    def calculator(self, folder: Path, device: str = "cpu") -> Calculator:
        """An ASE calculator of the model in the folder."""
        return torch_calculator(self.load(folder, device), str(folder))

    def batch_model(self, folder: Path, device: str = "cpu") -> Any:
        """See ``Family.batch_model``."""
        return torch_batch_model(self.load(folder, device), device)

    def predict(
        self, folder: Path, frames: Sequence[Atoms], progress: Progress = no_progress, device: str = "cpu"
    ) -> list[Labels]:
        """Energy, forces and stress of each frame, small frames in batches."""
        return predict_frames(self.load(folder, device), frames, str(folder), progress)

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
        """Train all weights that ``freeze`` leaves free further."""
        if not isinstance(settings, FineTuneSettings):
            raise TypeError(f"{self.name} is not trained with {type(settings).__name__}")
        potential = self.load(folder, device)
        require_elements([*train, *valid], potential.elements, str(folder))
        self.freeze(potential, settings)
        report = train_torch(potential, train, valid, settings, seed=seed, progress=progress)
        potential.module.cpu()
        self.save(potential, folder)
        self.verify(potential, folder, train[:: max(1, len(train) // VERIFIED)][:VERIFIED])
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
        if self.FitSettings is None:
            return super().fit(folder, train, valid, settings, seed, progress, device)
        card = self.build(folder, train, settings, seed)
        shift = fit_energy_shift(train, self.predict(folder, train, device=device))
        self.add_energy_shift(folder, shift.per_element_eV)
        return card, self.fine_tune(folder, train, valid, settings, seed, progress, device)
