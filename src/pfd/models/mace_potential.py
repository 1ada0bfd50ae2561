"""A MACE in memory: graphs under the package's keys, and predictions of batches of them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pfd.models.mace_checkpoint import Checkpoint
from pfd.models.mace_module import ENERGIES, build_module
from pfd.models.torch_potential import Prediction

if TYPE_CHECKING:
    import torch
    from ase import Atoms


class MACEPotential:
    """A MACE with one of its heads in use."""

    def __init__(self, checkpoint: Checkpoint, device: str = "cpu") -> None:
        self.checkpoint = checkpoint
        self.module: Any = build_module(checkpoint).to(device).eval()
        self.device = device
        self.numbers: list[int] = checkpoint.config["atomic_numbers"]
        self.elements = checkpoint.elements
        self.cutoff_A = float(checkpoint.config["r_max"])
        self.energies_eV = checkpoint.energies_eV.to(device)
        self.turn: AbstractContextManager[Any] = nullcontext()
        """Held while the module computes: a lock, if it must not be used by two threads at once."""

    def for_head(self, head: str) -> MACEPotential:
        """The same module (not a copy), used with another of its heads."""
        other = copy(self)
        other.checkpoint = replace(self.checkpoint, head=head)
        return other

    def state(self) -> dict[str, torch.Tensor]:
        """The weights that the module has now."""
        return {name: value for name, value in self.module.state_dict().items() if name != ENERGIES}

    def graph(self, frame: Atoms) -> dict[str, torch.Tensor]:
        """What the package's forward pass reads of a frame: all directed pairs within the cutoff, and the head.

        Positions are wrapped into the cell: in single precision, distances of atoms that travelled far lose digits.
        """
        import torch
        from vesin import NeighborList

        dtype = self.module.r_max.dtype
        positions = frame.get_positions(wrap=bool(frame.pbc.any()))
        first, second, shifts = NeighborList(cutoff=self.cutoff_A, full_list=True).compute(
            points=positions, box=frame.cell.array, periodic=frame.pbc, quantities="ijS"
        )
        kinds = torch.tensor([self.numbers.index(number) for number in frame.numbers], dtype=torch.int64)
        # Without a cell there is no stress; a volume of 1 Å^3 keeps its unused derivatives finite.
        cell = frame.cell.array if abs(frame.cell.volume) > 1e-9 else frame.cell.complete().array
        graph = {
            "positions": torch.tensor(positions, dtype=dtype),
            "node_attrs": torch.nn.functional.one_hot(kinds, len(self.numbers)).to(dtype),
            "edge_index": torch.from_numpy(np.stack([first, second]).astype(np.int64)),
            "unit_shifts": torch.tensor(np.asarray(shifts), dtype=dtype),
            "cell": torch.tensor(cell, dtype=dtype),
            "head": torch.tensor([self.checkpoint.heads.index(self.checkpoint.head)]),
            "atoms": torch.tensor([len(frame)]),
        }
        return {key: value.to(self.device) for key, value in graph.items()}

    def predict(self, graphs: Sequence[dict[str, torch.Tensor]], *, differentiable: bool) -> Prediction:
        """Energies, forces and stresses of a batch, whose graphs may be of different heads.

        The package sums in the precision of the weights; here energies of atoms are summed in float64, and those of the
        free atoms (which the module holds as zeros) are added in float64.
        """
        import torch

        counts = torch.cat([graph["atoms"] for graph in graphs])
        ends = torch.cumsum(counts, 0)
        before = (ends - counts).tolist()
        batch = {
            key: torch.cat([graph[key] for graph in graphs])
            for key in ("positions", "node_attrs", "unit_shifts", "cell", "head")
        }
        batch["edge_index"] = torch.cat(
            [graph["edge_index"] + offset for graph, offset in zip(graphs, before, strict=True)], dim=1
        )
        batch["shifts"] = torch.zeros_like(batch["unit_shifts"])  # the package makes them from unit_shifts
        batch["batch"] = torch.repeat_interleave(torch.arange(len(graphs), device=counts.device), counts)
        batch["ptr"] = torch.cat([ends.new_zeros(1), ends])
        kinds, heads = batch["node_attrs"].argmax(dim=1), batch["head"][batch["batch"]]
        with self.turn:
            output = self.module(batch, training=differentiable, compute_stress=True)
        energies = output["node_energy"].double() + self.energies_eV[heads, kinds]
        totals = energies.new_zeros(len(graphs)).index_add(0, batch["batch"], energies)
        return Prediction(totals, output["forces"], output["stress"])
