"""The test run itself: shapes are checked, and what PFD_REQUIRE names may not be missing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from jaxtyping import TypeCheckError

ROOT = Path(__file__).parents[1]


def test_a_wrong_shape_is_refused():
    from pfd.select.entropy import log_kernel_sums

    assert log_kernel_sums(np.zeros((2, 3)), np.zeros((4, 3))).shape == (2,)
    with pytest.raises(TypeCheckError):
        log_kernel_sums(np.zeros((2, 3)), np.zeros((4, 5)))


def pytest_of(tmp_path: Path, marker: str, **environment: str) -> subprocess.CompletedProcess:
    """A run of one marked test, with the conftest of these tests, where no program is found."""
    (tmp_path / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())
    (tmp_path / "pytest.ini").write_text(f"[pytest]\nmarkers = {marker}\n")
    (tmp_path / "test_it.py").write_text(f"import pytest\n@pytest.mark.{marker}\ndef test_it():\n    pass\n")
    variables = {key: value for key, value in os.environ.items() if key != "PFD_REQUIRE"}
    variables |= {"PATH": "", "PYTHONDONTWRITEBYTECODE": "1"} | environment
    command = [sys.executable, "-m", "pytest", "-rs", "-p", "no:cacheprovider", str(tmp_path)]
    return subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False)


def test_a_missing_program_skips_with_a_reason(tmp_path):
    done = pytest_of(tmp_path, "espresso")
    assert done.returncode == 0
    assert "1 skipped" in done.stdout
    assert "pw.x is not installed (apt install" in done.stdout


def test_a_missing_program_fails_where_it_is_required(tmp_path):
    done = pytest_of(tmp_path, "espresso", PFD_REQUIRE="lammps, espresso")
    assert done.returncode == 1
    assert "PFD_REQUIRE names espresso, but pw.x is not installed" in done.stdout


def test_a_requirement_that_is_none_is_refused(tmp_path):
    done = pytest_of(tmp_path, "espresso", PFD_REQUIRE="espreso")
    assert done.returncode == 4
    assert "PFD_REQUIRE names espreso" in done.stdout + done.stderr
