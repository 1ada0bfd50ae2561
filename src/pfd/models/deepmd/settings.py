"""How DeePMD models are trained: what a fine-tuning and a fit share, and what each has of its own."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from pfd.settings import Settings

Prefactors = tuple[float, float]
Keys = tuple[str, ...]

IN_FILE: dict[str, Keys] = {
    "epochs": ("training", "numb_steps"),
    "steps": ("training", "numb_steps"),
    "batch_size": ("training", "training_data", "batch_size"),
    "learning_rate": ("learning_rate",),
    "final_learning_rate": ("learning_rate",),
    "warmup": ("learning_rate",),
    "energy_prefactor": ("loss",),
    "force_prefactor": ("loss",),
    "stress_prefactor": ("loss",),
    "size": ("model",),
    "kind": ("model", "descriptor"),
    "cutoff_A": ("model", "descriptor"),
    "embedding": ("model", "descriptor"),
    "fitting": ("model", "fitting_net"),
}
"""Where an ``input.json`` says what these keys say."""
UNUSABLE: dict[Keys, str] = {
    ("model", "model_dict"): "one head is trained",
    ("training", "data_dict"): "one head is trained",
    **{
        ("training", name): "say training.numb_steps"
        for name in (
            *("num_epoch", "numb_epoch", "num_epochs", "numb_epochs"),
            *("stop_batch", "num_step", "num_steps", "numb_step"),
        )
    },
}
"""What an ``input.json`` may not say, and why."""


class DeePMDTrainingSettings(Settings):
    """What both trainings have."""

    batch_size: int = Field(default=1, gt=0)
    """Frames per step, all of one composition: more steps beat larger ones."""
    learning_rate: float = Field(default=1e-3, gt=0)
    """Largest learning rate of Adam."""
    final_learning_rate: float = Field(default=0.01, gt=0, le=1)
    """Last learning rate as a fraction of the largest; in between it follows a cosine."""
    warmup: float = Field(default=0.05, ge=0, lt=1)
    """Fraction of the steps in which the rate rises to its largest: Adam's first steps know no scale yet."""
    energy_prefactor: Prefactors = (0.2, 20.0)
    """Weight in the loss of the squared energy error per atom times the number of atoms (eV), first and last. It goes
    from one to the other as the learning rate falls: forces lead, energies settle at the end."""
    force_prefactor: Prefactors = (100.0, 60.0)
    """The same of the mean squared error of force components (eV/Å)."""
    stress_prefactor: Prefactors = (0.02, 1.0)
    """The same of the squared error of the virial per atom times the number of atoms (eV); only frames with a trainable
    stress enter."""
    validations: int = Field(default=20, gt=0)
    """How often, over the whole training, errors are written to the learning curve."""
    settings_file: dict[str, Any] | None = None
    """The content of a DeePMD ``input.json``, as the base of the training. Taken from the run in any case: the frames
    (of ``training_data`` only ``batch_size`` counts), their type map, seeds, names and intervals of outputs. A key of
    these settings that is given beside the same key of the file is refused."""

    @model_validator(mode="after")
    def _said_once(self) -> DeePMDTrainingSettings:
        for name, path in IN_FILE.items():
            if name in type(self).model_fields and self.moved(name) and self.from_file(*path) is not None:
                raise ValueError(
                    f"{name} and {'.'.join(path)} of the settings file say the same; remove one of the two"
                )
        for keys, reason in UNUSABLE.items():
            if self.from_file(*keys) is not None:
                raise ValueError(f"{'.'.join(keys)} of the settings file cannot be used here: {reason}")
        return self

    def from_file(self, *path: str) -> Any:
        """What the settings file says under nested keys, None if nothing."""
        value: Any = self.settings_file
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        return value


class DeePMDFineTuneSettings(DeePMDTrainingSettings):
    """Fine-tuning of a DPA model, or any other that ``dp --pt`` trains.

    Of a settings file, ``model`` is not used: the network is that of the checkpoint.
    """

    learning_rate: float = Field(default=1e-3, gt=0)
    """Largest learning rate of Adam. 0.001 is what such models are pre-trained with; of a small DPA-1, in 200 steps on
    16 frames of copper, 0.003 made force errors 11 % smaller. Larger ones were not measured."""
    epochs: int = Field(default=40, gt=0)
    """How often every training frame is seen."""
    steps: int | None = Field(default=None, gt=0)
    """Optimiser steps; given, it takes the place of ``epochs``."""
    freeze: Literal["none", "descriptor", "fitting"] = "none"
    """Which part of the network keeps its weights. None: with the learning rate small, all of them adapt best; freezing
    the descriptor is for a handful of frames, and keeps most of what the model knows of other materials."""

    @model_validator(mode="after")
    def _one_length(self) -> DeePMDFineTuneSettings:
        if self.steps is not None and self.moved("epochs"):
            raise ValueError("steps take the place of epochs; remove one of the two")
        return self


Layers = tuple[int, ...]

SIZES: dict[str, tuple[Layers, int, Layers]] = {
    "S": ((8, 16, 32), 4, (32, 32, 32)),
    "M": ((16, 32, 64), 8, (64, 64, 64)),
    "L": ((25, 50, 100), 16, (240, 240, 240)),
}
"""Neurons of the embedding net, how many of its outputs make the second axis of the descriptor, neurons of the fitting
net. L is the package's own default."""


class DeePMDFitSettings(DeePMDTrainingSettings):
    """A DeePMD student."""

    kind: Literal["se_e2_a", "se_atten_v2"] = "se_e2_a"
    """The descriptor: ``se_e2_a`` has one embedding net for each element (the fastest of few elements); ``se_atten_v2``
    (without attention layers) one for all, with the elements as its input, better for many."""
    size: Literal["S", "M", "L"] = "S"
    """How many neurons. 190 frames of silicon, 20000 steps: S 171 meV/Å, 7 meV/atom and 35 µs per atom and step, M 193,
    8 and 55: the larger network needs more frames than that."""
    embedding: Layers | None = None
    """Neurons of the embedding net, each layer's as many as the last one's or twice that; instead of the size's."""
    fitting: Layers | None = None
    """Neurons of the fitting net, instead of the size's."""
    cutoff_A: float = Field(default=6.0, gt=0.5)
    """Radius of the neighbourhood, Å; 6 is what such models are commonly made with. Time goes with its third power."""
    steps: int = Field(default=20000, gt=0)
    """Optimiser steps; a small network from random weights needs many, and each takes some ms. Size S on 190 frames of
    silicon: force RMSE 318 meV/Å after 2000, 171 after 20000, some 20 ms each."""
    learning_rate: float = Field(default=1e-2, gt=0)
    """Largest learning rate of Adam. Size S on 190 frames of silicon, 2000 steps: force RMSE 375 meV/Å with 0.005, 318
    with 0.01."""
    final_learning_rate: float = Field(default=1e-4, gt=0, le=1)
    """Last learning rate as a fraction of the largest; in between it follows a cosine, which was better than the
    package's exponential."""
    repulsion: Literal["zbl", "none"] = "zbl"
    """``zbl`` adds the screened nuclear repulsion of each pair of elements below its shortest distance in the training
    frames, where the network only extrapolates; it does not touch the fit. ``none`` leaves it out."""
    compress: bool = True
    """Tabulate the embedding net, which makes the student several times faster. The tables are checked against the
    trained network, in LAMMPS."""
