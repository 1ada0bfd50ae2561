"""The compiled sum over neighbours against the same in torch: values, slopes, and slopes of slopes."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from pfd.models.equivariant_sum import Edges, Path, equivariant_sum, sum_in_torch  # noqa: E402

PATHS = (
    Path(channels=5, inner=1, outer=3, feature=0, weight=0, kernel=0, result=6),
    Path(channels=2, inner=3, outer=3, feature=5, weight=5, kernel=3, result=0),
    Path(channels=2, inner=3, outer=1, feature=5, weight=7, kernel=12, result=21),
)


def problem(pairs: int, atoms: int = 4):
    """Random inputs: each pair of atoms is seen from both."""
    random = np.random.default_rng(pairs)
    first, second = torch.from_numpy(random.integers(0, atoms, (2, pairs)))
    middles, order = torch.sort(torch.cat([first, second]), stable=True)
    starts = torch.cat([torch.zeros(1, dtype=torch.int64), torch.bincount(middles, minlength=atoms).cumsum(0)])
    edges = Edges(starts, middles, torch.cat([second, first])[order], order % max(pairs, 1))
    sizes = ((atoms, 11), (pairs, 9), (2 * pairs, 15))
    inputs = [
        torch.tensor(random.normal(scale=0.5, size=size), dtype=torch.float32, requires_grad=True) for size in sizes
    ]
    return inputs, edges


def slopes_of_all_orders(function, inputs, edges):
    """The sum, its slopes, and the slopes of a function of the slopes."""
    out = function(*inputs, edges, PATHS)
    given = torch.cos(torch.arange(out.numel(), dtype=torch.float32)).view(out.shape).requires_grad_()
    first = torch.autograd.grad((out.square() * given).sum(), inputs, create_graph=True)
    second = torch.autograd.grad(sum(slope.square().sum() for slope in first), [*inputs, given])
    return [out, *first, *second]


@pytest.mark.parametrize("pairs", [0, 1, 9])
def test_the_compiled_loops_do_what_torch_does(pairs):
    inputs, edges = problem(pairs)
    for ours, theirs in zip(
        slopes_of_all_orders(equivariant_sum, inputs, edges),
        slopes_of_all_orders(sum_in_torch, inputs, edges),
        strict=True,
    ):
        scale = max(float(theirs.detach().abs().max()), 1.0) if theirs.numel() else 1.0
        torch.testing.assert_close(ours, theirs, atol=1e-5 * scale, rtol=1e-4)


def test_inputs_need_not_be_contiguous():
    (features, weights, kernels), edges = problem(5)
    turned = weights.detach().T.contiguous().T
    torch.testing.assert_close(
        equivariant_sum(features, turned, kernels, edges, PATHS),
        equivariant_sum(features, weights, kernels, edges, PATHS),
    )
