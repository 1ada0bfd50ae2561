"""MatterSim: an M3GNet trained at many temperatures and pressures, in two sizes; its weights have to be downloaded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from pfd.errors import ModelError
from pfd.models.checkpoint import reading_checkpoint
from pfd.models.family import ModelCard
from pfd.models.torch_family import TorchFamily
from pfd.models.torch_potential import Prediction
from pfd.models.torch_training import FineTuneSettings
from pfd.plugins import require_modules
from pfd.settings import Settings

if TYPE_CHECKING:
    from ase import Atoms

    from pfd.models.pair_graph import PairGraph

CHECKPOINT = "mattersim.pth"
PUBLISHED = ("mattersim-v1.0.0-1M", "mattersim-v1.0.0-5M")
DOWNLOADS = "~/.local/mattersim/pretrained_models"
"""Where the package keeps what it has downloaded."""
WHERE_TO_GET = "https://github.com/microsoft/mattersim/tree/main/pretrained_models"
ARGUMENTS = ("num_blocks", "units", "max_l", "max_n", "cutoff", "max_z", "threebody_cutoff")
"""Of the layers, in a checkpoint's ``model_args``; the package ignores others."""
LARGEST_NUMBER = 94
"""The largest atomic number of the published weights."""
UNSEEN_ELEMENTS = frozenset(("Po", "At", "Rn", "Fr", "Ra"))
"""Elements with a column in the embedding but in none of the data sets that the published weights were trained on."""


class MatterSimFineTuneSettings(FineTuneSettings):
    """Fine-tuning of MatterSim."""

    learning_rate: float = Field(default=1e-3, gt=0)
    """Largest learning rate of Adam; from 5e-4 to 4e-3 the force error of 20 frames came out the same within 2 %."""
    freeze: Literal["none", "embeddings", "all_but_last_block", "all_but_readout"] = "none"
    """Which weights stay as they are, bit for bit: none; the embeddings of elements and distances; everything before
    the last block of convolutions; or everything before the readout, which turns features of atoms into energies.
    None by default: on 20 frames the force error was 1, 2 and 21 % larger with the others."""


class MatterSimPotential:
    """A MatterSim in memory, evaluated on graphs of our own (see ``mattersim_network``)."""

    def __init__(self, module: Any, device: str = "cpu") -> None:
        self.module = module.to(device).eval()
        self.device = device
        self.elements = known_elements(module.model_args["max_z"])

    def graph(self, frame: Atoms) -> PairGraph:
        """Pairs of a frame within the model's two cutoffs."""
        from pfd.models.mattersim_network import graph_of

        arguments = self.module.model_args
        return graph_of(frame, arguments["cutoff"], arguments["threebody_cutoff"]).on(self.device)

    def predict(self, graphs: Sequence[PairGraph], *, differentiable: bool) -> Prediction:
        """Energies, forces and stresses of a batch; the element references are added in float64."""
        from pfd.models.mattersim_network import batch_of, energies
        from pfd.models.pair_graph import predict_by_slopes

        graph = batch_of(graphs)
        references = self.module.normalizer.shift[graph.numbers].double()
        return predict_by_slopes(
            graph, lambda vectors: energies(self.module, graph, vectors), references, differentiable=differentiable
        )


class MatterSim(TorchFamily[MatterSimPotential]):
    """MatterSim v1, Yang et al., arXiv:2405.04967 (2024)."""

    name: ClassVar[str] = "mattersim"
    also_called: ClassVar[tuple[str, ...]] = ("m3gnet",)
    packages: ClassVar[tuple[str, ...]] = ("mattersim==1.2.3", "torch==2.13.0", "vesin==0.6.2")
    modules: ClassVar[tuple[str, ...]] = ("mattersim", "torch", "vesin")
    downloads: ClassVar[Mapping[str, str]] = dict.fromkeys(PUBLISHED, WHERE_TO_GET)
    quick: ClassVar[Mapping[str, Any]] = {"steps": 1}
    FineTuneSettings: ClassVar[type[Settings] | None] = MatterSimFineTuneSettings

    def adopt(self, source: str, head: str | None, folder: Path, trust_file: bool = False) -> ModelCard:
        """Copy weights into the folder as one checkpoint without what only its own training needs.

        The source is a file, or the name of published weights that the package has downloaded before.
        """
        if head is not None:
            raise ModelError(f"MatterSim has no heads, {head!r} was asked for", where=source, hint="leave head out")
        self._require()
        module = load_module(_path_of(source))
        save_module(module, folder)
        return card_of(module, source)

    def load(self, folder: Path, device: str = "cpu") -> MatterSimPotential:
        """See ``TorchFamily.load``."""
        self._require()
        return MatterSimPotential(load_module(folder / CHECKPOINT), device)

    def save(self, potential: MatterSimPotential, folder: Path) -> None:
        """See ``TorchFamily.save``."""
        save_module(potential.module, folder)

    def freeze(self, potential: MatterSimPotential, settings: Settings) -> None:
        """Turn off the training of what ``freeze`` names."""
        assert isinstance(settings, MatterSimFineTuneSettings)
        for part in frozen_parts(potential.module, settings.freeze):
            part.requires_grad_(False)

    def add_energy_shift(self, folder: Path, shift_eV: dict[str, float]) -> None:
        """Add to the elements' energies (``normalizer.shift``), which no training changes."""
        from ase.data import atomic_numbers

        self._require()
        module = load_module(folder / CHECKPOINT)
        _require_known(shift_eV, module.model_args["max_z"], str(folder))
        for symbol, energy in shift_eV.items():
            module.normalizer.shift[atomic_numbers[symbol]] += energy
        save_module(module, folder)

    def untrained(self, path: Path, elements: Sequence[str], seed: int) -> Path:
        """Write a MatterSim of a few thousand random weights, in the package's format; it knows the same elements."""
        import torch

        from pfd.models.mattersim_network import new_module

        self._require()
        _require_known(elements, LARGEST_NUMBER, str(path))
        sizes = {"num_blocks": 2, "units": 16, "max_l": 3, "max_n": 3}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            module = new_module(sizes | {"cutoff": 5.0, "threebody_cutoff": 4.0, "max_z": LARGEST_NUMBER})
        save_module(module, path)
        return path / CHECKPOINT

    def _require(self) -> None:
        require_modules(self.modules, what="MatterSim", install=f"pfd env create {self.name}")


def known_elements(largest_number: int) -> tuple[str, ...]:
    """Chemical symbols up to an atomic number, but for those that no data set holds."""
    from ase.data import chemical_symbols

    return tuple(symbol for symbol in chemical_symbols[1 : largest_number + 1] if symbol not in UNSEEN_ELEMENTS)


def _require_known(symbols: Iterable[str], largest_number: int, where: str) -> None:
    unknown = sorted(set(symbols) - set(known_elements(largest_number)))
    if unknown:
        raise ModelError(f"the model does not know {', '.join(unknown)}", where=where)


def frozen_parts(module: Any, freeze: str) -> list[Any]:
    """The parts of the package's module that a value of ``freeze`` names."""
    embeddings = [module.atom_embedding, module.edge_encoder]
    blocks = list(module.graph_conv)
    return {
        "none": [],
        "embeddings": embeddings,
        "all_but_last_block": embeddings + blocks[:-1],
        "all_but_readout": embeddings + blocks,
    }[freeze]


def card_of(module: Any, source: str) -> ModelCard:
    """What the model says of itself; published weights are known by their file's name."""
    name = Path(source).name
    published = any(weights.lower() in name.lower() for weights in PUBLISHED)
    return ModelCard(
        family=MatterSim.name,
        name=name,
        elements=known_elements(module.model_args["max_z"]),
        cutoff_A=float(module.model_args["cutoff"]),
        level_of_theory="PBE/PBE+U (MatterSim)" if published else "unknown",
        parameters=sum(parameter.numel() for parameter in module.parameters()),
        licence="MIT" if published else "MIT (code)",
        source="Yang et al., arXiv:2405.04967 (2024)",
    )


def load_module(path: Path) -> Any:
    """The package's module with the weights of a checkpoint; no code in the file is run.

    The elements' energies are kept in float64: they may be large, and shifts add up in them.

    Raises:
        ModelError: if the file is missing or no MatterSim checkpoint.
    """
    import torch

    from pfd.models.mattersim_network import new_module

    with reading_checkpoint("MatterSim", path, hint=f"published weights: {WHERE_TO_GET}"):
        content = torch.load(path, map_location="cpu", weights_only=True)
        kind, arguments, weights = content["model_name"], content["model_args"], content["model"]
        module = new_module({key: arguments[key] for key in ARGUMENTS if key in arguments})
        missing = module.load_state_dict(weights, strict=False).missing_keys
        module.normalizer.shift = weights["normalizer.shift"].double()
    if kind != "m3gnet":
        raise ModelError(f"a MatterSim of the architecture {kind!r}; only 'm3gnet' is known", where=str(path))
    lacking = sorted(set(missing) & {name for name, _ in module.named_parameters()})
    if lacking:
        raise ModelError(f"the checkpoint lacks weights: {lacking[0]} and {len(lacking) - 1} more", where=str(path))
    return module


def save_module(module: Any, folder: Path) -> None:
    """Write the checkpoint into a model folder, in the package's own format."""
    import torch

    content = {"model_name": "m3gnet", "model_args": module.model_args, "model": module.state_dict()}
    torch.save(content, folder / CHECKPOINT)


def _path_of(source: str) -> Path:
    """The path given, or the file that the package has downloaded for a name.

    Raises:
        ModelError: if it is the name of published weights that are not there; the hint says where to get them.
    """
    stem = source.removesuffix(".pth")
    names = [name for name in PUBLISHED if name.lower() == stem.lower()]
    if not names or Path(source).exists():
        return Path(source)
    kept = Path(DOWNLOADS).expanduser() / f"{names[0]}.pth"
    if not kept.is_file():
        raise ModelError(
            f"the weights {names[0]} have not been downloaded",
            where=source,
            hint=f"get {names[0]}.pth from {WHERE_TO_GET}, and name its path; or put it into {DOWNLOADS}",
        )
    return kept
