"""The steps of selection: what their report tells the decision, and whose gate they use."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk

from pfd.frames import write_frames
from pfd.json_file import read_json
from pfd.tasks.folder import Artifact, TaskFolder, TaskSpec
from pfd.tasks.runner import run_task


@pytest.fixture
def trajectory(tmp_path):
    frames = []
    for seed in range(6):
        frame = bulk("Si", cubic=True)
        frame.positions += np.random.default_rng(seed).normal(size=(8, 3)) * 0.05
        frames.append(frame)
    frames[1].positions[1] = frames[1].positions[0] + 0.5
    frames.append(frames[0].copy())
    path = tmp_path / "trajectory.extxyz"
    write_frames(path, frames)
    return path


def run(tmp_path, step, path, **parameters):
    spec = TaskSpec(step, parameters, {"trajectory0": Artifact.of(path)})
    folder = TaskFolder.create(tmp_path / "place", 0, spec)
    run_task(folder, redirect=False)
    return read_json(folder.path / "outputs" / "selection.json")


@pytest.mark.parametrize("method", ["entropy", "random", "farthest", "msc", "mixed"])
def test_select_tells_the_insane_from_the_known(tmp_path, trajectory, method):
    content = run(tmp_path, "select", trajectory, settings={"method": method, "max_frames": 3}, limit=9, seed=1)
    assert content["selected"] == 3
    assert content["candidates"] == 7
    assert content["insane"] == 1
    assert content["passed"] == 5
    assert content["refused"] == {"atoms too close": 1, "twice among the candidates": 1}


def test_sample_uses_the_gate_of_the_input(tmp_path, trajectory):
    content = run(tmp_path, "sample", trajectory, per_trajectory=[10], gate={})
    assert content["insane"] == 1
    assert content["selected"] == 5
    open_gate = run(tmp_path / "open", "sample", trajectory, per_trajectory=[10], gate={"min_distance": 0.0})
    assert open_gate["insane"] == 0
    assert open_gate["selected"] == 6
