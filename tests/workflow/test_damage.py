"""What happens to a run from outside: full and read-only disks, folders that are gone, clocks that are set, rivals."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import subprocess
import sys
import threading
import time
from functools import partial

import pytest
from tests.workflow.kill_harness import outcome

import pfd
from pfd.cli.status import status_of
from pfd.errors import RunError, TaskFailed
from pfd.json_file import read_json, write_json
from pfd.workflow.driver_lock import driver_lock
from pfd.workflow.journal import Journal, union_seconds
from pfd.workflow.run_folder import take_folder, task_folders

pytestmark = pytest.mark.usefixtures("in_process")


@pytest.fixture
def short(small):
    """The input with one iteration of fine-tuning and no distillation."""
    del small["distill"]
    small["finetune"]["max_iterations"] = 1
    return small


def results_of(run):
    """Path of each task -> inode of its result: a result that was written anew has another."""
    return {folder.in_run: (folder.path / "result.json").stat().st_ino for folder in task_folders(run) if folder.done()}


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS], ids=["full", "read-only"])
def test_a_disk_that_takes_no_more_is_told_and_the_run_goes_on_when_it_does(
    write_input, short, tmp_path, monkeypatch, number
):
    whole = outcome(pfd.submit(write_input(short), tmp_path / "whole").path)
    run, real, done = tmp_path / "run", os.fsync, {}
    for last in (5, 30, 60, 60):  # as many writes as work before the disk takes no more
        calls = itertools.count()
        monkeypatch.setattr(os, "fsync", partial(_refuse, real, calls, last, number))
        with pytest.raises((OSError, TaskFailed), match=os.strerror(number)):
            pfd.submit(write_input(short), run)
        monkeypatch.setattr(os, "fsync", real)
        now = results_of(run)
        assert {path: now.get(path) for path in done} == done
        done = now
        _end_of_process(run)
    assert len(done) > 10
    assert pfd.submit(write_input(short), run).status == "not_converged"
    now = results_of(run)
    assert {path: now[path] for path in done} == done
    assert outcome(run) == whole


def _refuse(real, calls, last, number, descriptor):
    if next(calls) >= last:
        raise OSError(number, os.strerror(number))
    real(descriptor)


def _end_of_process(run):
    """Claims of this process are as if it had ended."""
    for claim in run.glob("*/*/*/*/attempts/*/claim.json"):
        write_json(claim, read_json(claim) | {"start_ticks": 1})


def test_a_read_only_run_can_be_looked_at_and_says_why_it_does_not_go_on(write_input, short, small_disk):
    run, input_file = small_disk.path / "run", write_input(short)
    pfd.submit(input_file, run, until="select")
    before = results_of(run)
    small_disk.remount("ro")
    assert status_of(run)["status"] == "paused"
    command = [sys.executable, "-m", "pfd.cli.main", "submit", str(input_file), str(run)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Read-only file system" in done.stderr
    assert "permissions" in done.stderr
    assert "Traceback" not in done.stderr
    small_disk.remount("rw")
    assert pfd.submit(input_file, run).status == "not_converged"
    after = results_of(run)
    assert {path: after[path] for path in before} == before


def test_a_small_disk_that_is_full_ends_the_run_honestly(write_input, short, small_disk, tmp_path):
    run = small_disk.path / "run"
    small_disk.remount("size=300k")
    with pytest.raises((OSError, TaskFailed), match="No space left on device"):
        pfd.submit(write_input(short), run)
    before = results_of(run)
    assert before
    small_disk.remount("size=64m")
    _end_of_process(run)
    assert pfd.submit(write_input(short), run).status == "not_converged"
    after = results_of(run)
    assert {path: after[path] for path in before} == before


def test_task_folders_that_were_deleted_are_done_again_and_nothing_else(write_input, short, tmp_path):
    run = pfd.submit(write_input(short), tmp_path / "run").path
    before, whole = results_of(run), outcome(run)
    gone = [
        next(path for path in before if path.startswith(f"finetune/iter-000/{step}/"))
        for step in ("explore", "label", "train")
    ]
    for path in gone:
        shutil.rmtree(run / path)
    pfd.submit(write_input(short), run)
    after = results_of(run)
    assert set(after) == set(before)
    assert {path for path in after if after[path] != before[path]} <= set(gone)
    assert outcome(run) == whole


def test_an_edit_of_the_student_redoes_nothing_before_it(write_input, small, tmp_path):
    run = pfd.submit(write_input(small), tmp_path / "run")
    before = results_of(run.path)
    small["distill"]["student"] = {"family": "toy", "functions": 12}
    pfd.submit(write_input(small), tmp_path / "run")
    after = results_of(run.path)
    assert {path: after[path] for path in before} == before
    new = set(after) - set(before)
    assert new
    assert all(path.startswith(("distill/", "evaluate/")) for path in new)
    assert not [path for path in new if path.startswith("distill/iter-000/label/")]


@pytest.mark.parametrize("day", [-86400.0, 86400.0], ids=["back", "forth"])
def test_a_clock_that_is_set_during_a_run_changes_nothing_that_counts(write_input, short, tmp_path, monkeypatch, day):
    whole = outcome(pfd.submit(write_input(short), tmp_path / "whole").path)
    real, calls = time.time, itertools.count()
    monkeypatch.setattr(time, "time", lambda: real() + (day if next(calls) > 12 else 0.0))
    run = pfd.submit(write_input(short), tmp_path / "run")
    assert next(calls) > 20
    assert outcome(run.path) == whole
    assert all(folder.result().seconds >= 0 for folder in task_folders(run.path))
    assert all(seconds >= 0 for seconds in run.summary["seconds"].values()), run.summary["seconds"]
    monkeypatch.setattr(time, "time", real)
    before = results_of(run.path)
    again = pfd.submit(write_input(short), tmp_path / "run")
    assert results_of(again.path) == before
    content = status_of(run.path)
    assert content["seconds"] >= 0
    assert content["tasks"]["done"] == len(before)


def test_sessions_of_a_clock_that_was_set_back_have_no_negative_length(tmp_path, monkeypatch):
    times = iter([1000.0, 1010.0, 100.0, 103.0, 50.0, 51.0])
    monkeypatch.setattr("pfd.workflow.journal.time.time", lambda: next(times))
    journal = Journal(tmp_path / "journal.jsonl")
    for event in ("submit", "tasks", "submit", "tasks", "tasks", "end"):
        journal.write(event)
    assert journal.sessions([(101.0, 102.0)]) == [(1000.0, 1010.0), (100.0, 103.0)]
    assert union_seconds(journal.sessions()) == 13.0


def test_of_drivers_that_start_at_once_one_gets_the_run(tmp_path):
    rivals, rounds = 6, 40
    start, stop = threading.Barrier(rivals), threading.Barrier(rivals)
    won, refused = [], []

    def drive():
        for number in range(rounds):
            run = tmp_path / f"run-{number}"
            start.wait(20)
            try:
                take_folder(run, "toy")
                with driver_lock(run):
                    won.append(number)
                    stop.wait(20)
            except RunError as error:
                refused.append(str(error))
                stop.wait(20)

    threads = [threading.Thread(target=drive) for _ in range(rivals)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert won == list(range(rounds))
    assert len(refused) == rounds * (rivals - 1)
    assert all(
        "another driver works on this run" in error or "another driver begins to work" in error for error in refused
    )
    assert not list(tmp_path.glob("*/.run.json*"))
