"""The toy example, run once by the command line; tests that change the run folder take a copy."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from tests.workflow.conftest import SMALL, in_process, small, write_input  # noqa: F401, fixtures

EXAMPLE = Path(__file__).parents[2] / "examples" / "toy"


def pfd(*arguments, cwd):
    command = [sys.executable, "-m", "pfd.cli.main", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="session")
def toy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    ended = pfd("submit", EXAMPLE / "input.yaml", cwd=folder)
    return folder, ended


@pytest.fixture
def toy_copy(toy, tmp_path):
    """A folder of its own with the finished run ``toy`` in it."""
    shutil.copytree(toy[0] / "toy", tmp_path / "toy")
    return tmp_path


FINETUNE = {key: value for key, value in SMALL.items() if key != "distill"}
"""Fine-tuning alone; until select, it takes three processes."""
ENDLESS = FINETUNE | {
    "finetune": FINETUNE["finetune"] | {"explore": [[FINETUNE["finetune"]["explore"][0][0] | {"steps": 10_000_000}]]}
}
"""Its first exploration goes on until it is stopped."""


def write(folder, content, name="input.yaml"):
    """Write an input with its structure beside it."""
    shutil.copyfile(EXAMPLE / "Cu.cif", folder / "Cu.cif")
    (folder / name).write_text(yaml.safe_dump(content), encoding="utf-8")
    return folder / name


@pytest.fixture(scope="module")
def paused(tmp_path_factory):
    """A folder with the run ``small``, paused after its first selection."""
    folder = tmp_path_factory.mktemp("paused")
    write(folder, FINETUNE)
    ended = pfd("submit", "input.yaml", "--until", "select", cwd=folder)
    assert ended.returncode == 0, ended.stderr
    return folder, ended


@pytest.fixture
def endless(tmp_path):
    """A folder with a run ``small`` that a driver in the background works on; ended after the test."""
    write(tmp_path, ENDLESS)
    started = pfd("submit", "input.yaml", "--detach", cwd=tmp_path)
    assert started.returncode == 0, started.stderr
    wait_for(lambda: list(tmp_path.glob("small/finetune/*/explore/*/attempts/00/progress.json")))
    yield tmp_path, started
    pfd("stop", "small", cwd=tmp_path)


def wait_for(there, timeout_s=120.0):
    """Until something is there."""
    deadline = time.monotonic() + timeout_s
    while not there():
        assert time.monotonic() < deadline
        time.sleep(0.02)
