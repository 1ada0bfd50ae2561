"""What torch families share outside training: predictions of batches, labels of frames, an ASE calculator."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from pfd.frames import Labels
from pfd.models.deterministic import same_bits
from pfd.models.family import Progress, no_progress, require_elements
from pfd.voigt import to_voigt

if TYPE_CHECKING:
    import torch
    from ase import Atoms
    from ase.calculators.calculator import Calculator

ATOMS_PER_BATCH = 256
"""Frames are predicted together up to this many atoms: small frames gain, and memory stays under about 1 GB."""


@dataclass(frozen=True)
class Prediction:
    """Predictions of a batch, as tensors.

    Attributes:
        energies: eV, (frames,), float64: totals are large and their differences small.
        forces: eV/Å, (atoms, 3), frames one after another.
        stresses: eV/Å^3, ASE's sign, (frames, 3, 3).
    """

    energies: torch.Tensor
    forces: torch.Tensor
    stresses: torch.Tensor


class TorchPotential(Protocol):
    """A model of one family in memory: what the shared loops need of it."""

    module: Any
    """The ``torch.nn.Module`` whose parameters are trained."""
    elements: tuple[str, ...]
    """Chemical symbols that the model knows."""

    def graph(self, frame: Atoms) -> Any:
        """A frame prepared once for all later predictions: its neighbours do not change while weights do."""

    def predict(self, graphs: Sequence[Any], *, differentiable: bool) -> Prediction:
        """Predict a batch; ``differentiable`` if a loss on forces and stress will be differentiated by the weights."""


def predict_frames(
    potential: TorchPotential, frames: Sequence[Atoms], where: str, progress: Progress = no_progress
) -> list[Labels]:
    """Energy, forces and (where the frame is periodic in all directions) stress of each frame, in float64.

    Raises:
        ModelError: if a frame holds an element that the model does not know.
    """
    require_elements(frames, potential.elements, where)
    labels: list[Labels] = []
    for batch in batches_by_size(frames, ATOMS_PER_BATCH):
        with same_bits(potential.module):
            prediction = potential.predict([potential.graph(frame) for frame in batch], differentiable=False)
        energies = prediction.energies.detach().cpu().numpy().astype(float)
        forces = prediction.forces.detach().cpu().numpy().astype(float)
        stresses = prediction.stresses.detach().cpu().numpy().astype(float)
        splits = np.cumsum([len(frame) for frame in batch])[:-1]
        for frame, energy, force, stress in zip(batch, energies, np.split(forces, splits), stresses, strict=True):
            labels.append(Labels(float(energy), force, to_voigt(stress) if frame.pbc.all() else None))
        progress(len(labels) / len(frames), f"predicted {len(labels)} of {len(frames)} frames")
    return labels


def batches_by_size(frames: Sequence[Atoms], atoms: int) -> Iterator[list[Atoms]]:
    """Consecutive frames, as many as hold at most ``atoms`` atoms together, at least one."""
    batch: list[Atoms] = []
    for frame in frames:
        if batch and sum(map(len, batch)) + len(frame) > atoms:
            yield batch
            batch = []
        batch.append(frame)
    if batch:
        yield batch


def torch_calculator(potential: TorchPotential, where: str) -> Calculator:
    """An ASE calculator: energy eV, forces eV/Å, and stress eV/Å^3 where periodic in all directions."""
    from pfd.frames.label_calculator import LabelCalculator

    class TorchCalculator(LabelCalculator):
        """Energy, forces and stress of one frame at a time."""

        def labels(self, frame: Atoms) -> Labels:
            return predict_frames(potential, [frame], where)[0]

    return TorchCalculator()
