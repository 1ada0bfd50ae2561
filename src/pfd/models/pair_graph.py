"""The pairs of atoms that a graph network sees, of one frame or of several side by side, and the energy's slopes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import numpy as np

from pfd.models.torch_potential import Prediction

if TYPE_CHECKING:
    import torch
    from ase import Atoms


@dataclass(frozen=True)
class PairGraph:
    """The pairs of one frame, or of a batch of frames; pairs shorter than a second, shorter cutoff come first.

    Attributes:
        numbers: atomic number of each atom.
        positions: Å, (atoms, 3).
        cells: cell vectors as rows, Å, (frames, 3, 3).
        owner: frame of each atom.
        pairs: the two atoms of each pair, (2, pairs).
        images: whole cells from the second atom to the image that the pair means, (pairs, 3).
        short: how many pairs, at the front, are shorter than the shorter cutoff.
        frames: number of frames.
    """

    numbers: torch.Tensor
    positions: torch.Tensor
    cells: torch.Tensor
    owner: torch.Tensor
    pairs: torch.Tensor
    images: torch.Tensor
    short: int
    frames: int

    def on(self, device: str) -> Self:
        """The same graph with its tensors on a device."""
        return replace(self, **{key: value.to(device) for key, value in vars(self).items() if hasattr(value, "to")})

    def vectors(self, positions: torch.Tensor, strain: torch.Tensor) -> torch.Tensor:
        """From the second atom of each pair to the first, Å, (pairs, 3), differentiable in both arguments.

        Args:
            positions: Å, (atoms, 3).
            strain: (frames, 3, 3); positions and cells are deformed by 1 + strain.
        """
        import torch

        first, second = self.pairs
        positions = positions + torch.einsum("ai,aij->aj", positions, strain[self.owner])
        cells = self.cells + self.cells @ strain
        shifts = torch.einsum("pi,pij->pj", self.images, cells[self.owner[first]])
        return positions[first] - positions[second] - shifts


def pair_graph_of(frame: Atoms, cutoff_A: float, short_A: float, *, both_ways: bool) -> PairGraph:
    """The pairs of one frame.

    Args:
        frame: any, periodic in any directions.
        cutoff_A: of all pairs, Å.
        short_A: of those that come first, Å.
        both_ways: whether each pair is listed twice, once from either atom.
    """
    import torch
    from vesin import NeighborList

    neighbours = NeighborList(cutoff=cutoff_A, full_list=both_ways)
    first, second, images, lengths = neighbours.compute(
        points=frame.positions, box=frame.cell.array, periodic=frame.pbc, quantities="ijSd"
    )
    order = np.argsort(lengths > short_A, kind="stable")
    first, second, images = (array[order].astype(np.int64) for array in (first, second, images))
    return PairGraph(
        numbers=torch.tensor(frame.numbers, dtype=torch.int64),
        positions=torch.tensor(frame.positions, dtype=torch.float32),
        cells=torch.tensor(frame.cell.array[None], dtype=torch.float32),
        owner=torch.zeros(len(frame), dtype=torch.int64),
        pairs=torch.from_numpy(np.stack([first, second])),
        images=torch.tensor(images, dtype=torch.float32),
        short=int((lengths <= short_A).sum()),
        frames=1,
    )


def pair_graphs_together(graphs: Sequence[PairGraph]) -> PairGraph:
    """One graph that holds several frames side by side; all short pairs are at its front, frame after frame."""
    import torch

    atoms_before = np.cumsum([0] + [len(graph.numbers) for graph in graphs[:-1]]).tolist()
    pairs = [graph.pairs + offset for graph, offset in zip(graphs, atoms_before, strict=True)]
    shorts = [graph.short for graph in graphs]
    return PairGraph(
        numbers=torch.cat([graph.numbers for graph in graphs]),
        positions=torch.cat([graph.positions for graph in graphs]),
        cells=torch.cat([graph.cells for graph in graphs]),
        owner=torch.cat([graph.owner + index for index, graph in enumerate(graphs)]),
        pairs=torch.cat(
            [rows[:, :n] for rows, n in zip(pairs, shorts, strict=True)]
            + [rows[:, n:] for rows, n in zip(pairs, shorts, strict=True)],
            dim=1,
        ),
        images=torch.cat([graph.images[: graph.short] for graph in graphs] + [g.images[g.short :] for g in graphs]),
        short=sum(shorts),
        frames=len(graphs),
    )


def predict_by_slopes(
    graph: PairGraph,
    energies: Callable[[torch.Tensor], torch.Tensor],
    references: torch.Tensor,
    *,
    differentiable: bool,
) -> Prediction:
    """Energies, and forces and stresses as their slopes.

    Args:
        graph: one frame or a batch.
        energies: from the pairs' vectors, Å, (pairs, 3), to each frame's energy, eV.
        references: a constant energy of each atom, eV, float64.
        differentiable: see ``TorchPotential.predict``.
    """
    import torch

    positions = graph.positions.clone().requires_grad_()
    strain = torch.zeros_like(graph.cells).requires_grad_()
    energy = energies(graph.vectors(positions, strain))
    slopes = torch.autograd.grad(energy.sum(), [positions, strain], create_graph=differentiable)
    volumes = torch.linalg.det(graph.cells).abs().clamp_min(1e-6)
    totals = energy.double() + references.new_zeros(graph.frames).index_add(0, graph.owner, references)
    return Prediction(totals, -slopes[0], slopes[1] / volumes[:, None, None])
