"""SevenNet's energy on graphs of our own: the package's layers and weights, its convolution in fewer operations.

Method: Park et al., J. Chem. Theory Comput. 20, 4857 (2024), and Batzner et al., Nature Communications 13, 2453 (2022),
for the convolution; layers are those of the package ``sevenn``. The package makes one message for each directed pair
and path, in hundreds of operations on slices, and filling and adding those slices took most of a training step. Here
the neighbours of an atom stand in one row of a table, so that the sum over neighbours and over the components of their
features is one matrix product for each path, and no message is ever stored; and the weights of the paths, which depend
on the distance alone, are computed once for the two directions of a pair.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pfd.models.pair_graph import PairGraph

if TYPE_CHECKING:
    import torch

ENERGY_LAYER = "rescale_atomic_energy"
"""The package's layer after the last one that is evaluated here: it adds large energies in float32."""


@dataclass(frozen=True)
class Path:
    """A product of the neighbours' features of one degree with spherical harmonics, into features of a third degree.

    Attributes:
        block: which block of features it takes.
        degree: of the harmonics.
        channels: features in the block.
        coupling: Clebsch-Gordan coefficients times the path's normalisation, (harmonics, features * results).
        components: of one result.
        place: where its results stand among those of all paths.
    """

    block: int
    degree: int
    channels: int
    coupling: torch.Tensor
    components: int
    place: int


@dataclass(frozen=True)
class Neighbours:
    """The neighbours of each atom in one row of a table, rows filled up to the longest.

    Attributes:
        atom: the neighbour, (atoms, most).
        pair: the pair that it belongs to, (atoms, most).
        harmonics: of the direction to it, of each degree (atoms, most, 2 degree + 1); 0 where there is no neighbour.
        radial: the basis of the distance of each pair, (pairs, basis).
    """

    atom: torch.Tensor
    pair: torch.Tensor
    harmonics: Sequence[torch.Tensor]
    radial: torch.Tensor


class SevenNetNetwork:
    """The package's module, evaluated on pair graphs.

    Args:
        module: the package's ``AtomGraphSequential``.
        head: the number of the head that is used, None if there are no heads.
    """

    def __init__(self, module: Any, head: int | None) -> None:
        self.module, self.head = module, head
        self.paths = {
            name: paths_of(layer.convolution) for name, layer in module.named_children() if hasattr(layer, "weight_nn")
        }

    def scaled_energies(self, graph: PairGraph, vectors: torch.Tensor) -> torch.Tensor:
        """Energy of each atom in the network's unit, (atoms,), before scale and shift.

        Args:
            graph: one frame or a batch.
            vectors: from the second atom of each pair to the first, Å, (pairs, 3).
        """
        import torch

        device = vectors.device
        data = {
            "x": self.module.z_to_onehot_tensor.to(device)[graph.numbers],
            "batch": graph.owner,
            "num_atoms": torch.bincount(graph.owner, minlength=graph.frames),
        }
        if self.head is not None:
            data["modal_type"] = torch.full((graph.frames,), self.head, device=device)
        neighbours = _neighbours(self.module.edge_embedding, graph, vectors)
        for name, layer in self.module.named_children():
            if name == ENERGY_LAYER:
                break
            if name in self.paths:
                data["x"] = _convolution(layer, self.paths[name], data["x"], neighbours)
            elif name != "edge_embedding":
                data = layer(data)
        return data["scaled_atomic_energy"].view(-1)


def paths_of(product: Any) -> list[Path]:
    """The paths of e3nn's tensor product, in the order of their weights."""
    from e3nn.o3 import wigner_3j

    paths = []
    for each in product.instructions:
        channels, first = product.irreps_in1[each.i_in1]
        second, third = product.irreps_in2[each.i_in2].ir, product.irreps_out[each.i_out].ir
        coupling = (wigner_3j(first.l, second.l, third.l) * each.path_weight).float().transpose(0, 1)
        paths.append(Path(each.i_in1, second.l, channels, coupling.flatten(1), third.dim, each.i_out))
    return paths


def _neighbours(embedding: Any, graph: PairGraph, vectors: torch.Tensor) -> Neighbours:
    """Both directions of each pair, sorted by the atom in the middle."""
    import torch

    first, second = graph.pairs
    count, device = len(first), vectors.device
    middle, order = torch.sort(torch.cat([first, second]), stable=True)
    degree = torch.bincount(middle, minlength=len(graph.numbers))
    column = torch.arange(2 * count, device=device) - (torch.cumsum(degree, 0) - degree)[middle]
    shape = (len(degree), int(degree.max()))
    atom, pair = (torch.zeros(shape, dtype=torch.int64, device=device) for _ in range(2))
    sign = vectors.new_zeros((*shape, 1))
    atom[middle, column] = torch.cat([second, first])[order]
    pair[middle, column] = order % max(count, 1)
    sign[middle, column] = torch.where(order < count, -1.0, 1.0)[:, None].to(sign.dtype)
    if not count:
        vectors = vectors.new_ones((1, 3))
    lengths = vectors.norm(dim=1)
    radial = embedding.basis_function(lengths) * embedding.cutoff_function(lengths)[:, None]
    parts = embedding.spherical(vectors).split(
        [2 * degree + 1 for degree in range(embedding.spherical.lmax + 1)], dim=1
    )
    harmonics = [part[pair] * (sign if degree % 2 else sign.abs()) for degree, part in enumerate(parts)]
    return Neighbours(atom, pair, harmonics, radial)


def _convolution(layer: Any, paths: Sequence[Path], features: torch.Tensor, neighbours: Neighbours) -> torch.Tensor:
    """The package's ``IrrepsConvolution``: for each atom and path the sum over its neighbours."""
    import torch

    blocks = layer.convolution.irreps_in1
    atoms = len(neighbours.atom)
    of_neighbours = [
        part.view(atoms, block.mul, block.ir.dim).transpose(1, 2).contiguous()[neighbours.atom]
        for part, block in zip(features.split([block.dim for block in blocks], dim=1), blocks, strict=True)
    ]
    of_pairs = layer.weight_nn(neighbours.radial)[neighbours.pair]
    weights = of_pairs.split([path.channels for path in paths], dim=2)
    results: list[Any] = [None] * len(paths)
    for path, weight in zip(paths, weights, strict=True):
        factors = (of_neighbours[path.block] * weight.unsqueeze(2)).view(atoms, -1, path.channels)
        kernel = neighbours.harmonics[path.degree] @ path.coupling.to(weight.device)
        result = torch.bmm(factors.transpose(1, 2), kernel.view(atoms, factors.shape[1], path.components))
        results[path.place] = result.view(atoms, -1)
    return torch.cat(results, dim=1) / layer.denominator
