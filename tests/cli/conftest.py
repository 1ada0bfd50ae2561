"""The toy example, run once by the command line; tests that change the run folder take a copy."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

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
