"""The sum over neighbours in an equivariant convolution, differentiable twice; compiled loops on a CPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Path:
    """One product of features of one degree with a kernel, into features of another degree.

    Attributes:
        channels: of the features.
        inner: components of a feature that goes in.
        outer: components of one that comes out.
        feature: where its features, (inner, channels), begin in a row of all features.
        weight: where its weights, (channels,), begin in a row of all weights.
        kernel: where its kernel, (inner, outer), begins in a row of all kernels.
        result: where what comes out, (outer, channels), begins in a row of all results.
    """

    channels: int
    inner: int
    outer: int
    feature: int
    weight: int
    kernel: int
    result: int


@dataclass(frozen=True)
class Edges:
    """Directed pairs, sorted by the atom in the middle.

    Attributes:
        starts: where those of an atom begin, (atoms + 1,).
        middles: the atom in the middle, (edges,).
        sources: its neighbour, (edges,).
        pairs: the pair whose weights count, (edges,).
    """

    starts: torch.Tensor
    middles: torch.Tensor
    sources: torch.Tensor
    pairs: torch.Tensor


def equivariant_sum(
    features: torch.Tensor, weights: torch.Tensor, kernels: torch.Tensor, edges: Edges, paths: Sequence[Path]
) -> torch.Tensor:
    """For each atom and path: the sum over its neighbours of feature times weight, times the kernel as a matrix.

    Args:
        features: (atoms, features).
        weights: (pairs, weights).
        kernels: (edges, kernel entries).
        edges: who is whose neighbour.
        paths: what is multiplied with what.

    Returns:
        (atoms, results).
    """
    if features.device.type != "cpu":
        return sum_in_torch(features, weights, kernels, edges, paths)
    table = np.array([list(vars(path).values()) for path in paths], dtype=np.int64)
    size = max(path.result + path.outer * path.channels for path in paths)
    result: torch.Tensor = _compiled_function().apply(features, weights, kernels, edges, table, size)
    return result


def sum_in_torch(
    features: torch.Tensor, weights: torch.Tensor, kernels: torch.Tensor, edges: Edges, paths: Sequence[Path]
) -> torch.Tensor:
    """The same in torch's own operations: for a GPU, and what the compiled loops are held to."""
    import torch

    results = []
    for path in paths:
        entries = path.inner * path.outer
        feature = features[:, path.feature : path.feature + path.inner * path.channels][edges.sources]
        weight = weights[:, path.weight : path.weight + path.channels][edges.pairs]
        kernel = kernels[:, path.kernel : path.kernel + entries].reshape(-1, path.inner, path.outer)
        product = feature.view(-1, path.inner, path.channels) * weight.unsqueeze(1)
        message = torch.einsum("emc,emo->eoc", product, kernel).flatten(1)
        results.append(
            (path.result, features.new_zeros(len(features), message.shape[1]).index_add(0, edges.middles, message))
        )
    return torch.cat([result for _, result in sorted(results, key=lambda each: each[0])], dim=1)


@cache
def _compiled_function() -> Any:
    """The compiled loops as a torch function; its gradient is another one, whose gradient ends the chain."""
    import torch
    from torch.autograd.function import once_differentiable

    from pfd.models import equivariant_kernel

    def arrays(*tensors: torch.Tensor) -> list[np.ndarray]:
        return [tensor.detach().contiguous().numpy() for tensor in tensors]

    def graph_of(edges: Edges, paths: np.ndarray) -> list[np.ndarray]:
        return [*arrays(edges.starts, edges.sources, edges.pairs), paths]

    def zeros_like(*tensors: torch.Tensor) -> list[torch.Tensor]:
        return [torch.zeros_like(tensor, memory_format=torch.contiguous_format) for tensor in tensors]

    class Slopes(torch.autograd.Function):  # type: ignore[misc]
        """Gradients of a sum by features, weights and kernels."""

        @staticmethod
        def forward(ctx: Any, *inputs: Any) -> Any:
            *tensors, edges, paths = inputs
            ctx.save_for_backward(*tensors)
            ctx.graph = edges, paths
            found = zeros_like(*tensors[:3])
            equivariant_kernel.slopes(*arrays(*tensors), *graph_of(edges, paths), *arrays(*found))
            return tuple(found)

        @staticmethod
        @once_differentiable  # type: ignore[untyped-decorator]
        def backward(ctx: Any, *given: Any) -> Any:
            tensors = ctx.saved_tensors
            found = zeros_like(*tensors)
            inputs = arrays(*tensors, *given)
            equivariant_kernel.slopes_of_slopes(*inputs, *graph_of(*ctx.graph), *arrays(*found))
            return (*found, None, None)

    class Sum(torch.autograd.Function):  # type: ignore[misc]
        """See ``equivariant_sum``."""

        @staticmethod
        def forward(ctx: Any, *inputs: Any) -> Any:
            *tensors, edges, paths, size = inputs
            ctx.save_for_backward(*tensors)
            ctx.graph = edges, paths
            found = tensors[0].new_zeros(len(tensors[0]), size)
            equivariant_kernel.summed(*arrays(*tensors), *graph_of(edges, paths), *arrays(found))
            return found

        @staticmethod
        def backward(ctx: Any, given: Any) -> Any:
            return (*Slopes.apply(*ctx.saved_tensors, given, *ctx.graph), None, None, None)

    return Sum
