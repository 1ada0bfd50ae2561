"""The same seed gives the same bits on two threads too."""

from __future__ import annotations

import subprocess
import sys

import pytest

TWICE = """
import hashlib, sys
from pathlib import Path
import torch
torch.set_num_threads(2)
from ase.build import bulk
from pfd.frames import labels_of, with_labels
from pfd.frames.frame import with_origin
from pfd.models.family import model_digest
from pfd.models.training import adopt_model, fine_tune_model, make_family
from pfd.testing.toy_labeler import ToyLabeler, ToyLabelerSettings

family, scratch = make_family("chgnet"), Path(sys.argv[1])
frames = []
for seed in range(3):
    frame = bulk("Cu", cubic=True).repeat((2, 1, 1))
    frame.rattle(0.1, seed=seed)
    labels = ToyLabeler(ToyLabelerSettings()).run(frame, scratch).labels
    frames.append(with_labels(with_origin(frame), labels))
(scratch / "start").mkdir()
adopt_model(family, "0.3.0", None, scratch / "start")
predicted = {labels.forces.tobytes() for _ in range(3) for labels in family.predict(scratch / "start", frames[:1])}
settings = family.FineTuneSettings(steps=4)
for name in ("one", "two"):
    fine_tune_model(scratch / "start", frames, [], settings, 0, scratch / name)
trained = {model_digest(scratch / name) for name in ("one", "two")}
print(len(predicted), len(trained), torch.get_num_threads(), torch.are_deterministic_algorithms_enabled())
"""


@pytest.mark.chgnet
def test_two_threads_give_the_same_bits_twice(tmp_path):
    command = [sys.executable, "-W", "ignore", "-c", TWICE, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["1", "1", "2", "False"], done.stderr
