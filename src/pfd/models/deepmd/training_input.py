"""The ``input.json`` of a training: what the settings say, on the base of a settings file, with the run's own data."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from pfd.models.deepmd.settings import DeePMDTrainingSettings
from pfd.models.deepmd.training_data import TRAIN, VALID, System, TrainingData, batches_of, steps_per_epoch

INPUT, CURVE, CHECKPOINTS = "input.json", "lcurve.out", "model.ckpt"
SEEDS = 2**31
"""What deepmd-kit takes as a seed is below this."""


def training_input(
    model: dict[str, Any], data: TrainingData, settings: DeePMDTrainingSettings, steps: int | None, seed: int
) -> dict[str, Any]:
    """What ``dp train`` is given.

    Args:
        model: its ``model`` section.
        data: what to train on.
        settings: see there.
        steps: how many, None if the settings say epochs.
        seed: of the weights that are drawn, and of the order of frames.
    """
    content = copy.deepcopy(settings.settings_file or {})
    training = content.setdefault("training", {})
    content["model"] = model
    content.setdefault("learning_rate", _learning_rate(settings))
    content.setdefault("loss", _loss(settings, stressed=data.stressed))
    batch_size = settings.from_file("training", "training_data", "batch_size") or settings.batch_size
    if isinstance(batch_size, int):
        epoch = steps_per_epoch(data.train, batch_size)
        batch_size = batches_of(data.train, batch_size)
    else:  # one of the package's rules, such as auto
        epoch = sum(system.frames for system in data.train)
    epochs = getattr(settings, "epochs", 1)
    training["numb_steps"] = settings.from_file("training", "numb_steps") or steps or epochs * epoch
    every = max(1, training["numb_steps"] // settings.validations)
    training["training_data"] = _data(TRAIN, data.train) | {"batch_size": batch_size}
    training.pop("validation_data", None)
    if data.valid:
        batches = {"batch_size": 1, "numb_btch": sum(system.frames for system in data.valid)}
        training["validation_data"] = _data(VALID, data.valid) | batches
    training |= {
        "seed": seed % SEEDS,
        "disp_file": CURVE,
        "disp_freq": every,
        "save_ckpt": CHECKPOINTS,
        "save_freq": every,
        "max_ckpt_keep": 2 * settings.validations,
    }
    return content


def _data(folder: str, systems: Sequence[System]) -> dict[str, Any]:
    """The frames of some systems, each as likely as any other."""
    return {"auto_prob": "prob_sys_size", "systems": [f"{folder}/{system.name}" for system in systems]}


def _learning_rate(settings: DeePMDTrainingSettings) -> dict[str, Any]:
    return {
        "type": "cosine",
        "start_lr": settings.learning_rate,
        "stop_lr": settings.learning_rate * settings.final_learning_rate,
        "warmup_ratio": settings.warmup,
    }


def _loss(settings: DeePMDTrainingSettings, *, stressed: bool) -> dict[str, Any]:
    content: dict[str, Any] = {"type": "ener"}
    prefactors = {"e": settings.energy_prefactor, "f": settings.force_prefactor, "v": settings.stress_prefactor}
    for letter, (first, last) in prefactors.items():
        used = stressed or letter != "v"
        content |= {f"start_pref_{letter}": first if used else 0.0, f"limit_pref_{letter}": last if used else 0.0}
    return content
