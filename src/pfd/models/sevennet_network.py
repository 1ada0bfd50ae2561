"""SevenNet's energy on graphs of our own: the package's layers and weights, its convolution in a few compiled loops.

Method: Park et al., J. Chem. Theory Comput. 20, 4857 (2024), and Batzner et al., Nature Communications 13, 2453 (2022),
for the convolution; layers are those of the package ``sevenn``. The package makes one message for each directed pair
and path, in hundreds of operations on slices, and filling and adding those slices took most of a training step. Here
messages are summed as they are made (``equivariant_sum``), and the weights of the paths, which depend on the distance
alone, are computed once for the two directions of a pair.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pfd.models.equivariant_sum import Edges, Path, equivariant_sum
from pfd.models.pair_graph import PairGraph

if TYPE_CHECKING:
    import torch

ENERGY_LAYER = "rescale_atomic_energy"
"""The package's layer after the last one that is evaluated here: it adds large energies in float32."""


@dataclass(frozen=True)
class Product:
    """A convolution's tensor product of features with spherical harmonics.

    Attributes:
        paths: of one block of features and one degree of harmonics into one block of results each.
        coupling: Clebsch-Gordan coefficients times the paths' normalisation, (harmonics, kernel entries).
    """

    paths: Sequence[Path]
    coupling: torch.Tensor


@dataclass(frozen=True)
class Surroundings:
    """What an atom's neighbours look like.

    Attributes:
        edges: who they are.
        harmonics: of the direction to each, (edges, harmonics).
        radial: the basis of the distance of each pair, (pairs, basis).
    """

    edges: Edges
    harmonics: torch.Tensor
    radial: torch.Tensor


class SevenNetNetwork:
    """The package's module, evaluated on pair graphs.

    Args:
        module: the package's ``AtomGraphSequential``.
        head: the number of the head that is used, None if there are no heads.
    """

    def __init__(self, module: Any, head: int | None) -> None:
        self.module, self.head = module, head
        layers = [(name, layer) for name, layer in module.named_children() if hasattr(layer, "weight_nn")]
        self.products = {name: product_of(layer.convolution) for name, layer in layers}

    def scaled_energies(self, graph: PairGraph, vectors: torch.Tensor) -> torch.Tensor:
        """Energy of each atom in the network's unit, (atoms,), before scale and shift.

        Args:
            graph: one frame or a batch.
            vectors: from the second atom of each pair to the first, Å, (pairs, 3).
        """
        import torch

        data = {
            "x": self.module.z_to_onehot_tensor.to(vectors.device)[graph.numbers],
            "batch": graph.owner,
            "num_atoms": torch.bincount(graph.owner, minlength=graph.frames),
        }
        if self.head is not None:
            data["modal_type"] = torch.full((graph.frames,), self.head, device=vectors.device)
        around = _surroundings(self.module.edge_embedding, graph, vectors)
        for name, layer in self.module.named_children():
            if name == ENERGY_LAYER:
                break
            if name in self.products:
                data["x"] = _convolution(layer, self.products[name], data["x"], around)
            elif name != "edge_embedding":
                data = layer(data)
        return data["scaled_atomic_energy"].view(-1)


def product_of(product: Any) -> Product:
    """The paths of e3nn's tensor product, in the order of their weights, and what couples them."""
    import torch
    from e3nn.o3 import wigner_3j

    paths, couplings = [], []
    weight = kernel = 0
    for each in product.instructions:
        channels, first = product.irreps_in1[each.i_in1]
        second, third = product.irreps_in2[each.i_in2].ir, product.irreps_out[each.i_out].ir
        feature = product.irreps_in1[: each.i_in1].dim
        result = product.irreps_out[: each.i_out].dim
        paths.append(Path(channels, first.dim, third.dim, feature, weight, kernel, result))
        coupling = torch.zeros(product.irreps_in2.dim, first.dim * third.dim)
        rows = slice(product.irreps_in2[: each.i_in2].dim, product.irreps_in2[: each.i_in2 + 1].dim)
        coupling[rows] = (wigner_3j(first.l, second.l, third.l) * each.path_weight).float().transpose(0, 1).flatten(1)
        couplings.append(coupling)
        weight, kernel = weight + channels, kernel + first.dim * third.dim
    return Product(paths, torch.cat(couplings, dim=1))


def _surroundings(embedding: Any, graph: PairGraph, vectors: torch.Tensor) -> Surroundings:
    """Both directions of each pair, sorted by the atom in the middle."""
    import torch

    first, second = graph.pairs
    count = len(first)
    middles, order = torch.sort(torch.cat([first, second]), stable=True)
    starts = torch.zeros(len(graph.numbers) + 1, dtype=torch.int64, device=vectors.device)
    starts[1:] = torch.cumsum(torch.bincount(middles, minlength=len(graph.numbers)), 0)
    pairs = order % max(count, 1)
    lengths = vectors.norm(dim=1)
    radial = embedding.basis_function(lengths) * embedding.cutoff_function(lengths)[:, None]
    harmonics = embedding.spherical(vectors)[pairs]
    degree = torch.arange(harmonics.shape[1], device=vectors.device).double().sqrt().long()
    turned = (order < count)[:, None] & (degree % 2 == 1)
    harmonics = torch.where(turned, -harmonics, harmonics)
    return Surroundings(Edges(starts, middles, torch.cat([second, first])[order], pairs), harmonics, radial)


def _convolution(layer: Any, product: Product, features: torch.Tensor, around: Surroundings) -> torch.Tensor:
    """The package's ``IrrepsConvolution``; channels are its outer index of a block and the inner one of our sums."""
    import torch

    blocks = layer.convolution.irreps_in1
    parts = features.split([block.dim for block in blocks], dim=1)
    turned = [_turned(part, block.mul) for part, block in zip(parts, blocks, strict=True)]
    kernels = around.harmonics @ product.coupling.to(features.device)
    weights = layer.weight_nn(around.radial)
    summed = equivariant_sum(torch.cat(turned, dim=1), weights, kernels, around.edges, product.paths)
    blocks = layer.convolution.irreps_out
    parts = summed.split([block.dim for block in blocks], dim=1)
    results = [_turned(part, block.ir.dim) for part, block in zip(parts, blocks, strict=True)]
    return torch.cat(results, dim=1) / layer.denominator


def _turned(rows: torch.Tensor, outer: int) -> torch.Tensor:
    """Each row as a matrix of ``outer`` rows, transposed."""
    return rows.view(len(rows), outer, -1).transpose(1, 2).flatten(1)
