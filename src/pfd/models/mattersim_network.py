"""M3GNet's energy on graphs of our own: MatterSim's layers and weights, evaluated in fewer operations.

Method: Chen and Ong, Nature Computational Science 2, 718 (2022), eqs. 1-7; layers are those of the package
``mattersim``. Two things make it cheaper than the package's own forward. What a pair learns from the angles to its
neighbours is a sum over the other pairs of its atom that is the same in every block: it is computed once, and by the
addition theorem of spherical harmonics as a product of what the pair and its atom hold, so that no triplets are listed.
And the first linear map of a block is applied to atoms and pairs before, not after, they are gathered onto pairs.
"""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pfd.models.pair_graph import PairGraph, pair_graph_of, pair_graphs_together

if TYPE_CHECKING:
    import torch
    from ase import Atoms

FORCE_FIELD = "mattersim.forcefield"


def new_module(arguments: dict[str, Any]) -> Any:
    """The package's ``M3Gnet`` of random weights.

    Args:
        arguments: ``num_blocks``, ``units``, ``max_l``, ``max_n``, ``cutoff``, ``threebody_cutoff``, ``max_z``.
    """
    with _layers_alone():
        from mattersim.forcefield.m3gnet.m3gnet import M3Gnet

    return M3Gnet(device="cpu", **arguments)


@contextlib.contextmanager
def _layers_alone() -> Iterator[None]:
    """Within it the package's layers are imported without its training tools.

    Those bring torchvision along, whose builds for a GPU do not load beside a torch for the CPU, and change the
    filters of warnings. So the layers' parent is for a moment an empty module that only tells where they are.
    """
    package = find_spec("mattersim")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if FORCE_FIELD in sys.modules or package is None or package.origin is None:
            yield
            return
        parent = ModuleType(FORCE_FIELD)
        parent.__path__ = [str(Path(package.origin).parent / "forcefield")]
        sys.modules[FORCE_FIELD] = parent
        try:
            yield
        finally:
            del sys.modules[FORCE_FIELD]


def graph_of(frame: Atoms, cutoff_A: float, threebody_cutoff_A: float) -> PairGraph:
    """The graph of one frame: directed pairs within ``cutoff_A``, those with angles at the front."""
    return pair_graph_of(frame, cutoff_A, threebody_cutoff_A, both_ways=True)


def batch_of(graphs: Sequence[PairGraph]) -> PairGraph:
    """One graph that holds several frames side by side."""
    return graphs[0] if len(graphs) == 1 else pair_graphs_together(graphs)


def energies(module: Any, graph: PairGraph, vectors: torch.Tensor) -> torch.Tensor:
    """Energy of each frame, eV, (frames,), float64, without the elements' reference energies.

    Args:
        module: the package's ``M3Gnet``.
        graph: one frame or a batch.
        vectors: from the second atom of each pair to the first, Å, (pairs, 3).
    """
    import torch

    lengths = vectors.norm(dim=1)
    basis = module.rbf(lengths)
    bonds = module.edge_encoder(basis)
    atoms = module.atom_embedding(module.one_hot_atoms(graph.numbers))
    angular = _angular_sums(module, graph, vectors[: graph.short], lengths[: graph.short])
    first = graph.pairs[0]
    for block in module.graph_conv:
        weights = block.three_body.atom_mlp(atoms)[first[: graph.short]]
        near = bonds[: graph.short] + block.three_body.edge_gate_mlp(angular * weights)
        bonds = torch.cat([near, bonds[graph.short :]])
        bonds = bonds + _gated(block.gated_mlp_edge, atoms, bonds, graph.pairs) * block.edge_layer_edge(basis)
        message = _gated(block.gated_mlp_atom, atoms, bonds, graph.pairs) * block.edge_layer_atom(basis)
        atoms = atoms + torch.zeros_like(atoms).index_add(0, first, message)
    per_atom = module.final(atoms).view(-1) * module.normalizer.scale[graph.numbers].double()
    return per_atom.new_zeros(graph.frames).index_add(0, graph.owner, per_atom)


def _angular_sums(module: Any, graph: PairGraph, vectors: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """What each short pair learns from the angles to others, (short pairs, max_n times max_l).

    For the pair ij it is the sum over the other pairs ik of f(ij) f(ik) R_nl(ik) P_l(cos jik), f being the cutoff.
    With P_l(u.v) = sum_m Y_lm(u) Y_lm(v), for harmonics of norm 1, it is Y(ij) times the sum of R Y over all pairs of
    atom i, less the pair's own term. R is the package's basis at the angle 0, where its angular part is constant.
    """
    import torch
    from e3nn.o3 import spherical_harmonics
    from mattersim.forcefield.m3gnet.modules.message_passing import polynomial

    first, count = graph.pairs[0, : graph.short], len(graph.numbers)
    cutoff = polynomial(lengths, module.model_args["threebody_cutoff"])[:, None]
    radial = module.sbf(lengths, torch.zeros_like(lengths)) * cutoff
    width, orders = module.sbf.max_n, module.sbf.max_l
    harmonics = spherical_harmonics(list(range(orders)), vectors, normalize=True, normalization="norm")
    columns = []
    for order in range(orders):
        part = radial[:, order * width : (order + 1) * width]
        harmonic = harmonics[:, None, order**2 : (order + 1) ** 2]
        terms = part[:, :, None] * harmonic
        sums = terms.new_zeros(count, *terms.shape[1:]).index_add(0, first, terms)
        columns.append((sums[first] * harmonic).sum(dim=2) - part)
    return torch.cat(columns, dim=1) * cutoff


def _gated(layer: Any, atoms: torch.Tensor, bonds: torch.Tensor, pairs: torch.Tensor) -> torch.Tensor:
    """The package's ``GatedMLP`` on (first atom, second atom, bond), its first linear maps applied before gathering."""
    import torch
    from torch.nn.functional import silu

    core, gate = layer.g[0].linear, layer.sigma[0].linear
    width = atoms.shape[1]
    matrix = torch.cat([core.weight, gate.weight])
    of_first = atoms @ matrix[:, :width].T + torch.cat([core.bias, gate.bias])
    of_second = atoms @ matrix[:, width : 2 * width].T
    hidden = silu(of_first[pairs[0]] + of_second[pairs[1]] + bonds @ matrix[:, 2 * width :].T)
    half = core.out_features
    return layer.g[1:](hidden[:, :half]) * layer.sigma[1:](hidden[:, half:])
