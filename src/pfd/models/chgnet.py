"""CHGNet: a graph network with charge-informed training; small, fast on a CPU, weights for 89 elements in the wheel."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from pfd.errors import ModelError
from pfd.models.checkpoint import packaged_file, reading_checkpoint
from pfd.models.family import ModelCard
from pfd.models.measured_recipe import MeasuredFineTuneSettings
from pfd.models.torch_family import TorchFamily
from pfd.models.torch_potential import Prediction
from pfd.plugins import install_command, require_modules
from pfd.settings import Settings

if TYPE_CHECKING:
    from ase import Atoms

    from pfd.models.chgnet_network import Graph

CHECKPOINT = "chgnet.pt"
SHIPPED_FILES = {
    "0.3.0": "0.3.0/chgnet_0.3.0_e29f68s314m37.pth.tar",
    "0.2.0": "0.2.0/chgnet_0.2.0_e30f77s348m32.pth.tar",
    "r2scan": "r2scan/chgnet_r2scan_transfer_learning_e15f36s161m23.pth.tar",
}
"""Weights inside the wheel, below ``chgnet/pretrained``."""
LEVELS = {
    "0.3.0": "PBE/PBE+U (MPtrj, uncorrected)",
    "0.2.0": "PBE/PBE+U (MPtrj, uncorrected)",
    "r2scan": "r2SCAN (MP-r2SCAN)",
}
UNSEEN_ELEMENTS = frozenset(("Po", "At", "Rn", "Fr", "Ra"))
"""Elements with a column in the embedding but without a frame in MPtrj: their weights are random numbers."""
LARGEST_ATOMIC_NUMBER = 94


class CHGNetFineTuneSettings(MeasuredFineTuneSettings):
    """Fine-tuning of CHGNet."""

    atoms: int = Field(default=120_000, gt=0)
    """How many atoms the training evaluates at most, all steps together, which bounds its cost: by default every frame
    is seen 25 times, or less often where that would be more atoms. (A frame of less than 32 counts as 32.)"""


class CHGNetPotential:
    """A CHGNet in memory, evaluated on graphs of our own (see ``chgnet_network``)."""

    def __init__(self, module: Any, device: str = "cpu") -> None:
        self.module = module.to(device).eval()
        self.device = device
        self.elements = known_elements()

    def graph(self, frame: Atoms) -> Graph:
        """Pairs and angles of a frame within the model's two cutoffs."""
        from pfd.models.chgnet_network import graph_of

        converter = self.module.graph_converter
        return graph_of(frame, converter.atom_graph_cutoff, converter.bond_graph_cutoff).on(self.device)

    def predict(self, graphs: Sequence[Graph], *, differentiable: bool) -> Prediction:
        """Energies, forces and stresses of a batch; the element references are added in float64."""
        from pfd.models.chgnet_network import batch_of, energies
        from pfd.models.pair_graph import predict_by_slopes

        graph = batch_of(graphs)
        references = self.module.composition_model.fc.weight.detach().double()[0, graph.numbers - 1]
        return predict_by_slopes(
            graph, lambda vectors: energies(self.module, graph, vectors), references, differentiable=differentiable
        )


class CHGNet(TorchFamily[CHGNetPotential]):
    """CHGNet, Deng et al., Nature Machine Intelligence 5, 1031 (2023)."""

    name: ClassVar[str] = "chgnet"
    packages: ClassVar[tuple[str, ...]] = ("chgnet==0.4.2", "torch==2.13.0")
    modules: ClassVar[tuple[str, ...]] = ("chgnet", "torch")
    extra: ClassVar[str] = "chgnet"
    shipped: ClassVar[tuple[str, ...]] = tuple(SHIPPED_FILES)
    quick: ClassVar[Mapping[str, Any]] = {"steps": 1}
    FineTuneSettings: ClassVar[type[Settings] | None] = CHGNetFineTuneSettings
    valid_fraction: ClassVar[float] = 0.0

    def adopt(self, source: str, head: str | None, folder: Path, trust_file: bool = False) -> ModelCard:
        """Copy shipped or own weights into the folder as one self-contained checkpoint."""
        if head is not None:
            raise ModelError(f"CHGNet has no heads, {head!r} was asked for", where=source, hint="leave head out")
        self._require()
        module = load_module(_path_of(source), shipped=source if source in SHIPPED_FILES else None)
        save_module(module, folder)
        return card_of(module, source)

    def shipped_elements(self, name: str) -> tuple[str, ...]:
        """All weights in the wheel saw the same elements."""
        return known_elements()

    def load(self, folder: Path, device: str = "cpu") -> CHGNetPotential:
        """See ``TorchFamily.load``."""
        self._require()
        return CHGNetPotential(load_module(folder / CHECKPOINT), device)

    def save(self, potential: CHGNetPotential, folder: Path) -> None:
        """See ``TorchFamily.save``."""
        save_module(potential.module, folder)

    def add_energy_shift(self, folder: Path, shift_eV: dict[str, float]) -> None:
        """Add to the element references (``composition_model.fc.weight``), which no training changes."""
        from ase.data import atomic_numbers

        self._require()
        module = load_module(folder / CHECKPOINT)
        unknown = sorted(set(shift_eV) - set(known_elements()))
        if unknown:
            raise ModelError(f"the model does not know {', '.join(unknown)}", where=str(folder))
        for symbol, energy in shift_eV.items():
            module.composition_model.fc.weight.data[0, atomic_numbers[symbol] - 1] += energy
        save_module(module, folder)

    def _require(self) -> None:
        require_modules(self.modules, what="CHGNet", install=install_command(self.extra))


def known_elements() -> tuple[str, ...]:
    """Chemical symbols that occur in the training set of the published weights."""
    from ase.data import chemical_symbols

    symbols = chemical_symbols[1 : LARGEST_ATOMIC_NUMBER + 1]
    return tuple(symbol for symbol in symbols if symbol not in UNSEEN_ELEMENTS)


def card_of(module: Any, source: str) -> ModelCard:
    """What the model says of itself."""
    version = str(module.model_args.get("version") or "")
    return ModelCard(
        family=CHGNet.name,
        name=source if source in SHIPPED_FILES else Path(source).name,
        elements=known_elements(),
        cutoff_A=float(module.graph_converter.atom_graph_cutoff),
        level_of_theory=LEVELS.get(version, "unknown"),
        parameters=sum(parameter.numel() for parameter in module.parameters()),
        licence="modified BSD",
        source="Deng et al., Nature Machine Intelligence 5, 1031 (2023)",
    )


def load_module(path: Path, *, shipped: str | None = None) -> Any:
    """The package's module with the weights of a checkpoint; nothing is printed and no code in the file is run.

    Args:
        path: a checkpoint of the package (``model`` with ``model_args`` and ``state_dict``), or one of ours.
        shipped: the name of the weights, if the file came with the package and may be trusted.

    Raises:
        ModelError: if the file is missing or no CHGNet checkpoint.
    """
    import torch

    from pfd.models.chgnet_network import check_architecture

    with reading_checkpoint("CHGNet", path, hint=f"or use one of: {', '.join(SHIPPED_FILES)}"):
        state = torch.load(path, map_location="cpu", weights_only=shipped is None)
        state = state.get("model", state)
        arguments, weights = dict(state["model_args"]), state["state_dict"]
    if shipped is not None:  # what the package's own loader adds: these files do not say it
        arguments |= {"version": shipped, "mlp_out_bias": shipped == "0.2.0"}
    check_architecture(arguments, str(path))
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        from chgnet.model import CHGNet as Network

        try:
            module = Network(**arguments)
            module.load_state_dict(weights)
        except (RuntimeError, TypeError) as error:
            raise ModelError("the weights do not fit CHGNet's layers", where=str(path)) from error
    return module


def save_module(module: Any, folder: Path) -> None:
    """Write the checkpoint into a model folder, in the package's own format."""
    import torch

    torch.save({"model": {"model_args": module.model_args, "state_dict": module.state_dict()}}, folder / CHECKPOINT)


def _path_of(source: str) -> Path:
    """The file of shipped weights, or the path given."""
    shipped = SHIPPED_FILES.get(source)
    return Path(source) if shipped is None else packaged_file("chgnet", f"pretrained/{shipped}")
