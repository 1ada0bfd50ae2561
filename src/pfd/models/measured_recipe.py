"""The fine-tuning recipe of families for which it was settled by experiment (docs/fine-tuning.md)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field, model_validator

from pfd.models.torch_training import FineTuneSettings

MOST_EPOCHS = 200
"""No frame is seen more often by default."""
LEAST_ATOMS = 32
"""A step on a smaller frame costs as much as one on so many atoms, about."""


class MeasuredFineTuneSettings(FineTuneSettings):
    """Many steps of one frame each; see docs/fine-tuning.md for what was tried besides."""

    epochs: int | None = Field(default=None, gt=0)
    """How often every training frame is seen, in the place of ``atoms``."""
    steps: int | None = Field(default=None, gt=0)
    """Optimiser steps, in the place of ``atoms``."""
    atoms: int = Field(default=200_000, gt=0)
    """How many atoms the training evaluates, all steps together: what it costs, whatever the size and the number of the
    frames (no frame is seen more than 200 times, though)."""
    optimiser: Literal["muon", "adam"] = "muon"
    learning_rate: float = Field(default=1.5e-3, gt=0)

    @model_validator(mode="after")
    def _one_budget(self) -> MeasuredFineTuneSettings:
        for other in ("steps", "epochs"):
            if getattr(self, other) is not None and self.moved("atoms"):
                raise ValueError(f"{other} take the place of atoms; remove one of the two")
        return self

    def length(self, atoms: Sequence[int]) -> int:
        """Steps of a training on frames of so many atoms."""
        if self.steps is not None or self.epochs is not None:
            return super().length(atoms)
        epochs = min(self.atoms / sum(max(each, LEAST_ATOMS) for each in atoms), MOST_EPOCHS)
        return max(1, round(epochs * len(atoms) / self.batch_size))
