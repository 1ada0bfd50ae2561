"""Files that the system will not read or write: one message that says what to try, and an honest exit code."""

from __future__ import annotations

import errno
import os

import pytest
from tests.cli.conftest import EXAMPLE, pfd

from pfd.cli.os_error import os_error_told
from pfd.workflow.driver_lock import driver_lock


@pytest.mark.parametrize(
    ("number", "code", "hint"),
    [
        (errno.ENOSPC, 1, "make room"),
        (errno.EACCES, 2, "another place"),
        (errno.ENOTDIR, 2, "look at the path"),
        (errno.EMFILE, 1, "ulimit -n"),
        (errno.EIO, 1, "the disk"),
    ],
)
def test_each_kind_says_what_to_try(number, code, hint):
    told, found = os_error_told(OSError(number, os.strerror(number), "/data/run"))
    assert found == code
    assert hint in told
    assert f"/data/run: {os.strerror(number)}" in told


def test_what_breaks_in_the_middle_is_no_fault_of_the_input(tmp_path):
    with pytest.raises(OSError, match="Read-only") as caught, driver_lock(tmp_path):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), "/data/run")
    assert os_error_told(caught.value)[1] == 1


def test_an_error_without_a_number_is_told_too():
    told, code = os_error_told(OSError("the network is gone"))
    assert code == 1
    assert "the network is gone" in told


def test_a_run_below_a_file_is_refused_by_its_path(tmp_path):
    (tmp_path / "file").write_text("")
    ended = pfd("submit", EXAMPLE / "input.yaml", tmp_path / "file" / "run", cwd=tmp_path)
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    assert str(tmp_path / "file") in ended.stderr
