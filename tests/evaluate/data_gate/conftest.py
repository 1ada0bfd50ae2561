"""Small labelled sets of copper with the toy labeler's forces, and ways to spoil them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk

from pfd.evaluate.data_gate.labelled_set import LabelledSet
from pfd.frames import Labels, labels_of, with_labels, with_origin
from pfd.testing.toy_labeler import ToyLabeler, ToyLabelerSettings


def copper(count=8, repeat=2, deviation_A=0.1, seed=0, **origin):
    """Displaced copper, ``4 * repeat**3`` atoms, with labels of a Morse potential."""
    labeler = ToyLabeler(ToyLabelerSettings())
    frames = []
    for index in range(count):
        frame = bulk("Cu", cubic=True).repeat(repeat)
        frame.rattle(deviation_A, seed=seed + index)
        frame = with_origin(frame, **{key: value[index] for key, value in origin.items()})
        frames.append(with_labels(frame, labeler.run(frame, Path()).labels))
    return frames


def relabelled(frame, **changed):
    """The frame with some of its labels changed: a value, or a function of the old one; None takes a label away."""
    old = labels_of(frame)
    values = {"energy": old.energy, "forces": old.forces, "stress": old.stress}
    for name, change in changed.items():
        values[name] = change(values[name]) if callable(change) else change
    return with_labels(frame, Labels(**values, level_of_theory=old.level_of_theory))


def as_set(frames, name="train.extxyz", **more):
    return LabelledSet(name, list(frames), **more)


def with_model(frames, predicted, name="train.extxyz"):
    """A set beside the labels of other frames as a model's predictions."""
    return LabelledSet(name, list(frames), {i: labels_of(frame) for i, frame in enumerate(predicted)}, "toy")


@pytest.fixture(scope="session")
def good():
    return copper()


@pytest.fixture
def rng():
    return np.random.default_rng(3)
