"""CHGNet's energy on graphs of our own: the package's layers and weights, evaluated in fewer operations.

Method: Deng et al., Nature Machine Intelligence 5, 1031 (2023), eqs. 1-8; layers are those of the package ``chgnet``.
Two things make it cheaper than the package's own forward: each pair of atoms is stored once (its mirror shares length
and basis), and the first linear map of an atom convolution is applied to atoms and bonds before, not after, they are
gathered onto directed bonds (a linear map of a concatenation is the sum of the maps of its parts).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pfd.errors import ModelError
from pfd.models.pair_graph import PairGraph, pair_graph_of, pair_graphs_together

if TYPE_CHECKING:
    import torch
    from ase import Atoms

NEEDED_ARCHITECTURE: dict[str, Any] = {
    "update_bond": True,
    "update_angle": True,
    "mlp_first": True,
    "is_intensive": True,
    "conv_dropout": 0,
    "mlp_dropout": 0,
}
"""Model arguments that this evaluation relies on; all published weights have them."""


@dataclass(frozen=True)
class Graph(PairGraph):
    """Every pair of a frame (or a batch of frames) once, and the angles between pairs shorter than the angle cutoff.

    Attributes:
        angles: (3, angles): the atom in the middle, the first pair and the second pair.
        mirrored: (angles,): -1 where one of the two pairs points towards the middle atom and the other away, else 1.
    """

    angles: torch.Tensor
    mirrored: torch.Tensor


def check_architecture(arguments: dict[str, Any], where: str) -> None:
    """Refuse a CHGNet whose layers are put together in another way than those of the published weights.

    Raises:
        ModelError: naming the argument that differs.
    """
    for key, needed in NEEDED_ARCHITECTURE.items():
        if arguments.get(key, needed) != needed:
            raise ModelError(f"CHGNet with {key}={arguments[key]!r} is not supported (only {needed!r})", where=where)
    hidden = arguments.get("atom_conv_hidden_dim", 64)
    if not isinstance(hidden, int) or hidden <= 0:
        raise ModelError(f"CHGNet with atom_conv_hidden_dim={hidden!r} is not supported (one layer only)", where=where)


def graph_of(frame: Atoms, cutoff_A: float, angle_cutoff_A: float) -> Graph:
    """The graph of one frame: pairs within ``cutoff_A``, angles between pairs within ``angle_cutoff_A``."""
    import torch

    graph = pair_graph_of(frame, cutoff_A, angle_cutoff_A, both_ways=False)
    first, second = graph.pairs[:, : graph.short].numpy()
    angles, mirrored = _angles(first, second)
    return Graph(**vars(graph), angles=torch.from_numpy(angles), mirrored=torch.from_numpy(mirrored))


def _angles(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All ordered couples of different directed bonds that start at the same atom."""
    count = len(first)
    middle = np.concatenate([first, second])
    order = np.argsort(middle, kind="stable")
    middle = middle[order]
    degree = np.bincount(middle) if count else np.zeros(0, dtype=np.int64)
    start = np.cumsum(degree) - degree
    partners = degree[middle] if count else np.zeros(0, dtype=np.int64)
    left = np.repeat(np.arange(2 * count), partners)
    within = np.arange(len(left)) - np.repeat(np.cumsum(partners) - partners, partners)
    right = start[middle[left]] + within if count else left
    keep = left != right
    left, right = left[keep], right[keep]
    pair = order % max(count, 1)
    sign = np.where(order < count, 1.0, -1.0)
    rows = np.stack([middle[left], pair[left], pair[right]]).astype(np.int64)
    return rows, (sign[left] * sign[right]).astype(np.float32)


def batch_of(graphs: Sequence[Graph]) -> Graph:
    """One graph that holds several frames side by side."""
    import torch

    if len(graphs) == 1:
        return graphs[0]
    atoms_before = np.cumsum([0] + [len(graph.numbers) for graph in graphs[:-1]]).tolist()
    short_before = np.cumsum([0] + [graph.short for graph in graphs[:-1]]).tolist()
    angles = [
        graph.angles + torch.tensor([[atoms], [short], [short]], device=graph.angles.device)
        for graph, atoms, short in zip(graphs, atoms_before, short_before, strict=True)
    ]
    together = pair_graphs_together(graphs)
    mirrored = torch.cat([graph.mirrored for graph in graphs])
    return Graph(**vars(together), angles=torch.cat(angles, dim=1), mirrored=mirrored)


def energies(model: Any, graph: Graph, vectors: torch.Tensor) -> torch.Tensor:
    """Energy of each frame, eV, without the element references.

    Args:
        model: the package's ``CHGNet`` module.
        graph: one frame or a batch.
        vectors: from the second atom of each pair to the first, Å, (pairs, 3).
    """
    import torch

    lengths = vectors.norm(dim=1)
    basis = model.bond_basis_expansion.rbf_expansion_ag(lengths)
    short_basis = model.bond_basis_expansion.rbf_expansion_bg(lengths[: graph.short])
    bonds = model.bond_embedding(basis)
    near, far = bonds[: graph.short], bonds[graph.short :]
    weights, near_weights = model.bond_weights_ag(basis), model.bond_weights_bg(short_basis)
    directions = vectors[: graph.short] / lengths[: graph.short, None]
    middle, left, right = graph.angles
    cosine = (directions[left] * directions[right]).sum(dim=1) * graph.mirrored
    angles = model.angle_embedding(model.angle_basis_expansion.fourier_expansion(torch.acos(cosine * (1 - 1e-6))))
    atoms = model.atom_embedding(graph.numbers - 1)
    columns = torch.stack([middle, left, right], dim=1)
    layers = zip(model.atom_conv_layers[:-1], model.bond_conv_layers, model.angle_layers, strict=True)
    for atom_layer, bond_layer, angle_layer in layers:
        atoms = _atom_convolution(atom_layer, atoms, torch.cat([near, far]), weights, graph.pairs)
        if len(middle):
            near = bond_layer(atoms, near, near_weights, angles, columns)
            if bond_layer.mlp_out.layers[-1].bias is not None:
                far = far + bond_layer.mlp_out.layers[-1].bias
            angles = angle_layer(atoms, near, angles, columns)
    atoms = _atom_convolution(model.atom_conv_layers[-1], atoms, torch.cat([near, far]), weights, graph.pairs)
    if model.readout_norm is not None:
        atoms = model.readout_norm(atoms)
    per_atom = model.mlp(atoms).squeeze(1)
    return per_atom.new_zeros(graph.frames).index_add(0, graph.owner, per_atom)


def _atom_convolution(
    layer: Any, atoms: torch.Tensor, bonds: torch.Tensor, weights: torch.Tensor, pairs: torch.Tensor
) -> torch.Tensor:
    """The package's ``AtomConv`` with its first linear maps applied before gathering."""
    import torch
    from torch.nn.functional import silu

    core, gate = layer.twoBody_atom.mlp_core.layers, layer.twoBody_atom.mlp_gate.layers
    width = atoms.shape[1]
    matrix = torch.cat([core[0].weight, gate[0].weight])
    bias = torch.cat([core[0].bias, gate[0].bias])
    of_centre = atoms @ matrix[:, :width].T + bias
    of_bond = bonds @ matrix[:, width:-width].T
    of_neighbour = atoms @ matrix[:, -width:].T
    centre, neighbour = torch.cat([pairs[0], pairs[1]]), torch.cat([pairs[1], pairs[0]])
    hidden = silu(of_centre[centre] + of_neighbour[neighbour] + torch.cat([of_bond, of_bond]))
    half = core[0].out_features
    message, opening = core[-1](hidden[:, :half]), gate[-1](hidden[:, half:])
    if layer.twoBody_atom.norm is not None:
        message, opening = layer.twoBody_atom.bn1(message), layer.twoBody_atom.bn2(opening)
    message = layer.activation(message) * torch.sigmoid(opening) * torch.cat([weights, weights])
    gathered = torch.zeros_like(atoms).index_add(0, centre, message)
    return layer.mlp_out(gathered) + atoms
