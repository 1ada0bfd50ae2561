"""The fine-tuning recipe of families for which it was settled by experiment (docs/fine-tuning.md)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field, model_validator

from pfd.models.torch_training import FineTuneSettings

MOST_EPOCHS = 25
"""How often a frame is seen by default: SevenNet-0 on 20 frames of silicon left 95 meV/Å on others after 15 epochs and
109 after 100, which fitted the 20 to 22 meV/Å."""
LEAST_ATOMS = 32
"""A step on a smaller frame costs as much as one on so many atoms, about."""


class MeasuredFineTuneSettings(FineTuneSettings):
    """Many steps of one frame each; see docs/fine-tuning.md for what was tried besides."""

    epochs: int | None = Field(default=None, gt=0)
    """How often every training frame is seen, in the place of ``atoms``."""
    steps: int | None = Field(default=None, gt=0)
    """Optimiser steps, in the place of ``atoms``."""
    atoms: int = Field(default=250_000, gt=0)
    """How many atoms the training evaluates at most, all steps together, which bounds its cost: by default every frame
    is seen 25 times, or less often where that would be more atoms. (A frame of less than 32 counts as 32.)"""
    optimiser: Literal["muon", "adam"] = "muon"
    """``muon`` makes the singular values of each matrix's step equal, so that directions of small slope move as far as
    those that own it, and leaves other parameters to ``adam``. After 500 steps of SevenNet-0 on 100 frames of silicon
    it left 83 meV/Å of force error on others, ``adam`` 96."""
    learning_rate: float = Field(default=1e-3, gt=0)
    """Largest learning rate: how far an entry of a parameter moves in a step, about. 3e-3 was 4 % worse on silicon and
    5 % better on molybdenum (500 steps, 100 frames), 3e-4 was 5 % worse on 20 frames of silicon."""

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
