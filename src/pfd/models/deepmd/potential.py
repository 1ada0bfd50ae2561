"""A DeePMD model in memory: what the network is fed with, and predictions of frames in batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pfd.arrays import Cell
from pfd.errors import ModelError
from pfd.models.deepmd.checkpoint import Checkpoint
from pfd.models.torch_potential import Prediction

if TYPE_CHECKING:
    import torch
    from ase import Atoms

EMPTY_A = 1.0
"""Beyond the cutoff, the empty room between the images of a frame in directions without periodicity, Å."""


@dataclass(frozen=True)
class Graph:
    """A frame as the network takes it: positions (atoms, 3) Å, types (atoms,), cell (9,) Å, volume Å^3."""

    positions: torch.Tensor
    types: torch.Tensor
    cell: torch.Tensor
    volume: float


class DeePMDPotential:
    """One head of a DeePMD model."""

    def __init__(self, checkpoint: Checkpoint, device: str = "cpu") -> None:
        self.checkpoint = checkpoint
        self.module = checkpoint.module(device)
        self.device = device
        self.type_map: list[str] = list(self.module.get_type_map())
        self.elements = elements_of(checkpoint.parameters)
        self.cutoff_A = float(self.module.get_rcut())

    def graph(self, frame: Atoms) -> Graph:
        """Positions, types and cell; the network finds the neighbours itself."""
        import torch

        def tensor(values: Any, kind: Any) -> torch.Tensor:
            return torch.tensor(np.array(values), dtype=kind, device=self.device)

        types = [self.type_map.index(symbol) for symbol in frame.get_chemical_symbols()]
        cell = periodic_cell(frame, self.cutoff_A + EMPTY_A)
        positions = tensor(frame.positions, torch.float64)
        volume = abs(float(np.linalg.det(cell)))
        return Graph(positions, tensor(types, torch.long), tensor(cell.ravel(), torch.float64), volume)

    def predict(self, graphs: Sequence[Graph], *, differentiable: bool) -> Prediction:
        """Energies, forces and stresses; frames of one size go through the network together.

        The package's virial is minus stress times volume.
        """
        import torch

        self.module.train(differentiable)
        sizes = sorted({len(graph.types) for graph in graphs})
        found: dict[int, tuple[Any, Any, Any]] = {}
        for size in sizes:
            same = [index for index, graph in enumerate(graphs) if len(graph.types) == size]
            output = self.module(
                torch.stack([graphs[index].positions for index in same]),
                torch.stack([graphs[index].types for index in same]),
                torch.stack([graphs[index].cell for index in same]),
            )
            rows = zip(output["energy"], output["force"], output["virial"], strict=True)
            found |= dict(zip(same, rows, strict=True))
        ordered = [found[index] for index in range(len(graphs))]
        return Prediction(
            energies=torch.cat([energy.view(1) for energy, _, _ in ordered]).double(),
            forces=torch.cat([forces for _, forces, _ in ordered]),
            stresses=torch.stack(
                [-virial.view(3, 3) / graph.volume for (_, _, virial), graph in zip(ordered, graphs, strict=True)]
            ),
        )


def elements_of(parameters: dict[str, Any]) -> tuple[str, ...]:
    """Chemical symbols that a network knows: those of its types, or of the types in its training frames if it says so.

    Raises:
        ModelError: if none of its types is a chemical element.
    """
    from ase.data import atomic_numbers

    types = [str(name) for name in parameters.get("type_map", ())]
    seen = (parameters.get("info") or {}).get("observed_type") or types
    elements = [name for name in types if name in seen and atomic_numbers.get(name, 0) > 0]
    if not elements:
        raise ModelError(f"none of the model's types is a chemical element: {', '.join(types)}")
    return tuple(elements)


def periodic_cell(frame: Atoms, room_A: float) -> Cell:
    """The frame's cell; in directions without periodicity a vector at right angles that leaves empty room.

    The package knows cells that are periodic everywhere, or nowhere; with more room than the cutoff, the images in
    those directions do not see each other.

    Args:
        frame: any.
        room_A: the empty room between images, Å.
    """
    from pfd.lammps.box import box_of

    if frame.pbc.all():
        return np.array(frame.cell.array, dtype=float)
    box = box_of(frame)
    cell: Cell = box.restored(box.cell)
    lengths = np.linalg.norm(cell, axis=1, keepdims=True)
    with_room: Cell = np.where(frame.pbc[:, None], frame.cell.array, cell * (1 + room_A / lengths))
    return with_room
