"""What stays of an engine's files is what the rule says, whatever disk it works on and however it ends."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess

import pytest

from pfd.errors import TransientError
from pfd.label.evidence import prune, working_folder

FILES = (
    "try-1/pw.in",
    "try-1/pw.out",
    "try-1/out/wfc1.dat",
    "try-2/pw.out",
    "try-2/OUT.pfd/INPUT",
    "try-2/OUT.pfd/wfc",
)


@pytest.fixture
def worked(tmp_path):
    folder = tmp_path / "worked"
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def left(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("keep", "expected"),
    [
        ("all", set(FILES)),
        ("evidence", {"try-1/pw.in", "try-1/pw.out", "try-2/pw.out", "try-2/OUT.pfd/INPUT"}),
        ("none", set()),
    ],
)
def test_the_rule_says_what_stays(worked, keep, expected):
    prune(worked, keep, ["pw.in", "pw.out", "OUT.*/INPUT"])
    assert left(worked) == expected
    assert not any(path.is_dir() and not any(path.iterdir()) for path in worked.rglob("*"))


def test_links_are_removed_and_what_they_point_to_is_not(worked, tmp_path):
    (tmp_path / "pseudo").mkdir()
    (tmp_path / "pseudo" / "Si.upf").write_text("...")
    (worked / "try-1" / "pseudo").symlink_to(tmp_path / "pseudo")
    prune(worked, "evidence", ["pw.in"])
    assert left(worked) == {"try-1/pw.in"}
    assert (tmp_path / "pseudo" / "Si.upf").is_file()


def test_another_disk_is_worked_on_and_left_empty(tmp_path):
    scratch, disk = tmp_path / "task" / "evidence", tmp_path / "fast"
    disk.mkdir()
    with working_folder(scratch, disk) as folder:
        assert folder.parent == disk
        (folder / "try-1").mkdir()
        (folder / "try-1" / "pw.out").write_text("JOB DONE.")
    assert left(scratch) == {"try-1/pw.out"}
    assert not any(disk.iterdir())


def test_it_is_left_empty_after_an_error_too(tmp_path):
    scratch, disk = tmp_path / "evidence", tmp_path / "fast"
    disk.mkdir()

    def interrupted():
        with working_folder(scratch, disk) as folder:
            (folder / "pw.out").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert left(scratch) == {"pw.out"}
    assert not any(disk.iterdir())


def test_what_a_killed_process_left_there_is_removed_and_that_of_a_living_one_is_not(tmp_path):
    gone = subprocess.Popen(["true"])
    gone.wait()
    host = socket.gethostname()
    dead, living, other = (
        tmp_path / f"pfd-scratch-{name}-0123abcd"
        for name in (f"{host}-{gone.pid}", f"{host}-{os.getppid()}", f"{host}-ib-{gone.pid}")
    )
    for folder in (dead, living, other):
        folder.mkdir()
        (folder / "wfc").write_text("...")
    with working_folder(tmp_path / "evidence", tmp_path):
        assert not dead.exists()
    assert living.is_dir()
    assert other.is_dir()


@pytest.mark.parametrize("name", ["file", "nowhere"])
def test_a_disk_that_is_none_is_named(tmp_path, name):
    (tmp_path / "file").touch()
    working = working_folder(tmp_path, tmp_path / name)
    with pytest.raises(TransientError, match="no folder can be made") as caught:
        working.__enter__()
    assert caught.value.where == "finetune.label.scratch_dir"


def test_a_full_disk_under_the_run_folder_is_no_mistake_of_the_input(tmp_path, monkeypatch):
    def full(*_, **__):
        raise shutil.Error([("a", "b", "No space left on device")])

    monkeypatch.setattr("pfd.label.evidence.shutil.copytree", full)
    with pytest.raises(TransientError, match="cannot be moved"), working_folder(tmp_path / "evidence", tmp_path):
        pass
