"""``pfd perturb``: where it writes, what it warns of, and what it refuses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pfd.frames import read_frames

COPPER = Path(__file__).parents[2] / "examples" / "toy" / "Cu.cif"


def pfd(*arguments, cwd):
    command = [sys.executable, "-m", "pfd.cli.main", "perturb", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)


def test_it_says_what_was_written_and_what_was_replaced(tmp_path):
    first = pfd(COPPER, "--out", "one.extxyz", "-d", 0.01, cwd=tmp_path)
    refused = pfd(COPPER, "--out", "one.extxyz", "-d", 0.01, "-n", 2, cwd=tmp_path)
    again = pfd(COPPER, "--out", "one.extxyz", "-d", 0.01, "-n", 2, "--force", cwd=tmp_path)
    assert first.stdout == "one.extxyz: 1 frame of 4 atoms\n"
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "--out one.extxyz: it is there already\n  Try: --force writes over it" in refused.stderr
    assert again.stdout == "one.extxyz: 2 frames of 4 atoms (replaced)\n"
    assert first.stderr == again.stderr == ""
    assert len(read_frames(tmp_path / "one.extxyz")) == 2


def test_atoms_too_close_are_told_of(tmp_path):
    ended = pfd(COPPER, "-n", 4, "-d", 3.0, "-c", 0.0, cwd=tmp_path)
    assert ended.returncode == 0
    assert "3 of 4 frames with atoms closer than 0.6 of the sum of their covalent radii" in ended.stderr
    assert "lower --displacement-A (3)\n" in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((COPPER, "broken.xyz", "--out", "x.extxyz"), "one output for 2 files"),
        ((COPPER, "--out", "nodir/x.extxyz"), "no such folder: nodir"),
        ((COPPER, "--out", "."), "a folder, not a file"),
        (("broken.xyz", "--out", "broken.xyz"), "one of the inputs"),
        (("broken.xyz",), "ASE tells the format by the name"),
        (("nothing.cif",), "check the path"),
        ((COPPER, "-r", 0, 1, 1), "--repeat"),
    ],
)
def test_mistakes_are_messages_in_its_own_words(tmp_path, arguments, words):
    (tmp_path / "broken.xyz").write_text("no frame")
    ended = pfd(*arguments, cwd=tmp_path)
    assert ended.returncode == 2
    assert words in ended.stderr
    assert not any(foreign in ended.stderr for foreign in ("Traceback", "input file", "format:"))
    assert [path.name for path in tmp_path.iterdir()] == ["broken.xyz"]
