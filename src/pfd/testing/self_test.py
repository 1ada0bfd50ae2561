"""``python -m pfd.testing.self_test FAMILY``: load, predict and one training step, in this environment."""

from __future__ import annotations

import json
import sys
import time
import traceback
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from pfd.errors import TaskFailed
from pfd.frames import labels_of, with_labels
from pfd.frames.frame import with_origin
from pfd.models.environment import require_family
from pfd.models.family import Family
from pfd.models.training import adopt_model, fine_tune_model, fit_model, make_family, predict_frames
from pfd.testing.toy_labeler import ToyLabeler, ToyLabelerSettings

if TYPE_CHECKING:
    from ase import Atoms

ELEMENT = "Cu"
FRAMES = 12
"""Frames to train on: enough for a linear student."""


def self_test(family: Family, scratch: Path) -> dict[str, float]:
    """Have a family do once what a run asks of it.

    Shipped weights are taken if there are any, else an untrained model of the family; a family that has neither is
    fitted from scratch. ``untestable`` says of which there is nothing to test.

    Args:
        family: the family.
        scratch: an empty folder.

    Returns:
        Seconds of each part.

    Raises:
        MissingError: if its packages are not in this environment.
        TaskFailed: if a prediction is no number.
    """
    began = time.perf_counter()
    seconds = {}

    def done(part: str) -> None:
        nonlocal began
        now = time.perf_counter()
        seconds[part], began = now - began, now

    require_family(family)
    for module in family.modules:
        __import__(module)
    done("import")
    frames = _labelled_frames()
    model = scratch / "model"
    if tunable(family):
        assert family.FineTuneSettings is not None
        source, head = family.shipped[0] if family.shipped else str(_untrained(family, scratch)), family.untrained_head
        model.mkdir()
        adopt_model(family, source, head, model, trust_file=family.pickles and not family.shipped)
        done("load")
        _predict(model, frames[:1])
        done("predict")
        settings = family.FineTuneSettings.model_validate(family.quick)
        fine_tune_model(model, frames[:2], [], settings, 0, scratch / "trained")
        done("train")
        _predict(scratch / "trained", frames[:1])
    else:
        assert family.FitSettings is not None
        model.mkdir()
        fit_model(family, frames, [], family.FitSettings.model_validate(family.quick), 0, model)
        done("train")
        _predict(model, frames[:1])
        done("predict")
    return seconds


def tunable(family: Family) -> bool:
    """Whether a family can be fine-tuned, and has weights to begin with: shipped ones, or untrained ones of its own."""
    begins = bool(family.shipped) or type(family).untrained is not Family.untrained
    return family.FineTuneSettings is not None and begins


def untestable(family: Family) -> str:
    """Why there is nothing to test a family with; empty if there is something."""
    there = tunable(family) or family.FitSettings is not None
    return "" if there else "it ships no weights, makes no untrained model, and is no student"


def _untrained(family: Family, scratch: Path) -> Path:
    folder = scratch / "untrained"
    folder.mkdir()
    return family.untrained(folder, (ELEMENT,), 0)


def _labelled_frames() -> list[Atoms]:
    """Displaced copper with the toy potential's labels."""
    from ase.build import bulk

    labeler = ToyLabeler(ToyLabelerSettings())
    frames = []
    for seed in range(FRAMES):
        frame = bulk(ELEMENT, cubic=True).repeat(2)
        frame.rattle(0.08, seed=seed)
        frame = with_origin(frame)
        frames.append(with_labels(frame, labeler.run(frame, Path()).labels))
    return frames


def _predict(model: Path, frames: list[Atoms]) -> None:
    for frame in predict_frames(model, frames):
        labels = labels_of(frame)
        if labels.forces is None or not np.isfinite([labels.energy, *np.ravel(labels.forces)]).all():
            raise TaskFailed("it predicts what is no number", where=str(model))


def main(name: str) -> int:
    """Print the outcome as the last line, JSON: ``seconds``, ``untested``, or ``error`` and ``details``."""
    answer: dict[str, Any]
    try:
        family = make_family(name)
        if reason := untestable(family):
            answer = {"untested": reason}
        else:
            with TemporaryDirectory(prefix="pfd-") as scratch:
                answer = {"seconds": self_test(family, Path(scratch))}
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}", "details": traceback.format_exc()}
    sys.stdout.write("\n" + json.dumps(answer) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
