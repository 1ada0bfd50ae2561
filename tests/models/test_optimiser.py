"""Which parameters are matrices, and how they move."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from pfd.models.optimiser import matrices_of, optimiser_of, orthogonal  # noqa: E402


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.linear = torch.nn.Linear(6, 4)
        self.gain = torch.nn.Parameter(torch.ones(4))
        self.frozen = torch.nn.Parameter(torch.randn(3, 3), requires_grad=False)

    def forward(self, inputs):
        return self.linear(inputs) * self.gain


def test_singular_values_become_one():
    torch.manual_seed(1)
    matrix = torch.randn(20, 7) @ torch.diag(torch.logspace(0, 1.5, 7))
    for each in (matrix, matrix.T, 1e-9 * matrix):
        values = torch.linalg.svdvals(orthogonal(each))
        assert 0.5 < float(values.min()) < float(values.max()) < 1.3
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    assert torch.allclose((left.T @ orthogonal(matrix) @ right.T).abs().sum(), torch.tensor(7.0), atol=1.5)
    assert not orthogonal(torch.zeros(3, 5)).any()


def test_entries_move_by_the_rate_and_frozen_ones_do_not():
    network = Network()
    before = {name: value.detach().clone() for name, value in network.named_parameters()}
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimiser = optimiser_of(network, parameters, "muon")
    network(torch.randn(50, 6)).square().mean().backward()
    optimiser.step(0.01)
    moved = {name: (value - before[name]).detach() for name, value in network.named_parameters()}
    assert not moved["frozen"].any()
    for name in ("linear.weight", "linear.bias", "gain"):
        assert float(moved[name].square().mean().sqrt()) == pytest.approx(0.01, rel=0.4), name


@pytest.mark.parametrize("kind", ["muon", "adam"])
def test_it_goes_downhill(kind):
    network, inputs = Network(), torch.randn(100, 6)
    wanted = inputs @ torch.randn(6, 4)
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimiser = optimiser_of(network, parameters, kind)
    losses = []
    for step in range(300):
        loss = (network(inputs) - wanted).square().mean()
        for parameter, slope in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            parameter.grad = slope
        optimiser.step(0.03 * (1 - step / 300))
        losses.append(loss.item())
    assert losses[-1] < 0.01 * losses[0]


@pytest.mark.sevennet
def test_the_blocks_of_e3nn_s_layers_are_matrices():
    from e3nn.o3 import FullyConnectedTensorProduct, Linear

    network = torch.nn.ModuleList(
        [Linear("4x0e+3x1e", "5x0e+2x1e"), FullyConnectedTensorProduct("4x0e", "2x0e", "3x0e"), torch.nn.LayerNorm(7)]
    )
    linear, product, _ = network
    matrices = list(matrices_of(network))
    assert [matrix.shape for matrix in matrices] == [(4, 5), (3, 2), (8, 3)]
    assert [matrix.parameter is linear.weight for matrix in matrices] == [True, True, False]
    for _, instruction, view in linear.weight_views(yield_instruction=True):
        matrix = next(each for each in matrices if each.shape == tuple(instruction.path_shape))
        assert torch.equal(matrix.of(linear.weight.detach()), view)
    assert sum(math.prod(matrix.shape) for matrix in matrices) == linear.weight.numel() + product.weight.numel()
