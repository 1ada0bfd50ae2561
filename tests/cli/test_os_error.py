"""Files that the system will not read or write: one message that says what to try, and an honest exit code."""

from __future__ import annotations

import errno
import os

import pytest
from tests.cli.conftest import EXAMPLE, pfd

from pfd.cli.os_error import os_error_told


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.ENOSPC, "make room"),
        (errno.EACCES, "another place"),
        (errno.ENOTDIR, "look at the path"),
        (errno.EMFILE, "ulimit -n"),
        (errno.EIO, "the disk"),
    ],
)
def test_each_kind_says_what_to_try(number, hint):
    told = os_error_told(OSError(number, os.strerror(number), "/data/run"))
    assert hint in told
    assert f"/data/run: {os.strerror(number)}" in told


def test_an_error_without_a_number_is_told_too():
    assert "the network is gone" in os_error_told(OSError("the network is gone"))


def test_a_run_below_a_file_is_refused_by_its_path(tmp_path):
    (tmp_path / "file").write_text("")
    ended = pfd("submit", EXAMPLE / "input.yaml", tmp_path / "file" / "run", cwd=tmp_path)
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    assert str(tmp_path / "file") in ended.stderr
