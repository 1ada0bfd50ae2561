"""SevenNet: an equivariant graph network; smoother and more accurate than CHGNet, at about its cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pfd.errors import ModelError
from pfd.models.family import ModelCard
from pfd.models.measured_recipe import MeasuredFineTuneSettings
from pfd.models.pair_graph import PairGraph, pair_graph_of, pair_graphs_together, predict_by_slopes
from pfd.models.sevennet_checkpoint import (
    CHECKPOINT,
    HEAD_KEY,
    SHIPPED_FILES,
    load_checkpoint,
    save_checkpoint,
    shipped_path,
)
from pfd.models.sevennet_network import SevenNetNetwork
from pfd.models.sevennet_student import SevenNetFitSettings, new_network
from pfd.models.torch_family import TorchFamily
from pfd.models.torch_potential import Prediction
from pfd.plugins import install_command, require_modules
from pfd.settings import Settings

if TYPE_CHECKING:
    import torch
    from ase import Atoms

SHIPPED_ELEMENTS = """
H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y Zr Nb Mo Tc
Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi
Ac Th Pa U Np Pu
"""
"""The elements of MPtrj, on which all of them were trained."""
LEVELS = {None: "PBE/PBE+U (MPtrj, uncorrected)", "PBE": "PBE/PBE+U (MPtrj, uncorrected)", "R2SCAN": "r2SCAN (MP)"}


class SevenNetFineTuneSettings(MeasuredFineTuneSettings):
    """Fine-tuning of SevenNet."""


class SevenNetPotential:
    """A SevenNet in memory, with one of its heads, evaluated on graphs of our own (see ``sevennet_network``)."""

    def __init__(self, module: Any, config: dict[str, Any], device: str = "cpu") -> None:
        from ase.data import chemical_symbols

        self.module = module.to(device).eval()
        self.module.set_is_batch_data(True)
        self.config = config
        self.head: str | None = config.get(HEAD_KEY)
        self.network = SevenNetNetwork(self.module, None if self.head is None else self.module.modal_map[self.head])
        self.device = device
        self.elements = tuple(chemical_symbols[number] for number in sorted(module.type_map))

    def graph(self, frame: Atoms) -> PairGraph:
        """Pairs of a frame within the model's cutoff."""
        cutoff = float(self.module.cutoff)
        return pair_graph_of(frame, cutoff, cutoff, both_ways=False).on(self.device)

    def predict(self, graphs: Sequence[PairGraph], *, differentiable: bool) -> Prediction:
        """Energies, forces and stresses of a batch; shifts, which can be large, are added in float64."""
        graph = pair_graphs_together(graphs)
        rescale = self.module.rescale_atomic_energy
        kind = self.module.z_to_onehot_tensor.to(self.device)[graph.numbers]
        scale, shift = self._of_kind(rescale.scale, kind), self._of_kind(rescale.shift, kind).expand(len(kind))

        def energies(vectors: torch.Tensor) -> torch.Tensor:
            each = self.network.scaled_energies(graph, vectors).double() * scale
            return each.new_zeros(graph.frames).index_add(0, graph.owner, each)

        return predict_by_slopes(graph, energies, shift, differentiable=differentiable)

    def _of_kind(self, table: torch.Tensor, kind: torch.Tensor) -> torch.Tensor:
        """Each atom's entry of a table by head and element, by element only, or of one entry for all."""
        row = table[self.network.head] if table.ndim == 2 else table
        return row[kind].double() if len(row) > 1 else row.double()


class SevenNet(TorchFamily[SevenNetPotential]):
    """SevenNet, Park et al., J. Chem. Theory Comput. 20, 4857 (2024)."""

    name: ClassVar[str] = "sevennet"
    also_called: ClassVar[tuple[str, ...]] = ("7net",)
    packages: ClassVar[tuple[str, ...]] = ("sevenn==0.13.0", "torch==2.13.0")
    modules: ClassVar[tuple[str, ...]] = ("sevenn", "torch")
    extra: ClassVar[str] = "sevennet"
    shipped: ClassVar[tuple[str, ...]] = tuple(SHIPPED_FILES)
    quick: ClassVar[Mapping[str, Any]] = {"steps": 1}
    FineTuneSettings: ClassVar[type[Settings] | None] = SevenNetFineTuneSettings
    valid_fraction: ClassVar[float] = 0.0
    FitSettings: ClassVar[type[Settings] | None] = SevenNetFitSettings

    def adopt(self, source: str, head: str | None, folder: Path, trust_file: bool = False) -> ModelCard:
        """Copy shipped or own weights into the folder as one self-contained checkpoint."""
        self._require()
        module, config = load_checkpoint(shipped_path(source), trusted=source in SHIPPED_FILES)
        heads = tuple(module.modal_map or ())
        if heads and head is None:
            raise ModelError("the model has several heads", where=source, hint=f"name one of: {', '.join(heads)}")
        if head is not None and head not in heads:
            hint = f"there are: {', '.join(heads)}" if heads else "leave head out: this model has one only"
            raise ModelError(f"the model has no head {head!r}", where=source, hint=hint)
        config |= {HEAD_KEY: head}
        save_checkpoint(module, config, folder)
        return card_of(SevenNetPotential(module, config), heads, source)

    def shipped_elements(self, name: str) -> tuple[str, ...]:
        """All weights in the wheel know the same elements."""
        return tuple(SHIPPED_ELEMENTS.split())

    def build(self, folder: Path, train: Sequence[Atoms], settings: Settings, seed: int) -> ModelCard:
        """A small SevenNet for the elements of the frames (see ``sevennet_student``)."""
        assert isinstance(settings, SevenNetFitSettings)
        self._require()
        module, config = new_network(train, settings, seed)
        save_checkpoint(module, config, folder)
        card = card_of(SevenNetPotential(module, config), (), settings.name())
        return card.model_copy(update={"licence": "the user's own: fitted from the user's frames"})

    def load(self, folder: Path, device: str = "cpu") -> SevenNetPotential:
        """See ``TorchFamily.load``."""
        self._require()
        module, config = load_checkpoint(folder / CHECKPOINT)
        return SevenNetPotential(module, config, device)

    def save(self, potential: SevenNetPotential, folder: Path) -> None:
        """See ``TorchFamily.save``."""
        save_checkpoint(potential.module, potential.config, folder)

    def add_energy_shift(self, folder: Path, shift_eV: dict[str, float]) -> None:
        """Add to ``rescale_atomic_energy.shift`` of the head that is used, in the weights and in the config."""
        from ase.data import atomic_numbers

        self._require()
        module, config = load_checkpoint(folder / CHECKPOINT)
        shift = module.rescale_atomic_energy.shift.data
        row = shift[module.modal_map[config[HEAD_KEY]]] if shift.ndim == 2 else shift
        for symbol, energy in shift_eV.items():
            column = module.type_map.get(atomic_numbers[symbol])
            if column is None or len(row) != len(module.type_map):
                raise ModelError(f"the model holds no energy of its own for {symbol}", where=str(folder))
            row[column] += energy
        save_checkpoint(module, config, folder)

    def _require(self) -> None:
        require_modules(self.modules, what="SevenNet", install=install_command(self.extra))


def card_of(potential: SevenNetPotential, heads: tuple[str, ...], source: str) -> ModelCard:
    """What the model says of itself."""
    shipped = source in SHIPPED_FILES
    return ModelCard(
        family=SevenNet.name,
        name=source if shipped else Path(source).name,
        head=potential.head,
        heads=heads,
        elements=potential.elements,
        cutoff_A=float(potential.module.cutoff),
        level_of_theory=LEVELS.get(potential.head, "unknown") if shipped else "unknown",
        parameters=sum(weight.numel() for weight in potential.module.parameters() if weight.requires_grad),
        licence="MIT",
        source="Park et al., J. Chem. Theory Comput. 20, 4857 (2024)",
    )
