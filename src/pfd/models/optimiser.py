"""How weights move at a step of training: orthogonal steps for matrices (Muon), Adam's for everything else."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    import torch

MOMENTUM = 0.95
"""Share of the past in the running sum of the slopes of matrices (the method's own default)."""
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients of a quintic whose iteration takes all singular values into 0.7 to 1.2, from 0.001 in five rounds."""
ROUNDS = 5


class Optimiser(Protocol):
    """Moves parameters by the slopes in their ``grad``."""

    def step(self, rate: float) -> None:
        """One step; an entry of a parameter moves by about ``rate``."""


@dataclass(frozen=True)
class Matrix:
    """A part of a parameter that the network multiplies with: all of it, or one block of several in a flat row.

    Attributes:
        parameter: which it belongs to.
        start, stop: where it lies in the flattened parameter.
        shape: rows and columns.
    """

    parameter: torch.Tensor
    start: int
    stop: int
    shape: tuple[int, int]

    def of(self, values: torch.Tensor) -> torch.Tensor:
        """The matrix in a tensor of the parameter's shape."""
        return values.view(-1)[self.start : self.stop].view(self.shape)


def optimiser_of(module: Any, parameters: Sequence[torch.Tensor], kind: Literal["muon", "adam"]) -> Optimiser:
    """The optimiser of these parameters of a module."""
    if kind == "adam":
        return Adam(parameters)
    free = {id(parameter) for parameter in parameters}
    return Muon(parameters, [matrix for matrix in matrices_of(module) if id(matrix.parameter) in free])


def matrices_of(module: Any) -> Iterator[Matrix]:
    """The matrices among a module's parameters; layers of e3nn keep theirs, one for each pair of irreps, in one row."""
    for layer in module.modules():
        parts = list(_parts_of(layer))
        for parameter in layer.parameters(recurse=False):
            if parameter.ndim == 2 and min(parameter.shape) > 1:
                yield Matrix(parameter, 0, parameter.numel(), (len(parameter), parameter.shape[1]))
            elif parameter.ndim == 1 and sum(map(math.prod, parts)) == parameter.numel():
                start = 0
                for shape in parts:
                    stop = start + math.prod(shape)
                    yield Matrix(parameter, start, stop, shape)
                    start = stop


def _parts_of(layer: Any) -> Iterator[tuple[int, int]]:
    """Shapes of the matrices in the flat weights of e3nn's linear layers and products: all that goes in, by out."""
    for each in getattr(layer, "instructions", ()):
        shape: tuple[int, ...] = getattr(each, "path_shape", ())
        if len(shape) > 1 and getattr(each, "i_in", 0) >= 0 and getattr(each, "has_weight", True):
            yield math.prod(shape[:-1]), shape[-1]


class Adam:
    """Kingma and Ba, arXiv:1412.6980, as torch has it."""

    def __init__(self, parameters: Sequence[torch.Tensor]) -> None:
        import torch

        self.inner = torch.optim.Adam(parameters)

    def step(self, rate: float) -> None:
        """See ``Optimiser.step``."""
        for group in self.inner.param_groups:
            group["lr"] = rate
        self.inner.step()


class Muon:
    """The running sum of a matrix's slopes, its singular values all made about 1; Adam for parameters without one.

    A step is scaled so that its entries are of order ``rate``, as Adam's are: both kinds share a learning rate.

    Source: K. Jordan et al., Muon: an optimizer for hidden layers in neural networks (2024); scale after Liu et al.,
    Muon is scalable for LLM training, arXiv:2502.16982, without their factor 0.2.
    """

    def __init__(self, parameters: Sequence[torch.Tensor], matrices: Sequence[Matrix]) -> None:
        import torch

        self.matrices = matrices
        taken = {id(matrix.parameter) for matrix in matrices}
        self.sums = [torch.zeros_like(matrix.of(matrix.parameter.detach())) for matrix in matrices]
        others = [parameter for parameter in parameters if id(parameter) not in taken]
        self.others = Adam(others) if others else None

    def step(self, rate: float) -> None:
        """See ``Optimiser.step``."""
        for matrix, total in zip(self.matrices, self.sums, strict=True):
            slope = matrix.of(matrix.parameter.grad)
            total.mul_(MOMENTUM).add_(slope)
            direction = orthogonal(slope + MOMENTUM * total)
            matrix.of(matrix.parameter.data).sub_(direction, alpha=rate * math.sqrt(max(matrix.shape)))
        if self.others is not None:
            self.others.step(rate)


def orthogonal(matrix: torch.Tensor) -> torch.Tensor:
    """A matrix with the same singular vectors and singular values near 1 (those of almost 0 stay smaller)."""
    wide = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    wide = wide / (wide.norm() + 1e-12)
    linear, cubic, quintic = NEWTON_SCHULZ
    for _ in range(ROUNDS):
        square = wide @ wide.T
        wide = linear * wide + (cubic * square + quintic * square @ square) @ wide
    return wide.T if matrix.shape[0] > matrix.shape[1] else wide
