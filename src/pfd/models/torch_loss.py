"""The loss on energies, forces and stresses of torch families, summed frame by frame so that cores can share it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
from pydantic import Field

from pfd.frames import labels_of, require_labels, trainable_stress
from pfd.models.torch_potential import TorchPotential
from pfd.settings import Settings
from pfd.voigt import from_voigt

if TYPE_CHECKING:
    import torch
    from ase import Atoms

ENERGY_UNIT_EV = 0.01
"""An energy error per atom that counts as 1 in the loss, eV: what a fine-tuned model reaches easily."""
FORCE_UNIT_EV_PER_A = 0.1
"""A force error that counts as 1 in the loss, eV/Å."""
STRESS_UNIT_EV_PER_A3 = 0.005
"""A stress error that counts as 1 in the loss, eV/Å^3 (0.8 GPa)."""
Item = TypeVar("Item")
Answer = TypeVar("Answer")
Team = Callable[[Callable[[Item], Answer], Iterable[Item]], Iterator[Answer]]
"""As ``map``: the answers come in the order of the items, whoever worked on them."""


class LossSettings(Settings):
    """What a training minimises."""

    loss: Literal["huber", "squared"] = "huber"
    """Huber grows linearly beyond one unit of error (see the weights): a few odd frames do not own the loss."""
    energy_weight: float = Field(default=0.05, ge=0)
    """Weight of the energy error per atom, in units of 0.01 eV. Measured on 64-atom silicon: from 0.02 to 10 energies
    come out equally good; the force error is 10 % larger with 1 than with 0.05, and twice as large with 10."""
    force_weight: float = Field(default=1.0, ge=0)
    """Weight of the force error, in units of 0.1 eV/Å."""
    stress_weight: float = Field(default=0.1, ge=0)
    """Weight of the stress error, in units of 0.005 eV/Å^3; only frames with a trainable stress enter."""


@dataclass(frozen=True)
class Example:
    """One frame prepared for training: its graph, its labels as tensors, and how many atoms it has."""

    graph: Any
    atoms: int
    energy: torch.Tensor
    forces: torch.Tensor
    stress: torch.Tensor
    """Full 3 x 3; NaN where the frame has no stress to train on."""


@dataclass(frozen=True)
class Batch:
    """How much there is in a batch: what its mean errors are divided by, whoever computes which part of the sums."""

    frames: int
    atoms: int
    stresses: int
    """Frames with a stress to train on."""

    @classmethod
    def of(cls, examples: Sequence[Example]) -> Batch:
        """The counts of these examples."""
        stresses = sum(not math.isnan(float(example.stress[0, 0])) for example in examples)
        return cls(len(examples), sum(example.atoms for example in examples), stresses)


@dataclass(frozen=True)
class Part:
    """What some frames of a batch contribute.

    Attributes:
        loss: their part of the batch's loss (dimensionless), differentiable by the weights if so asked.
        squared_force_error: sum over components, eV^2/Å^2.
        components: force components.
        squared_energy_error: sum over frames of the energy error per atom, squared, eV^2.
    """

    loss: torch.Tensor
    squared_force_error: float
    components: int
    squared_energy_error: float


def prepare(potential: TorchPotential, frames: Sequence[Atoms], settings: LossSettings, where: str) -> list[Example]:
    """Graphs and labels of the frames, made once and kept for the whole training.

    Raises:
        DataError: if a frame lacks a label that the loss needs.
    """
    import torch

    needs = [name for name, weight in (("energy", settings.energy_weight), ("forces", settings.force_weight)) if weight]
    require_labels(frames, where=where, needs=needs)
    examples = []
    for frame in frames:
        labels, stress = labels_of(frame), trainable_stress(frame)
        matrix = np.full((3, 3), np.nan) if stress is None else from_voigt(stress)
        forces = np.zeros((len(frame), 3)) if labels.forces is None else labels.forces
        examples.append(
            Example(
                graph=potential.graph(frame),
                atoms=len(frame),
                energy=torch.tensor(labels.energy or 0.0, dtype=torch.float64),
                forces=torch.tensor(forces, dtype=torch.float32),
                stress=torch.tensor(matrix, dtype=torch.float32),
            )
        )
    return examples


def loss_of(
    potential: TorchPotential, part: Sequence[Example], batch: Batch, settings: LossSettings, *, differentiable: bool
) -> Part:
    """What these frames contribute to the loss of the batch that they belong to.

    The loss is the weighted sum of three means over the batch: of frames (energy per atom), of force components, and
    of stress components, each of the penalty of error over unit.
    """
    import torch

    prediction = potential.predict([example.graph for example in part], differentiable=differentiable)
    device = prediction.energies.device
    atoms = torch.tensor([example.atoms for example in part], dtype=torch.float64, device=device)
    energy_error = (prediction.energies - torch.stack([example.energy for example in part]).to(device)) / atoms
    force_error = prediction.forces - torch.cat([example.forces for example in part]).to(device)
    stress = torch.stack([example.stress for example in part]).to(device)
    known = ~torch.isnan(stress[:, 0, 0])
    energies = _penalty((energy_error / ENERGY_UNIT_EV).float(), settings.loss) / batch.frames
    forces = _penalty(force_error / FORCE_UNIT_EV_PER_A, settings.loss) / (3 * batch.atoms)
    loss = settings.energy_weight * energies + settings.force_weight * forces
    if settings.stress_weight and bool(known.any()):
        stress_error = (prediction.stresses[known] - stress[known]) / STRESS_UNIT_EV_PER_A3
        loss = loss + settings.stress_weight * _penalty(stress_error, settings.loss) / (9 * batch.stresses)
    return Part(
        loss=loss,
        squared_force_error=float(force_error.detach().double().square().sum()),
        components=force_error.numel(),
        squared_energy_error=float(energy_error.detach().square().sum()),
    )


def _penalty(error: torch.Tensor, kind: str) -> torch.Tensor:
    from torch.nn.functional import huber_loss

    return (
        error.square().sum()
        if kind == "squared"
        else 2 * huber_loss(error, error.new_zeros(error.shape), reduction="sum")
    )


@contextmanager
def torch_team(threads: int) -> Iterator[Team[Any, Any]]:
    """Within it, ``team(function, items)`` works on as many items at a time as there are threads, one core each.

    Torch gives up Python's lock within its operations, so threads are enough. With one thread it is plain ``map``.
    """
    import torch

    if threads < 2:
        yield map
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        yield pool.map
