"""The Family protocol: what one model architecture must be able to do, and the folder a model lives in."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from pfd.digests import file_digest
from pfd.errors import ModelError
from pfd.frames import Labels
from pfd.settings import Settings

if TYPE_CHECKING:
    from ase import Atoms
    from ase.calculators.calculator import Calculator

    from pfd.lammps.session import LammpsPotential

MODEL_FILE = "model.json"


class ModelCard(Settings):
    """What a model says of itself, read from its checkpoint and never asked of the user."""

    family: str
    """The family's registered name."""
    name: str
    """The name of the shipped weights, or the file name that the model came from."""
    head: str | None = None
    """The head that is used, of those in ``heads``."""
    heads: tuple[str, ...] = ()
    """All heads of a multi-head model."""
    elements: tuple[str, ...] = ()
    """Chemical symbols that the model knows."""
    cutoff_A: float | None = None
    """Radius of the largest neighbourhood that one interaction sees, Å."""
    level_of_theory: str = "unknown"
    """What the model was trained to reproduce."""
    parameters: int = 0
    """How many numbers were fitted."""
    licence: str = "unknown"
    """Licence of the code and of the weights."""
    source: str = ""
    """Paper to cite."""


class Model(Settings):
    """The content of ``model.json``: a self-contained model folder, readable by ``pfd.load``."""

    format: int = 1
    card: ModelCard
    energy_shift_eV: dict[str, float] = Field(default_factory=dict)
    """Sum of all per-element shifts already added to the weights, eV per atom of that element."""
    undetermined_elements: tuple[str, ...] = ()
    """Elements whose shift the compositions do not determine on their own (minimum-norm gauge)."""
    trained_frames: int = 0
    """Training and validation frames of the last training."""
    versions: dict[str, str] = Field(default_factory=dict)
    """Versions of the packages that wrote the weights."""


class EpochRecord(Settings):
    """One point of a learning curve."""

    step: int
    """Optimiser steps so far."""
    loss: float
    """Training loss (dimensionless)."""
    train_force_rmse_eV_per_A: float | None = None
    """Component-wise force RMSE on the training frames, eV/Å."""
    valid_force_rmse_eV_per_A: float | None = None
    """The same on the validation frames."""
    valid_energy_rmse_eV_per_atom: float | None = None
    """Energy RMSE per atom on the validation frames, eV."""


class TrainingReport(Settings):
    """What a training did."""

    curve: tuple[EpochRecord, ...] = ()
    """The learning curve, oldest first."""
    best_step: int = 0
    """The step whose weights were kept: the last, or that of the lowest validation loss if it is clearly lower."""
    stopped_early: bool = False
    """True if validation stopped the training before its last step."""


Progress = Callable[[float, str], None]
"""Called with the fraction done (0 to 1) and a short text."""


def no_progress(fraction: float, text: str) -> None:
    """The Progress that says nothing."""


class Family(ABC):
    """One model architecture. A subclass implements what it can; the rest refuses with a message.

    A model is a folder: ``model.json`` and whatever files the family writes beside it. Methods that change a model
    change the folder in place; the caller makes the copy. The module of a family imports without its package.
    """

    name: ClassVar[str]
    packages: ClassVar[tuple[str, ...]] = ()
    """pip requirements, pinned as tested."""
    modules: ClassVar[tuple[str, ...]] = ()
    """Importable names that tell whether the packages are there."""
    extra: ClassVar[str] = ""
    """The extra of pfd-kit that installs the packages."""
    also_called: ClassVar[tuple[str, ...]] = ()
    """What else people call its models, in the beginnings of names: hints tell the family by it."""
    shipped: ClassVar[tuple[str, ...]] = ()
    """Names of weights that come inside the package."""
    downloads: ClassVar[Mapping[str, str]] = {}
    """Names of published weights that have to be downloaded, and where from: hints tell them."""
    honours: ClassVar[frozenset[str]] = frozenset({"initial_magmoms", "partial_pbc"})
    """Which of ``charge``, ``spin``, ``initial_magmoms``, ``partial_pbc`` it can live with; a frame that asks for
    another is refused. Initial moments are a starting guess for the labeler: a model of the ground state needs none."""
    devices: ClassVar[tuple[str, ...]] = ("cpu",)
    """Where ``calculator``, ``predict`` and ``fine_tune`` can run: ``cpu``, and ``cuda`` for torch families. They are
    only ever given a device that stands here."""
    pickles: ClassVar[bool] = False
    """Whether checkpoints come as whole pickled modules, which can run code when they are read: then ``adopt`` takes
    files of digests that it knows, and others only with ``trust_file``. What it leaves in the model folder is safe."""
    untrained_head: ClassVar[str | None] = None
    """Head to adopt of what ``untrained`` writes, if it has several."""
    valid_fraction: ClassVar[float] = 0.1
    """Part of the labels that fine-tuning keeps for validation where the input does not say."""
    quick: ClassVar[Mapping[str, Any]] = {}
    """Settings that make one training (one fit, if it cannot be fine-tuned) as short as it can be, for self-tests."""
    student_sizes: ClassVar[tuple[Mapping[str, Any], ...]] = ()
    """Fit settings that ``student: auto`` compares, from fast to accurate; without any, it compares the family only if
    it is named."""
    exports: ClassVar[tuple[str, ...]] = ()
    """Programs other than LAMMPS for which ``export`` writes files."""
    FineTuneSettings: ClassVar[type[Settings] | None] = None
    """Typed settings of ``fine_tune``; None if the family cannot be fine-tuned."""
    FitSettings: ClassVar[type[Settings] | None] = None
    """Typed settings of ``fit``; None if the family cannot be a student."""

    @abstractmethod
    def adopt(self, source: str, head: str | None, folder: Path, trust_file: bool = False) -> ModelCard:
        """Put a pre-trained model into an empty folder and read its card.

        Args:
            source: a name in ``shipped``, or the path of a checkpoint.
            head: which head to use, None if there is one only.
            folder: an existing empty folder; the caller writes ``model.json`` into it.
            trust_file: whether a file may be read in a way that can run code in it (see ``pickles``).

        Raises:
            ModelError: if there is no such weight, file or head (the hint lists those there are).
        """

    def shipped_elements(self, name: str) -> tuple[str, ...]:
        """Chemical symbols that weights in ``shipped`` know, told without importing a package.

        Empty (the default) says nothing: then only the card tells, after the adoption.
        """
        return ()

    @abstractmethod
    def calculator(self, folder: Path, device: str = "cpu") -> Calculator:
        """An ASE calculator (energy eV, forces eV/Å, stress eV/Å^3) of the model in the folder."""

    @abstractmethod
    def add_energy_shift(self, folder: Path, shift_eV: dict[str, float]) -> None:
        """Add to the weights a constant energy per atom of each element, eV; forces and stress do not change."""

    def predict(
        self, folder: Path, frames: Sequence[Atoms], progress: Progress = no_progress, device: str = "cpu"
    ) -> list[Labels]:
        """Energy, forces and stress of each frame; families that batch override this."""
        import numpy as np

        calculator = self.calculator(folder, device)
        labels = []
        for index, frame in enumerate(frames):
            copy = frame.copy()
            copy.set_constraint()
            copy.calc = calculator
            stress = None
            if frame.pbc.all() and "stress" in calculator.implemented_properties:
                stress = np.array(copy.get_stress(), dtype=float)
            forces = np.array(copy.get_forces(), dtype=float)
            labels.append(Labels(float(copy.get_potential_energy()), forces, stress))
            progress((index + 1) / len(frames), f"predicted {index + 1} of {len(frames)} frames")
        return labels

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
        """Train the model in the folder further on labelled frames and leave the best weights there.

        The caller has already added the energy shift; the same seed and frames give the same weights.
        """
        raise ModelError(f"the family {self.name!r} cannot be fine-tuned", hint="choose another teacher")

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
        """Fit a new model of this family from scratch into an empty folder."""
        raise ModelError(f"the family {self.name!r} cannot be fitted from scratch", hint="choose another student")

    def coefficients(self, settings: Settings, elements: int) -> int | None:
        """How many numbers a fit solves for at once, whose square it holds in memory; None if it is no such fit.

        Args:
            settings: of the fit.
            elements: how many chemical elements its frames have.
        """
        return None

    def untrained(self, path: Path, elements: Sequence[str], seed: int) -> Path:
        """Write a small model of random weights, in the format in which the family's checkpoints come.

        Self-tests and tests use it in the place of weights that have to be downloaded.

        Args:
            path: a folder for it.
            elements: chemical symbols that it shall know.
            seed: of the weights.

        Returns:
            What ``adopt`` takes as its source.
        """
        raise ModelError(f"the family {self.name!r} makes no untrained models")

    def batch_model(self, folder: Path, device: str = "cpu") -> Any:
        """The model as torch-sim's ``ModelInterface``, or None if the family has none."""
        return None

    def lammps_potential(self, folder: Path) -> LammpsPotential | None:
        """The LAMMPS pair style of the model in the folder, or None if it has none there."""
        return None

    def export(self, folder: Path, program: str, frames: Sequence[Atoms], target: Path) -> None:
        """Write what a program in ``exports`` needs to run the model, check it, and say in README.md how to use it.

        Args:
            folder: the model.
            program: which program.
            frames: known frames to check the files with, of elements that the model knows; the first is what is run.
            target: an existing folder that may be written into.

        Raises:
            TaskFailed: if the files give other energies or forces than the model.
        """
        raise ModelError(f"models of {self.name!r} cannot be exported for {program}", where=str(folder))


def knows_batches(family: Family) -> bool:
    """Whether the family's models can run in torch-sim."""
    return type(family).batch_model is not Family.batch_model


def require_elements(frames: Sequence[Atoms], known: Sequence[str], where: str, model: str = "the model") -> None:
    """Refuse frames with an element that a model has never seen.

    Args:
        frames: any.
        known: chemical symbols that it knows.
        where: what the frames are.
        model: what to call it.

    Raises:
        ModelError: naming the elements.
    """
    unknown = sorted({symbol for frame in frames for symbol in frame.get_chemical_symbols()} - set(known))
    if unknown:
        those = ", ".join(known) if len(known) <= 8 else f"{len(known)} elements"
        hint = f"choose a model that does; this one knows {those}"
        raise ModelError(f"{model} does not know {', '.join(unknown)}", where=where, hint=hint)


def read_model(folder: Path) -> Model:
    """The content of a model folder's ``model.json``.

    Raises:
        ModelError: if the folder holds no model, or one written by a newer version.
    """
    from pydantic import ValidationError

    path = folder / MODEL_FILE
    if not path.is_file():
        raise ModelError("no model in this folder", where=str(folder), hint=f"give a folder that holds {MODEL_FILE}")
    try:
        return Model.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        raise ModelError(f"not a model this version can read ({error.errors()[0]['msg']})", where=str(path)) from error


def write_model(folder: Path, model: Model) -> None:
    """Write ``model.json``; no time, host or path is in it."""
    text = json.dumps(model.model_dump(mode="json"), indent=1, sort_keys=True)
    (folder / MODEL_FILE).write_text(text + "\n", encoding="utf-8")


def model_digest(folder: Path) -> str:
    """sha256 over all files of a model folder."""
    return file_digest(folder)
