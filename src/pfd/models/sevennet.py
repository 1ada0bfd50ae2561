"""SevenNet: an equivariant graph network; smoother and more accurate than CHGNet, and several times its cost."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from pfd.errors import ModelError
from pfd.models.checkpoint import reading_checkpoint
from pfd.models.family import ModelCard
from pfd.models.torch_family import TorchFamily
from pfd.models.torch_potential import Prediction
from pfd.models.torch_training import FineTuneSettings
from pfd.plugins import install_command, require_modules
from pfd.settings import Settings

if TYPE_CHECKING:
    import torch
    from ase import Atoms

CHECKPOINT = "sevennet.pth"
HEAD_KEY = "pfd_head"
"""Where our checkpoint says which modal is used; the package ignores keys that it does not know."""
SHIPPED_FILES = {
    "7net-0": "SevenNet_0__11Jul2024/checkpoint_sevennet_0.pth",
    "7net-0_22May2024": "SevenNet_0__22May2024/checkpoint_sevennet_0.pth",
    "7net-mf-0": "SevenNet_MF_0/checkpoint_sevennet_mf_0.pth",
    "7net-l3i5": "SevenNet_l3i5/checkpoint_l3i5.pth",
}
"""Weights inside the wheel, below ``sevenn/pretrained_potentials``."""
SHIPPED_ELEMENTS = """
H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y Zr Nb Mo Tc
Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi
Ac Th Pa U Np Pu
"""
"""The elements of MPtrj, on which all of them were trained."""
LEVELS = {None: "PBE/PBE+U (MPtrj, uncorrected)", "PBE": "PBE/PBE+U (MPtrj, uncorrected)", "R2SCAN": "r2SCAN (MP)"}
RUN_KEYS = ("continue", "csv_log", "device", "error_record", "load_dataset_path", "load_validset_path", "local_rank")
"""What a checkpoint's config tells of the run that made it: paths and devices of another machine."""
STRESS_ROWS = ((0, 3, 5), (3, 1, 4), (5, 4, 2))
"""Where xx yy zz xy yz zx, the package's order, stand in a 3 x 3 matrix."""


class SevenNetFineTuneSettings(FineTuneSettings):
    """Fine-tuning of SevenNet."""

    learning_rate: float = Field(default=1e-3, gt=0)
    """Largest learning rate of Adam; 3e-3 made a short fine-tuning of 16 frames worse than 1e-3."""


class SevenNetPotential:
    """A SevenNet in memory, with one of its heads."""

    def __init__(self, module: Any, config: dict[str, Any], device: str = "cpu") -> None:
        from ase.data import chemical_symbols

        self.module = module.to(device).eval()
        self.module.set_is_batch_data(True)
        self.module.eval_modal_map = False  # the batch says its head as a number
        self.config = config
        self.head: str | None = config.get(HEAD_KEY)
        self.device = device
        self.elements = tuple(chemical_symbols[number] for number in sorted(module.type_map))

    def graph(self, frame: Atoms) -> dict[str, torch.Tensor]:
        """What the package's layers read of a frame: all directed pairs within the cutoff, under the package's keys."""
        import torch
        from vesin import NeighborList

        neighbours = NeighborList(cutoff=float(self.module.cutoff), full_list=True)
        first, second, vectors = neighbours.compute(
            points=frame.positions, box=frame.cell.array, periodic=frame.pbc, quantities="ijD"
        )
        numbers = torch.tensor(frame.numbers, dtype=torch.int64)
        graph = {
            "x": numbers,
            "atomic_numbers": numbers,
            "pos": torch.tensor(frame.positions, dtype=torch.float32),
            "edge_index": torch.from_numpy(np.stack([first, second]).astype(np.int64)),
            "edge_vec": torch.tensor(vectors, dtype=torch.float32),
            "cell_volume": torch.tensor([abs(frame.cell.volume)], dtype=torch.float32),
            "num_atoms": torch.tensor([len(frame)]),
        }
        return {key: value.to(self.device) for key, value in graph.items()}

    def predict(self, graphs: Sequence[dict[str, torch.Tensor]], *, differentiable: bool) -> Prediction:
        """Energies, forces and stresses of a batch (the package's stress has the opposite sign of ASE's).

        The package sums energies and shifts in float32; here shifts are added in float64, as they can be large.
        """
        import torch

        counts = torch.cat([graph["num_atoms"] for graph in graphs])
        before = (torch.cumsum(counts, 0) - counts).tolist()
        batch = {
            key: torch.cat([graph[key] for graph in graphs], dim=-1 if key == "edge_index" else 0) for key in graphs[0]
        }
        batch["edge_index"] = torch.cat(
            [graph["edge_index"] + offset for graph, offset in zip(graphs, before, strict=True)], dim=1
        )
        batch["batch"] = torch.repeat_interleave(torch.arange(len(graphs), device=counts.device), counts)
        if self.head is not None:
            batch["modal_type"] = torch.full_like(counts, self.module.modal_map[self.head])
        self.module.train(differentiable)
        output = self.module(batch)
        stresses = -output["inferred_stress"][:, np.array(STRESS_ROWS)]
        rescale = self.module.rescale_atomic_energy
        kind = self.module.z_to_onehot_tensor.to(self.device)[batch["atomic_numbers"]]
        energies = output["scaled_atomic_energy"].view(-1).double() * self._of_kind(rescale.scale, kind)
        energies = energies + self._of_kind(rescale.shift, kind)
        totals = energies.new_zeros(len(graphs)).index_add(0, batch["batch"], energies)
        return Prediction(totals, output["inferred_force"], stresses)

    def _of_kind(self, table: torch.Tensor, kind: torch.Tensor) -> torch.Tensor:
        """Each atom's entry of a table by head and element, by element only, or of one entry for all."""
        row = table[self.module.modal_map[self.head]] if table.ndim == 2 else table
        return row[kind].double() if len(row) > 1 else row.double()


class SevenNet(TorchFamily[SevenNetPotential]):
    """SevenNet, Park et al., J. Chem. Theory Comput. 20, 4857 (2024)."""

    name: ClassVar[str] = "sevennet"
    packages: ClassVar[tuple[str, ...]] = ("sevenn==0.13.0", "torch==2.13.0")
    modules: ClassVar[tuple[str, ...]] = ("sevenn", "torch")
    extra: ClassVar[str] = "sevennet"
    shipped: ClassVar[tuple[str, ...]] = tuple(SHIPPED_FILES)
    quick: ClassVar[Mapping[str, Any]] = {"steps": 1}
    FineTuneSettings: ClassVar[type[Settings] | None] = SevenNetFineTuneSettings

    def adopt(self, source: str, head: str | None, folder: Path, trust_file: bool = False) -> ModelCard:
        """Copy shipped or own weights into the folder as one self-contained checkpoint."""
        self._require()
        module, config = load_checkpoint(_path_of(source), trusted=source in SHIPPED_FILES)
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


def load_checkpoint(path: Path, *, trusted: bool = False) -> tuple[Any, dict[str, Any]]:
    """The package's module and the config of a checkpoint; no code in the file is run unless it came with the package.

    Raises:
        ModelError: if the file is missing, unsafe, or no SevenNet checkpoint.
    """
    import torch

    with reading_checkpoint("SevenNet", path, hint=f"or use one of: {', '.join(SHIPPED_FILES)}"):
        if not trusted:
            with torch.serialization.safe_globals(_numpy_globals()):
                torch.load(path, map_location="cpu", weights_only=True)["model_state_dict"]
        with _silence():
            from sevenn.checkpoint import SevenNetCheckpoint

            checkpoint = SevenNetCheckpoint(path)
            module, config = checkpoint.build_model(), checkpoint.config
    return module, config


def save_checkpoint(module: Any, config: dict[str, Any], folder: Path) -> None:
    """Write the checkpoint into a model folder, in the package's own format, with plain values only."""
    import torch

    kept = {key: _plain(value) for key, value in config.items() if key not in RUN_KEYS}
    kept["version"] = version(
        "sevenn"
    )  # of the layout of the weights: older layouts were converted when they were read
    kept["shift"] = module.rescale_atomic_energy.shift.tolist()
    content = {"config": kept, "model_state_dict": module.state_dict(), "epoch": 0}
    torch.save(content | {"optimizer_state_dict": {}, "scheduler_state_dict": {}}, folder / CHECKPOINT)


def _plain(value: Any) -> Any:
    """Lists, dictionaries and numbers instead of arrays and tensors, so that ``weights_only`` can read them."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.tolist() if hasattr(value, "tolist") else value


def _numpy_globals() -> list[Any]:
    """What checkpoints of older releases hold besides tensors: plain arrays of numbers."""
    reconstruct: Any = np.zeros(0).__reduce__()[0]
    dtypes = [type(np.dtype(name)) for name in ("float32", "float64", "int32", "int64")]
    return [(reconstruct, "numpy.core.multiarray._reconstruct"), reconstruct, np.ndarray, np.dtype, *dtypes]


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keep the package's advice on accelerators and its prints off the user's screen."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def _path_of(source: str) -> Path:
    """The file of shipped weights, or the path given."""
    if source not in SHIPPED_FILES:
        return Path(source)
    package = find_spec("sevenn")
    if package is None or package.origin is None:
        raise ModelError("the package sevenn has no place on disk", where=source)
    return Path(package.origin).parent / "pretrained_potentials" / SHIPPED_FILES[source]
