"""Labels of a program of which nothing is known go through the data gate before they are trained on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import pfd
from pfd.errors import TaskFailed
from pfd.label.ase_calculator.labeler import AseCalculator
from pfd.label.command import Command
from pfd.testing.toy_labeler import ToyLabeler


@pytest.fixture
def go(write_input, small, tmp_path, in_process, monkeypatch):
    """Submit the small input with a labeler whose labels are changed."""
    del small["distill"]
    small["finetune"] |= {"max_iterations": 1}
    honest = ToyLabeler.run

    def submit(change, foreign=True):
        monkeypatch.setattr(ToyLabeler, "foreign", foreign)
        monkeypatch.setattr(
            ToyLabeler,
            "run",
            lambda self, frame, scratch: change(honest(self, frame, scratch), frame),
        )
        return pfd.submit(write_input(small), tmp_path / "run")

    return submit


def randomly(outcome, frame):
    rng = np.random.default_rng(int(1e6 * frame.positions[0, 0]) % 1000)
    forces = rng.normal(size=(len(frame), 3))
    return replace(outcome, labels=replace(outcome.labels, forces=forces - forces.mean(axis=0)))


def test_random_forces_of_a_foreign_program_stop_the_run(go):
    with pytest.raises(TaskFailed, match="the labels are refused: the forces have no relation"):
        go(randomly)


def test_good_labels_of_a_foreign_program_pass(go):
    assert go(lambda outcome, frame: outcome).summary["labels"]["accepted"] == 6


def test_one_energy_for_all_frames_is_no_label(go, small):
    small["structures"][0]["perturb"] = {"count": 4, "displacement_A": 0.05, "strain": 0.05}
    with pytest.raises(TaskFailed, match="energies are -1 eV, and the structures differ"):
        go(lambda outcome, frame: replace(outcome, labels=replace(outcome.labels, energy=-1.0)))


def test_commands_and_calculators_are_foreign():
    assert Command.foreign
    assert AseCalculator.foreign
    assert not ToyLabeler.foreign
