"""The one training loop of all torch families: labelled frames in, better weights and a learning curve out."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from pfd.errors import DataError
from pfd.frames import labels_of, require_labels, trainable_stress
from pfd.models.family import EpochRecord, Progress, TrainingReport, no_progress
from pfd.models.torch_potential import TorchPotential
from pfd.settings import Settings

if TYPE_CHECKING:
    import torch
    from ase import Atoms

ENERGY_UNIT_EV = 0.01
"""An energy error per atom that counts as 1 in the loss, eV: what a fine-tuned model reaches easily."""
FORCE_UNIT_EV_PER_A = 0.1
"""A force error that counts as 1 in the loss, eV/Å."""
STRESS_UNIT_EV_PER_A3 = 0.005
"""A stress error that counts as 1 in the loss, eV/Å^3 (0.8 GPa)."""
FULL = ((0, 5, 4), (5, 1, 3), (4, 3, 2))
"""Where the six components xx yy zz yz xz xy stand in a 3 x 3 matrix."""


class FineTuneSettings(Settings):
    """How a pre-trained torch model is trained further; a family's own class moves the defaults that differ for it."""

    epochs: int = Field(default=40, gt=0)
    """How often every training frame is seen."""
    steps: int | None = Field(default=None, gt=0)
    """Optimiser steps; given, it takes the place of ``epochs``."""
    batch_size: int = Field(default=1, gt=0)
    """Frames per step: a frame of 64 atoms already holds 192 force components, and more steps beat larger ones."""
    learning_rate: float = Field(default=1e-3, gt=0)
    """Largest learning rate of Adam."""
    warmup: float = Field(default=0.05, ge=0, lt=1)
    """Fraction of the steps in which the rate rises to its largest: Adam's first steps know no scale yet."""
    final_learning_rate: float = Field(default=0.01, gt=0, le=1)
    """Last learning rate as a fraction of the largest; in between it follows a cosine."""
    loss: Literal["huber", "squared"] = "huber"
    """Huber grows linearly beyond one unit of error (see the weights): a few odd frames do not own the loss."""
    energy_weight: float = Field(default=0.05, ge=0)
    """Weight of the energy error per atom, in units of 0.01 eV. Measured on 64-atom silicon: from 0.02 to 10 energies
    come out equally good; the force error is 10 % larger with 1 than with 0.05, and twice as large with 10."""
    force_weight: float = Field(default=1.0, ge=0)
    """Weight of the force error, in units of 0.1 eV/Å."""
    stress_weight: float = Field(default=0.1, ge=0)
    """Weight of the stress error, in units of 0.005 eV/Å^3; only frames with a trainable stress enter."""
    average: float = Field(default=0.0, ge=0, lt=1)
    """Decay per step of the running average of the weights that is kept instead of the last weights; 0 turns it off."""
    validations: int = Field(default=20, gt=0)
    """How often, over the whole training, the validation frames are predicted."""
    patience: int = Field(default=12, gt=0)
    """Training stops after this many validations in a row without a new best; while the learning rate is large the
    error goes up and down, and much of the gain comes in the last third: less patience would stop before it."""

    @model_validator(mode="after")
    def _one_length(self) -> FineTuneSettings:
        if self.steps is not None and self.moved("epochs"):
            raise ValueError("steps take the place of epochs; remove one of the two")
        return self


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
class Score:
    """Errors over a set of frames: loss, force RMSE (eV/Å, by component) and energy RMSE (eV per atom)."""

    loss: float
    force_rmse: float
    energy_rmse: float


def train_torch(
    potential: TorchPotential,
    train: Sequence[Atoms],
    valid: Sequence[Atoms],
    settings: FineTuneSettings,
    *,
    seed: int,
    progress: Progress = no_progress,
) -> TrainingReport:
    """Train a potential's module in place and leave in it the weights that were best on the validation frames.

    Without validation frames the last weights stay. The same seed, frames, and number of threads give the same weights.

    Raises:
        DataError: if a frame lacks a label that the loss needs, or the loss becomes infinite or NaN.
    """
    import torch

    examples = prepare(potential, train, settings, "the training frames")
    checks = prepare(potential, valid, settings, "the validation frames") if valid else []
    parameters = [parameter for parameter in potential.module.parameters() if parameter.requires_grad]
    steps = settings.steps or settings.epochs * math.ceil(len(examples) / settings.batch_size)
    every = max(1, math.ceil(steps / settings.validations))
    optimiser = torch.optim.Adam(parameters, lr=settings.learning_rate)
    order = _endless_batches(len(examples), settings.batch_size, seed)
    keeper = _BestWeights(parameters, settings)
    curve: list[EpochRecord] = []
    seen: list[tuple[float, float, int]] = []
    for step in range(1, steps + 1):
        for group in optimiser.param_groups:
            group["lr"] = settings.learning_rate * learning_rate_factor(step, steps, settings)
        optimiser.zero_grad()
        loss, force_error, _ = _loss(potential, [examples[i] for i in next(order)], settings, differentiable=True)
        if not bool(torch.isfinite(loss)):
            hint = "lower learning_rate, or check the labels"
            raise DataError(f"the loss is {float(loss.detach())} at step {step}", where="training", hint=hint)
        loss.backward(inputs=parameters)  # not by positions and strain: those slopes are done
        optimiser.step()
        keeper.follow()
        seen.append((float(loss.detach()), *_squares(force_error)))
        if step % every == 0 or step == steps:
            with keeper.averaged():
                score = evaluate(potential, checks, settings)
                keeper.judge(step, score)
            curve.append(_record(step, seen, score))
            seen = []
            progress(step / steps, _text(curve[-1], steps))
            if keeper.stale >= settings.patience:
                break
    keeper.restore()
    return TrainingReport(curve=tuple(curve), best_step=keeper.step, stopped_early=step < steps)


class _BestWeights:
    """The running average of the weights, and a copy of those that were best on the validation frames so far."""

    def __init__(self, parameters: Sequence[torch.Tensor], settings: FineTuneSettings) -> None:
        self.parameters = parameters
        self.decay = settings.average
        self.average = self._copy()
        self.best = self._copy()
        self.loss = math.inf
        self.step = 0
        self.stale = 0

    def follow(self) -> None:
        """Move the average towards the weights of this step."""
        for mean, parameter in zip(self.average, self.parameters, strict=True):
            mean.lerp_(parameter.detach(), 1.0 - self.decay)

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """Within it the module has the averaged weights."""
        trained = self._copy()
        self._set(self.average)
        yield
        self._set(trained)

    def judge(self, step: int, score: Score | None) -> None:
        """Keep a copy of the present weights if they are the best so far; without a score the newest are."""
        if score is not None and not score.loss < self.loss:
            self.stale += 1
            return
        self.loss = math.inf if score is None else score.loss
        self.step, self.stale, self.best = step, 0, self._copy()

    def restore(self) -> None:
        """Put the best weights into the module."""
        self._set(self.best)

    def _copy(self) -> list[torch.Tensor]:
        return [parameter.detach().clone() for parameter in self.parameters]

    def _set(self, values: Sequence[torch.Tensor]) -> None:
        for parameter, value in zip(self.parameters, values, strict=True):
            parameter.data.copy_(value)


def prepare(
    potential: TorchPotential, frames: Sequence[Atoms], settings: FineTuneSettings, where: str
) -> list[Example]:
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
        matrix = np.full((3, 3), np.nan) if stress is None else stress[np.array(FULL)]
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


def evaluate(potential: TorchPotential, examples: Sequence[Example], settings: FineTuneSettings) -> Score | None:
    """Loss and errors over a set, accumulated in float64; None for an empty set."""
    if not examples:
        return None
    losses, forces, energies = [], [], []
    for example in examples:
        loss, force_error, energy_error = _loss(potential, [example], settings, differentiable=False)
        losses.append(float(loss.detach()))
        forces.append(_squares(force_error))
        energies.append(float(energy_error.detach().double().square().sum()))
    squares = sum(square for square, _ in forces) / sum(count for _, count in forces)
    return Score(float(np.mean(losses)), math.sqrt(squares), math.sqrt(float(np.mean(energies))))


def learning_rate_factor(step: int, steps: int, settings: FineTuneSettings) -> float:
    """The learning rate at a step as a fraction of the largest: a straight rise, then half a cosine."""
    rise = settings.warmup * steps
    if step < rise:
        return step / rise
    done = (step - rise) / max(steps - rise, 1.0)
    return settings.final_learning_rate + (1 - settings.final_learning_rate) * (1 + math.cos(math.pi * done)) / 2


def _loss(
    potential: TorchPotential, batch: Sequence[Example], settings: FineTuneSettings, *, differentiable: bool
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Loss (dimensionless), force errors (eV/Å) and energy errors per atom (eV) of a batch."""
    import torch

    prediction = potential.predict([example.graph for example in batch], differentiable=differentiable)
    atoms = torch.tensor([example.atoms for example in batch], dtype=torch.float64)
    energy_error = (prediction.energies - torch.stack([example.energy for example in batch])) / atoms
    force_error = prediction.forces - torch.cat([example.forces for example in batch])
    stress = torch.stack([example.stress for example in batch])
    known = ~torch.isnan(stress[:, 0, 0])
    loss = settings.energy_weight * _penalty((energy_error / ENERGY_UNIT_EV).float(), settings.loss)
    loss = loss + settings.force_weight * _penalty(force_error / FORCE_UNIT_EV_PER_A, settings.loss)
    if settings.stress_weight and bool(known.any()):
        stress_error = prediction.stresses[known] - stress[known]
        loss = loss + settings.stress_weight * _penalty(stress_error / STRESS_UNIT_EV_PER_A3, settings.loss)
    return loss, force_error, energy_error


def _penalty(error: torch.Tensor, kind: str) -> torch.Tensor:
    from torch.nn.functional import huber_loss

    return error.square().mean() if kind == "squared" else 2 * huber_loss(error, error.new_zeros(error.shape))


def _squares(force_error: torch.Tensor) -> tuple[float, int]:
    return float(force_error.detach().double().square().sum()), force_error.numel()


def _endless_batches(count: int, size: int, seed: int) -> Iterator[list[int]]:
    generator = np.random.default_rng(seed)
    while True:
        order = generator.permutation(count).tolist()
        for start in range(0, count, size):
            yield order[start : start + size]


def _record(step: int, seen: Sequence[tuple[float, float, int]], score: Score | None) -> EpochRecord:
    squares = sum(square for _, square, _ in seen) / sum(count for _, _, count in seen)
    return EpochRecord(
        step=step,
        loss=float(np.mean([loss for loss, _, _ in seen])),
        train_force_rmse_eV_per_A=math.sqrt(squares),
        valid_force_rmse_eV_per_A=score.force_rmse if score else None,
        valid_energy_rmse_eV_per_atom=score.energy_rmse if score else None,
    )


def _text(record: EpochRecord, steps: int) -> str:
    error = record.valid_force_rmse_eV_per_A or record.train_force_rmse_eV_per_A or 0.0
    return f"step {record.step} of {steps}: force RMSE {1000 * error:.0f} meV/Å"
