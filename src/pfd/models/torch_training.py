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
from pfd.models.deterministic import same_bits
from pfd.models.family import EpochRecord, Progress, TrainingReport, no_progress
from pfd.models.optimiser import optimiser_of
from pfd.models.torch_loss import Batch, Example, LossSettings, Part, Team, loss_of, prepare, torch_team
from pfd.models.torch_potential import TorchPotential

if TYPE_CHECKING:
    import torch
    from ase import Atoms


FEWEST_TO_JUDGE = 5
"""Validation frames from which on two states of a training are told apart."""


class FineTuneSettings(LossSettings):
    """How a pre-trained torch model is trained further; a family's own class moves the defaults that differ for it."""

    epochs: int | None = Field(default=40, gt=0)
    """How often every training frame is seen."""
    steps: int | None = Field(default=None, gt=0)
    """Optimiser steps; given, it takes the place of ``epochs``."""
    batch_size: int = Field(default=1, gt=0)
    """Frames per step: a frame of 64 atoms already holds 192 force components, and more steps beat larger ones. On a
    CPU the frames of a step are shared out among the cores of the task, which one small frame alone cannot use."""
    optimiser: Literal["muon", "adam"] = "adam"
    """``muon`` makes the singular values of each matrix's step equal, so that directions of small slope move as far as
    those that own it, and leaves other parameters to ``adam``."""
    learning_rate: float = Field(default=1e-3, gt=0)
    """Largest learning rate: how far an entry of a parameter moves in a step, about."""
    warmup: float = Field(default=0.05, ge=0, lt=1)
    """Fraction of the steps in which the rate rises to its largest: the first steps know no scale yet."""
    final_learning_rate: float = Field(default=0.01, gt=0, le=1)
    """Last learning rate as a fraction of the largest; in between it follows a cosine."""
    average: float = Field(default=0.0, ge=0, lt=1)
    """Decay per step of the running average of the weights that is kept instead of the last weights; 0 turns it off."""
    validations: int = Field(default=20, gt=0)
    """How often, over the whole training, the validation frames are predicted."""
    patience: int = Field(default=12, gt=0)
    """Training stops after this many validations in a row that are clearly worse than the best (by two standard errors,
    on five frames or more); while the learning rate is large the error goes up and down, and much of the gain comes in
    the last third: less patience would stop before it."""

    @model_validator(mode="after")
    def _one_length(self) -> FineTuneSettings:
        if self.steps is not None and self.moved("epochs"):
            raise ValueError("steps take the place of epochs; remove one of the two")
        if self.steps is None and self.epochs is None and self.moved("epochs"):
            raise ValueError("without epochs and steps the training has no length; give one of the two")
        return self

    def length(self, atoms: Sequence[int]) -> int:
        """Steps of a training on frames of so many atoms."""
        return self.steps or (self.epochs or 1) * math.ceil(len(atoms) / self.batch_size)


@dataclass(frozen=True)
class Score:
    """Errors over a set of frames: loss of each, force RMSE (eV/Å, by component) and energy RMSE (eV per atom)."""

    losses: tuple[float, ...]
    force_rmse: float
    energy_rmse: float

    @property
    def loss(self) -> float:
        """The mean loss."""
        return float(np.mean(self.losses))

    def clearly_worse_than(self, other: Score) -> bool:
        """True if the mean loss is above the other's by more than two standard errors of the frames' differences.

        With fewer than five frames no difference is clear, unless this loss is no number: on two frames, strained
        alike, weights of the middle of a training passed for better than those of its end, at which 20 frames of
        molybdenum had been learnt.

        Source: as the one-standard-error rule, Hastie, Tibshirani and Friedman, The Elements of Statistical Learning,
        2nd ed., section 7.10, with the differences paired by frame; two errors, as the best of twenty is compared.
        """
        differences = np.subtract(self.losses, other.losses)
        if not np.isfinite(differences).all():
            return True
        if len(differences) < FEWEST_TO_JUDGE:
            return False
        return bool(differences.mean() > 2 * differences.std(ddof=1) / math.sqrt(len(differences)))


@dataclass(frozen=True)
class Replay:
    """What a model shall not forget while it learns something else: frames that enter the loss of every step.

    Attributes:
        examples: prepared by ``prepare``, perhaps for another head of the model than the one that is trained.
        weight: of their loss beside that of the training frames.
    """

    examples: Sequence[Example]
    weight: float


@dataclass(frozen=True)
class StepErrors:
    """Loss of one step's batch, its squared force error (eV^2/Å^2) and the number of force components."""

    loss: float
    squared_force_error: float
    components: int


def train_torch(
    potential: TorchPotential,
    train: Sequence[Atoms],
    valid: Sequence[Atoms],
    settings: FineTuneSettings,
    *,
    seed: int,
    progress: Progress = no_progress,
    replay: Replay | None = None,
) -> TrainingReport:
    """Train a potential's module in place and leave in it the weights that were best on the validation frames.

    The last weights count as the best unless they are clearly worse: a few frames of validation cannot tell much, and
    at the end of the cosine the weights have come to rest. With fewer than five validation frames they stay anyway.

    The same seed, frames, and number of threads give the same weights; with a ``batch_size`` above 1 the number of
    threads does not matter on a CPU, since frames are then evaluated one by one, on one thread each, and summed in
    their order.

    With ``replay``, each step adds the loss of a batch of those frames, equally large; the learning curve and the
    choice of the best weights are of the training and validation frames alone.

    Raises:
        DataError: if a frame lacks a label that the loss needs, or the loss becomes infinite or NaN.
    """
    examples = prepare(potential, train, settings, "the training frames")
    checks = prepare(potential, valid, settings, "the validation frames") if valid else []
    parameters = [parameter for parameter in potential.module.parameters() if parameter.requires_grad]
    steps = settings.length([example.atoms for example in examples])
    every = max(1, math.ceil(steps / settings.validations))
    optimiser = optimiser_of(potential.module, parameters, settings.optimiser)
    batches = _endless_batches(examples, settings.batch_size, seed)
    old_batches = _endless_batches(replay.examples, settings.batch_size, seed) if replay else None
    keeper = _BestWeights(parameters, settings)
    curve: list[EpochRecord] = []
    seen: list[StepErrors] = []
    with same_bits(potential.module), torch_team(_workers(parameters, settings.batch_size)) as team:
        for step in range(1, steps + 1):
            seen.append(_set_gradients(potential, next(batches), settings, parameters, team))
            if replay is not None and old_batches is not None:
                _set_gradients(potential, next(old_batches), settings, parameters, team, added_with=replay.weight)
            if not math.isfinite(seen[-1].loss):
                hint = "lower learning_rate, or check the labels"
                raise DataError(f"the loss is {seen[-1].loss} at step {step}", where="training", hint=hint)
            optimiser.step(settings.learning_rate * learning_rate_factor(step, steps, settings))
            keeper.follow()
            if step % every == 0 or step == steps:
                with keeper.averaged():
                    score = evaluate(potential, checks, settings, team)
                    keeper.judge(step, score)
                    if step == steps:
                        keeper.settle(step, score)
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
        self.score: Score | None = None
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
        best = self.score.loss if self.score is not None else math.inf
        if score is not None and self.score is not None and math.isfinite(best) and not score.loss < best:
            self.stale = self.stale + 1 if score.clearly_worse_than(self.score) else 0
            return
        self.score = score
        self.step, self.stale, self.best = step, 0, self._copy()

    def settle(self, step: int, score: Score | None) -> None:
        """Prefer the present weights, the last ones, unless they are clearly worse than the best."""
        if score is not None and self.score is not None and not score.clearly_worse_than(self.score):
            self.step, self.best = step, self._copy()

    def restore(self) -> None:
        """Put the best weights into the module."""
        self._set(self.best)

    def _copy(self) -> list[torch.Tensor]:
        return [parameter.detach().clone() for parameter in self.parameters]

    def _set(self, values: Sequence[torch.Tensor]) -> None:
        for parameter, value in zip(self.parameters, values, strict=True):
            parameter.data.copy_(value)


def evaluate(
    potential: TorchPotential, examples: Sequence[Example], settings: LossSettings, team: Team[Any, Any] = map
) -> Score | None:
    """Loss and errors over a set, accumulated in float64; None for an empty set."""
    if not examples:
        return None

    def part_of(example: Example) -> Part:
        return loss_of(potential, [example], Batch.of([example]), settings, differentiable=False)

    parts = list(team(part_of, examples))
    return Score(
        losses=tuple(float(part.loss.detach()) for part in parts),
        force_rmse=math.sqrt(sum(part.squared_force_error for part in parts) / sum(part.components for part in parts)),
        energy_rmse=math.sqrt(sum(part.squared_energy_error for part in parts) / len(parts)),
    )


def _workers(parameters: Sequence[torch.Tensor], batch_size: int) -> int:
    """Frames evaluated at once: on a CPU one per thread that torch may use, as far as a batch has them."""
    import torch

    return min(torch.get_num_threads(), batch_size) if _on_cpu(parameters) else 1


def _on_cpu(parameters: Sequence[torch.Tensor]) -> bool:
    return str(parameters[0].device.type) == "cpu"


def _set_gradients(
    potential: TorchPotential,
    examples: Sequence[Example],
    settings: LossSettings,
    parameters: Sequence[torch.Tensor],
    team: Team[Any, Any],
    added_with: float | None = None,
) -> StepErrors:
    """Set the gradients of a batch's loss, or add them with a weight; on a CPU frame by frame, elsewhere at once."""
    import torch

    batch = Batch.of(examples)

    def slopes_of(part: Sequence[Example]) -> tuple[Part, list[torch.Tensor]]:
        done = loss_of(potential, part, batch, settings, differentiable=True)
        slopes = torch.autograd.grad(done.loss, parameters, allow_unused=True, materialize_grads=True)
        return done, list(slopes)

    shares = [[example] for example in examples] if _on_cpu(parameters) else [list(examples)]
    answers = list(team(slopes_of, shares))
    for parameter, *slopes in zip(parameters, *(slopes for _, slopes in answers), strict=True):
        slope = torch.stack(slopes).sum(dim=0)
        parameter.grad = slope if added_with is None else parameter.grad + added_with * slope
    return StepErrors(
        loss=sum(float(part.loss.detach()) for part, _ in answers),
        squared_force_error=sum(part.squared_force_error for part, _ in answers),
        components=sum(part.components for part, _ in answers),
    )


def learning_rate_factor(step: int, steps: int, settings: FineTuneSettings) -> float:
    """The learning rate at a step as a fraction of the largest: a straight rise, then half a cosine."""
    rise = settings.warmup * steps
    if step < rise:
        return step / rise
    done = (step - rise) / max(steps - rise, 1.0)
    return settings.final_learning_rate + (1 - settings.final_learning_rate) * (1 + math.cos(math.pi * done)) / 2


def _endless_batches(examples: Sequence[Example], size: int, seed: int) -> Iterator[list[Example]]:
    generator = np.random.default_rng(seed)
    while True:
        order = generator.permutation(len(examples)).tolist()
        for start in range(0, len(order), size):
            yield [examples[index] for index in order[start : start + size]]


def _record(step: int, seen: Sequence[StepErrors], score: Score | None) -> EpochRecord:
    squares = sum(errors.squared_force_error for errors in seen) / sum(errors.components for errors in seen)
    return EpochRecord(
        step=step,
        loss=float(np.mean([errors.loss for errors in seen])),
        train_force_rmse_eV_per_A=math.sqrt(squares),
        valid_force_rmse_eV_per_A=score.force_rmse if score else None,
        valid_energy_rmse_eV_per_atom=score.energy_rmse if score else None,
    )


def _text(record: EpochRecord, steps: int) -> str:
    error = record.valid_force_rmse_eV_per_A or record.train_force_rmse_eV_per_A or 0.0
    return f"step {record.step} of {steps}: force RMSE {1000 * error:.0f} meV/Å"
