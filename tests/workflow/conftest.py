"""A toy input small enough to be run many times: one temperature, few frames, the real machinery."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path

import pytest
import yaml

from pfd.errors import TaskFailed
from pfd.frames import read_frames
from pfd.tasks.runner import run_task

EXAMPLE = Path(__file__).parents[2] / "examples" / "toy"
MD = {"method": "md", "temperatures_K": [400], "timestep_fs": 2.0, "steps": 40, "every": 10}
SMALL = {
    "name": "small",
    "seed": 3,
    "teacher": {"family": "toy", "model": "soft-copper"},
    "structures": [{"file": "Cu.cif", "supercell": [2, 2, 2], "perturb": {"count": 1, "displacement_A": 0.05}}],
    "finetune": {
        "explore": [[MD]],
        "select": {"max_frames": 4},
        "label": {"method": "toy"},
        "converge": {"force_rmse_relative": 0.1},
        "max_iterations": 2,
    },
    "distill": {
        "student": {"family": "toy", "functions": 10},
        "explore": [[MD]],
        "select": {"max_frames": 6},
        "converge": {"force_rmse_relative": 0.2},
        "max_iterations": 2,
        "own_md_factor": 2,
    },
    "evaluate": {"test_frames": 2, "speed_atoms": 0},
}


def data_of(run, name):
    """The frames of one published part of a run's data."""
    return read_frames(run.path / "data" / f"{name}.extxyz")


@pytest.fixture
def small():
    """The input as plain data, to be changed by a test."""
    return copy.deepcopy(SMALL)


@pytest.fixture
def write_input(tmp_path):
    """Write an input with its structure file beside it, and return its path."""

    def write(content, name="input.yaml"):
        shutil.copyfile(EXAMPLE / "Cu.cif", tmp_path / "Cu.cif")
        path = tmp_path / name
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """An input, and what its run leaves behind if nobody disturbs it."""
    from tests.workflow.kill_harness import finish, outcome

    folder = tmp_path_factory.mktemp("undisturbed")
    shutil.copyfile(EXAMPLE / "Cu.cif", folder / "Cu.cif")
    path = folder / "input.yaml"
    content = copy.deepcopy(SMALL) | {"resources": {"max_attempts": 1000}}  # a killed task counts as an attempt
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    assert finish(path, folder / "run") == 0
    return path, outcome(folder / "run")


class EngineInProcess:
    """Runs tasks one after the other in this process: whole runs in a second, where processes are not the matter."""

    def __init__(self, cores=None, memory_GB=None, max_attempts=3, launch=None, gpus=None):
        self.max_attempts = max_attempts

    def run(self, folders, observe):
        lost = {}
        for folder in folders:
            while not folder.done() and str(folder.path) not in lost:
                result = run_task(folder, redirect=False)
                if result is not None and result.failure is not None:
                    raise TaskFailed(result.failure.message, where=folder.name, exit_code=result.failure.exit_code)
                if len(folder.counted_attempts()) >= self.max_attempts:
                    lost[str(folder.path)] = folder.counted_attempts()[-1]
        return lost


@pytest.fixture
def in_process(monkeypatch):
    """Have ``pfd.submit`` run its tasks in this process, and write no page."""
    monkeypatch.setattr("pfd.report.page.write_report", lambda path: None)
    monkeypatch.setattr("pfd.engines.local.LocalEngine", EngineInProcess)
