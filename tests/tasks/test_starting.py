"""What the user brings as a task: levels of theory, and counts of what was found."""

from __future__ import annotations

import json

import numpy as np
import pytest
from ase.build import bulk

from pfd.frames import Labels, labels_of, read_frames, with_labels, write_frames
from pfd.tasks.folder import Artifact, TaskFolder, TaskSpec
from pfd.tasks.runner import run_task


@pytest.fixture
def read_set(tmp_path):
    """Run the step on frames of these levels; returns the task folder."""

    def run(levels, level_of_theory):
        frames = []
        for index, level in enumerate(levels):
            frame = bulk("Cu", cubic=True)
            frame.rattle(0.05, seed=index)
            frames.append(with_labels(frame, Labels(-1.0, np.zeros((4, 3)), None, level)))
        write_frames(tmp_path / "set.extxyz", frames)
        parameters = {"name": "data-0", "format": None, "labels": {}, "level_of_theory": level_of_theory}
        spec = TaskSpec("data", parameters, {"file": Artifact.of(tmp_path / "set.extxyz")})
        folder = TaskFolder.create(tmp_path / "place", 0, spec)
        run_task(folder, redirect=False)
        return folder

    return run


def levels_in(folder):
    return [labels_of(frame).level_of_theory for frame in read_frames(folder.path / "outputs" / "frames.extxyz")]


def test_a_level_is_given_only_to_frames_that_name_none(read_set):
    folder = read_set(["", "GFN1-xTB", ""], "GFN1-xTB")
    assert levels_in(folder) == ["GFN1-xTB"] * 3


def test_a_level_that_frames_name_is_never_overwritten(read_set):
    folder = read_set(["", "PBE", "PBE", "SCAN"], "GFN1-xTB")
    assert folder.result().status == "failed"
    message = folder.result().failure.message
    assert "'PBE' (first in frame 1), 'SCAN' (first in frame 3)" in message
    assert "'GFN1-xTB'" in message
    assert folder.result().failure.exit_code == 2


def test_a_test_set_keeps_the_levels_it_has(read_set):
    assert levels_in(read_set(["", "PBE"], None)) == ["", "PBE"]


def test_counts_are_written_for_the_report(read_set):
    folder = read_set(["", ""], "PBE")
    counts = json.loads((folder.path / "outputs" / "counts.json").read_text())
    assert counts == {"frames": 2, "energy": 2, "forces": 2, "stress": 0, "left_out": []}
