"""A disk that is full, and results that were cut short: nothing half is taken for whole, and the next try mends it."""

from __future__ import annotations

import errno
import os

import pytest

from pfd.digests import file_digest
from pfd.json_file import read_json, write_json
from pfd.tasks.folder import TaskFolder, TaskSpec
from pfd.tasks.runner import run_task

PAGE = 4096


@pytest.fixture
def one_page(monkeypatch):
    """A step that writes one page of scratch and two outputs of a page each."""

    def step(task):
        (task.scratch / "scratch.bin").write_bytes(b"s" * PAGE)
        for name in ("one.bin", "two.bin"):
            task.out(name).write_bytes(name.encode() * (PAGE // len(name)))

    monkeypatch.setattr("pfd.tasks.runner.load_step", lambda name: step)


def tried(folder):
    """Run it; what a full disk does to the process is its result, or an error of the operating system."""
    try:
        return run_task(folder, redirect=False)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return None


def in_a_new_process(folder):
    """Run it as a process would that comes after this one has ended."""
    for claim in folder.path.glob("attempts/*/claim.json"):
        write_json(claim, read_json(claim) | {"start_ticks": 1})
    return run_task(TaskFolder(folder.path), redirect=False)


def test_a_full_disk_makes_no_half_result_and_the_next_attempt_mends_it(small_disk, one_page, tmp_path):
    whole = TaskFolder.create(tmp_path / "place", 0, TaskSpec("plan", {}))
    assert run_task(whole, redirect=False).status == "done"
    expected = file_digest(whole.path / "outputs")
    outcomes = set()
    for free in range(12):
        folder = TaskFolder.create(small_disk.path / "place", free, TaskSpec("plan", {"free": free}))
        filler = small_disk.path / "filler"
        room = os.statvfs(small_disk.path)
        with filler.open("wb") as stream:
            stream.write(b"x" * (room.f_bavail - free) * room.f_frsize)
        result = tried(folder)
        outcomes.add(result is not None)
        assert folder.done() == (result is not None)
        if not folder.done() and folder.counted_attempts():
            assert "No space left on device" in folder.counted_attempts()[0]
        filler.unlink()
        assert in_a_new_process(folder).status == "done"
        assert file_digest(folder.path / "outputs") == expected
    assert outcomes == {False, True}


@pytest.mark.parametrize("call", range(8))
def test_no_space_at_any_write_that_must_last(tmp_path, one_page, monkeypatch, call):
    """The same without a disk of one's own: each call that puts data on the disk fails in turn, and those after it."""
    folder = TaskFolder.create(tmp_path / "place", 0, TaskSpec("plan", {}))
    calls, real = [], os.fsync

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) > call:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    result = tried(folder)
    assert TaskFolder(folder.path).done() == (result is not None)
    monkeypatch.setattr(os, "fsync", real)
    assert in_a_new_process(folder).status == "done"
    assert not list(folder.path.rglob(".*.json.*"))


def test_a_failed_attempt_on_a_full_disk_leaves_room_for_its_note(tmp_path, monkeypatch):
    def step(task):
        (task.scratch / "large.bin").write_bytes(b"s" * PAGE)
        task.out("half.bin").write_bytes(b"s")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("pfd.tasks.runner.load_step", lambda name: step)
    folder = TaskFolder.create(tmp_path / "place", 0, TaskSpec("plan", {}))
    assert run_task(folder, redirect=False) is None
    assert {path.name for path in folder.attempts()[0].iterdir()} == {"claim.json", "log.txt", "ended.json"}


def test_a_result_that_was_cut_short_anywhere_is_none(tmp_path, one_page):
    folder = TaskFolder.create(tmp_path / "place", 0, TaskSpec("plan", {}))
    run_task(folder, redirect=False)
    result = folder.path / "result.json"
    whole, outputs = result.read_bytes(), file_digest(folder.path / "outputs")
    for length in {0, 1, 2, len(whole) // 4, len(whole) // 2, len(whole) - 20, len(whole) - 3, len(whole) - 2}:
        result.write_bytes(whole[:length])
        again = TaskFolder(folder.path)
        assert not again.done(), length
        assert again.result() is None
        assert in_a_new_process(again).status == "done"
        assert file_digest(folder.path / "outputs") == outputs
    result.write_bytes(whole[:-1])  # all but the newline
    assert TaskFolder(folder.path).done()
