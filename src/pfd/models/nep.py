"""NEP: a small neural network on radial and angular descriptors; fast, and what GPUMD runs on a graphics card."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pfd.errors import ModelError
from pfd.frames import Labels
from pfd.models.agreement import require_agreement
from pfd.models.family import Family, ModelCard, Progress, no_progress
from pfd.models.nep_file import MODEL_FILE, read_network, write_network
from pfd.models.nep_fit import NEPFitSettings, crystal_of, new_model
from pfd.models.nep_gpumd import write_gpumd
from pfd.models.nep_potential import NEPPotential
from pfd.models.torch_family import TorchFamily
from pfd.models.torch_potential import predict_frames
from pfd.models.torch_training import FineTuneSettings
from pfd.plugins import require_modules
from pfd.settings import Settings

if TYPE_CHECKING:
    from ase import Atoms
    from ase.calculators.calculator import Calculator

SOURCE = "Fan et al., J. Chem. Phys. 157, 114801 (2022); Wu et al., arXiv:2606.19557 (torchnep)"


class NEP(TorchFamily[NEPPotential]):
    """Neuroevolution potentials of the fourth version, here trained by gradients; the folder holds one ``nep.txt``."""

    name: ClassVar[str] = "nep"
    student_sizes: ClassVar[tuple[Mapping[str, Any], ...]] = ({"size": "S"}, {"size": "M"})
    packages: ClassVar[tuple[str, ...]] = ("torchnep==1.0.7", "calorine==4.1", "torch==2.13.0")
    modules: ClassVar[tuple[str, ...]] = ("torchnep", "calorine", "torch")
    quick: ClassVar[Mapping[str, Any]] = {"steps": 1}
    engine: ClassVar[str] = "calorine"
    exports: ClassVar[tuple[str, ...]] = ("gpumd",)
    FineTuneSettings: ClassVar[type[Settings] | None] = FineTuneSettings
    FitSettings: ClassVar[type[Settings] | None] = NEPFitSettings

    def adopt(self, source: str, head: str | None, folder: Path, trust_file: bool = False) -> ModelCard:
        """Copy a ``nep.txt``, or that of a model folder."""
        if head is not None:
            raise ModelError(f"NEP models have no heads, {head!r} was asked for", where=source, hint="leave head out")
        self._require()
        path = Path(source) / MODEL_FILE if Path(source).is_dir() else Path(source)
        potential = NEPPotential(*read_network(path))
        shutil.copyfile(path, folder / MODEL_FILE)
        return card_of(potential, path.name, licence="of the weights: their authors'")

    def load(self, folder: Path, device: str = "cpu") -> NEPPotential:
        """See ``TorchFamily.load``."""
        self._require()
        return NEPPotential(*read_network(folder / MODEL_FILE), device)

    def save(self, potential: NEPPotential, folder: Path) -> None:
        """See ``TorchFamily.save``."""
        write_network(potential.module, potential.constants_eV, potential.neighbours, folder / MODEL_FILE)

    def build(self, folder: Path, train: Sequence[Atoms], settings: Settings, seed: int) -> ModelCard:
        """A new network, its descriptors scaled to the range that they have in the training frames."""
        self._require()
        assert isinstance(settings, NEPFitSettings)
        potential = new_model(train, settings, seed)
        self.save(potential, folder)
        name = "custom" if settings.network else settings.size
        return card_of(potential, name, licence="the user's own: fitted from the user's frames")

    def untrained(self, path: Path, elements: Sequence[str], seed: int) -> Path:
        """A ``nep.txt`` of the size S for these elements; its descriptors are scaled for a rattled crystal of them."""
        self._require()
        self.build(path, [crystal_of(elements, seed)], NEPFitSettings(size="S"), seed)
        return path / MODEL_FILE

    def add_energy_shift(self, folder: Path, shift_eV: dict[str, float]) -> None:
        """Add to the constants of the elements; nothing else in the file changes."""
        self._require()
        module, constants_eV, neighbours = read_network(folder / MODEL_FILE)
        unknown = sorted(set(shift_eV) - set(module.type_names))
        if unknown:
            raise ModelError(f"the model does not know {', '.join(unknown)}", where=str(folder))
        constants_eV += [shift_eV.get(symbol, 0.0) for symbol in module.type_names]
        write_network(module, constants_eV, neighbours, folder / MODEL_FILE)

    def calculator(self, folder: Path, device: str = "cpu") -> Calculator:
        """On the CPU calorine's C++ code, several times as fast as torch; elsewhere torchnep."""
        self._require()
        if device != "cpu":
            return super().calculator(folder, device)
        from pfd.models.nep_calculator import NEPCalculator

        return NEPCalculator(folder / MODEL_FILE)

    def predict(
        self, folder: Path, frames: Sequence[Atoms], progress: Progress = no_progress, device: str = "cpu"
    ) -> list[Labels]:
        """Energy, forces and stress of each frame, by the code of the calculator."""
        base = Family if device == "cpu" else TorchFamily
        return base.predict(self, folder, frames, progress, device)

    def export(self, folder: Path, program: str, frames: Sequence[Atoms], target: Path) -> None:
        """See ``Family.export``; the copy of ``nep.txt``, read by calorine, is held to torchnep's module."""
        self._require()
        shutil.copyfile(folder / MODEL_FILE, target / MODEL_FILE)
        trained = predict_frames(self.load(folder), frames, str(folder))
        hint = "please report it with the model folder"
        require_agreement(self.engine, self.predict(target, frames), trained, frames, hint)
        write_gpumd(frames[0], target)

    def _require(self) -> None:
        require_modules(self.modules, what="NEP", install="pip install " + " ".join(self.packages))


def card_of(potential: NEPPotential, name: str, licence: str) -> ModelCard:
    """What the model says of itself."""
    return ModelCard(
        family=NEP.name,
        name=name,
        elements=potential.elements,
        cutoff_A=float(potential.module.rc_radial),
        parameters=sum(weight.numel() for weight in potential.module.parameters() if weight.requires_grad),
        licence=licence,
        source=SOURCE,
    )
