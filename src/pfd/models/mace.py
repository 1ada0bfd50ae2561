"""MACE: equivariant message passing with many-body functions; as a teacher from published weights, and as a student."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pfd.errors import ModelError
from pfd.models.family import MODEL_FILE, ModelCard, Progress, TrainingReport, no_progress, read_model, write_model
from pfd.models.mace_adoption import adopt_checkpoint
from pfd.models.mace_build import build_student, untrained_checkpoint
from pfd.models.mace_checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from pfd.models.mace_module import write_module
from pfd.models.mace_native import train_natively
from pfd.models.mace_potential import MACEPotential
from pfd.models.mace_settings import MACEFineTuneSettings, MACEFitSettings
from pfd.models.mace_training import read_replay, train_mace, with_new_head
from pfd.models.torch_family import TorchFamily
from pfd.plugins import require_modules
from pfd.settings import Settings

if TYPE_CHECKING:
    from ase import Atoms

CITATION = "Batatia et al., NeurIPS 35, 11423 (2022); foundation models: Batatia et al., arXiv:2401.00096"


class MACE(TorchFamily[MACEPotential]):
    """MACE, Batatia et al., Advances in Neural Information Processing Systems 35, 11423 (2022)."""

    name: ClassVar[str] = "mace"
    packages: ClassVar[tuple[str, ...]] = ("mace-torch==0.3.16", "torch==2.13.0", "vesin==0.6.2")
    modules: ClassVar[tuple[str, ...]] = ("mace", "torch", "vesin")
    pickles: ClassVar[bool] = True
    quick: ClassVar[Mapping[str, Any]] = {"steps": 1}
    FineTuneSettings: ClassVar[type[Settings] | None] = MACEFineTuneSettings
    FitSettings: ClassVar[type[Settings] | None] = MACEFitSettings

    def adopt(self, source: str, head: str | None, folder: Path, trust_file: bool = False) -> ModelCard:
        """Take the weights and the architecture out of a pickled module, or copy a file of ours."""
        self._require()
        checkpoint = adopt_checkpoint(Path(source), trust_file).using(head, source)
        write_checkpoint(checkpoint, folder)
        return card_of(MACEPotential(checkpoint), Path(source).name)

    def load(self, folder: Path, device: str = "cpu") -> MACEPotential:
        """See ``TorchFamily.load``."""
        self._require()
        try:
            return MACEPotential(read_checkpoint(folder), device)
        except pickle.UnpicklingError as error:
            raise ModelError("the file holds more than plain data", where=str(folder)) from error

    def save(self, potential: MACEPotential, folder: Path) -> None:
        """See ``TorchFamily.save``."""
        write_checkpoint(replace(potential.checkpoint, weights=potential.state()), folder)

    def add_energy_shift(self, folder: Path, shift_eV: dict[str, float]) -> None:
        """Add to the energies of the free atoms (E0s) of the head that is used."""
        self._require()
        checkpoint = read_checkpoint(folder)
        unknown = sorted(set(shift_eV) - set(checkpoint.elements))
        if unknown:
            raise ModelError(f"the model does not know {', '.join(unknown)}", where=str(folder))
        energies, row = checkpoint.energies_eV.clone(), checkpoint.heads.index(checkpoint.head)
        for symbol, energy in shift_eV.items():
            energies[row, checkpoint.elements.index(symbol)] += energy
        write_checkpoint(replace(checkpoint, energies_eV=energies), folder)

    def train(
        self,
        potential: MACEPotential,
        train: Sequence[Atoms],
        valid: Sequence[Atoms],
        settings: Settings,
        seed: int,
        progress: Progress,
    ) -> TrainingReport:
        """See ``train_mace`` for fine-tuning; a student is trained by the shared loop as it is."""
        if isinstance(settings, MACEFineTuneSettings):
            return train_mace(potential, train, valid, settings, seed, progress)
        return super().train(potential, train, valid, settings, seed, progress)

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
        """Train further by our loop, or by the package's if the settings bring its native file.

        Raises:
            DataError: if a label is lacking, or the replay file is missing or unfit.
            ModelError: if there is an element that the model does not know.
            TaskFailed: if the package's own training ends without a model.
        """
        if not isinstance(settings, MACEFineTuneSettings):
            return super().fine_tune(folder, train, valid, settings, seed, progress, device)
        self._require()
        checkpoint = read_checkpoint(folder)
        if settings.settings_file is not None:
            checkpoint, report = train_natively(checkpoint, train, valid, settings, seed, progress, device)
            write_checkpoint(checkpoint, folder)
        else:
            if settings.replay_file is not None:
                read_replay(settings, checkpoint.elements, seed)  # before anything is changed
                checkpoint = with_new_head(checkpoint)
                write_checkpoint(checkpoint, folder)
            report = super().fine_tune(folder, train, valid, settings, seed, progress, device)
        _tell_heads(checkpoint, folder)
        return report

    def build(self, folder: Path, train: Sequence[Atoms], settings: Settings, seed: int) -> ModelCard:
        """See ``TorchFamily.build``."""
        assert isinstance(settings, MACEFitSettings)
        self._require()
        checkpoint = build_student(train, settings, seed)
        write_checkpoint(checkpoint, folder)
        card = card_of(MACEPotential(checkpoint), f"MACE {settings.size}")
        return card.model_copy(update={"licence": "code MIT; weights: the user's own, fitted from the user's frames"})

    def untrained(self, path: Path, elements: Sequence[str], seed: int) -> Path:
        """A small module of random weights, pickled whole as the package does: it is adopted with ``trust_file``."""
        self._require()
        file = path / "untrained.model"
        write_module(untrained_checkpoint(elements, seed), file)
        return file

    def _require(self) -> None:
        require_modules(self.modules, what="MACE", install="pfd env create mace")


def card_of(potential: MACEPotential, name: str) -> ModelCard:
    """What the model says of itself."""
    checkpoint = potential.checkpoint
    return ModelCard(
        family=MACE.name,
        name=name,
        head=checkpoint.head,
        heads=checkpoint.heads,
        elements=potential.elements,
        cutoff_A=potential.cutoff_A,
        parameters=sum(weight.numel() for weight in potential.module.parameters() if weight.requires_grad),
        licence="code MIT; weights: depends on the file (MACE-MP is MIT; MACE-OFF and others are non-commercial)",
        source=CITATION,
    )


def write_package_file(folder: Path, file: Path) -> None:
    """Write the model of a folder as a ``.model`` file, for the package's own tools; see ``write_module``."""
    write_module(read_checkpoint(folder), file)


def _tell_heads(checkpoint: Checkpoint, folder: Path) -> None:
    """Write the heads into the model's card, if it has one."""
    if (folder / MODEL_FILE).is_file():
        model = read_model(folder)
        card = model.card.model_copy(update={"head": checkpoint.head, "heads": checkpoint.heads})
        write_model(folder, model.model_copy(update={"card": card}))
