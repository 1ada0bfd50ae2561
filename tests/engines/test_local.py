"""The local engine: caps, retries, time limits, interruption, adoption."""

from __future__ import annotations

import itertools
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ase.build import bulk

from pfd.engines.local import LocalEngine
from pfd.engines.memory_watch import group_memory_GB, memory_problem
from pfd.environments.launch import Launch
from pfd.errors import TaskFailed
from pfd.frames import write_frames
from pfd.frames.frame import with_origin
from pfd.json_file import read_json, write_json
from pfd.tasks.folder import Artifact, Failure, Resources, Result, TaskFolder, TaskSpec
from pfd.tasks.process import this_process


@pytest.fixture
def labels(tmp_path):
    """Make label tasks of copper cells with the toy labeler: ``labels(3, delay_s=1.0)``."""
    numbers = itertools.count()

    def make(count, resources=None, **settings):
        folders = []
        for number in itertools.islice(numbers, count):
            atoms = bulk("Cu", cubic=True)
            atoms.rattle(0.05, seed=number)
            frame = tmp_path / f"frame-{number}.extxyz"
            write_frames(frame, [with_origin(atoms)])
            parameters = {"settings": {"method": "toy"} | settings}
            spec = TaskSpec("label", parameters, {"frame": Artifact.of(frame)}, resources or Resources())
            folders.append(TaskFolder.create(tmp_path / "label", number, spec))
        return folders

    return make


def quiet(progress):
    pass


def most_at_once(folders):
    """The largest number of tasks that ran at the same time, from their results."""
    spans = [(result.started, result.started + result.seconds) for result in (folder.result() for folder in folders)]
    return max(sum(begin <= at < end for begin, end in spans) for at, _ in spans)


def claim_of(folder):
    return read_json(folder.attempts()[-1] / "claim.json") if folder.attempts() else None


def gone(pid):
    """True if no process of that group runs."""
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return True
    return False


def started(folder):
    """A process of its own that works on the folder, as a driver leaves one behind."""
    command = [sys.executable, "-m", "pfd.tasks", str(folder.path)]
    process = subprocess.Popen(command, start_new_session=True)
    while claim_of(folder) is None:
        time.sleep(0.01)
    return process


def test_all_are_done_and_told_and_none_twice(labels):
    folders, seen = labels(7), []
    engine = LocalEngine(cores=2)
    assert engine.run(folders, seen.append) == {}
    assert all(folder.done() and len(folder.attempts()) == 1 for folder in folders)
    assert (seen[-1].done, seen[-1].total, seen[-1].fraction) == (7, 7, 1.0)
    results = [(folder.path / "result.json").stat().st_mtime_ns for folder in folders]
    assert engine.run(folders, quiet) == {}
    assert [(folder.path / "result.json").stat().st_mtime_ns for folder in folders] == results
    assert not [path for folder in folders for path in folder.path.iterdir() if path.name == "startup.txt"]


@pytest.mark.parametrize(
    ("caps", "resources", "most"),
    [
        pytest.param({"cores": 2, "memory_GB": 64}, Resources(cores=1), 2, id="cores"),
        pytest.param({"cores": 4, "memory_GB": 5}, Resources(cores=1, memory_GB=3), 1, id="memory"),
        pytest.param({"cores": 3, "memory_GB": 64}, Resources(cores=2), 1, id="cores of each"),
        pytest.param({"cores": 1, "memory_GB": 1}, Resources(cores=8, memory_GB=16), 1, id="larger than the machine"),
    ],
)
def test_caps_hold(labels, caps, resources, most):
    folders = labels(6, resources, delay_s=0.1)
    assert LocalEngine(**caps).run(folders, quiet) == {}
    assert most_at_once(folders) <= most
    pids = {claim_of(folder)["pid"] for folder in folders}
    assert len(pids) == most  # one process each, which pays for its imports once


def test_a_task_out_of_time_is_killed_and_given_up_in_the_end(labels):
    slow, quick = labels(1, Resources(walltime_s=0.6), delay_s=50.0) + labels(1)
    lost = LocalEngine(cores=2, max_attempts=2).run([slow, quick], quiet)
    assert list(lost) == [str(slow.path)]
    assert "2 attempts, the last: out of time" in lost[str(slow.path)]
    assert len(slow.attempts()) == 2
    assert all(gone(read_json(attempt / "claim.json")["pid"]) for attempt in slow.attempts())
    assert quick.done()
    assert slow.result() is None


def test_a_killed_process_is_counted_and_its_tasks_are_done_in_a_new_one(labels):
    folders = labels(3, delay_s=0.4)
    killed = []

    def kill_once(progress):
        claim = claim_of(folders[0])
        if claim and not killed:
            killed.append(claim["pid"])
            os.killpg(claim["pid"], signal.SIGKILL)

    assert LocalEngine(cores=1).run(folders, kill_once) == {}
    assert all(folder.done() for folder in folders)
    counted = [message for folder in folders for message in folder.counted_attempts()]
    assert counted == ["killed by signal 9"]


def test_a_fatal_failure_lets_what_runs_finish_and_begins_nothing_more(labels):
    running, waiting, bad = labels(2, delay_s=1.5) + labels(1, constant_eV="three")
    with pytest.raises(TaskFailed, match="constant_eV") as caught:
        # two processes: [running, waiting] and [bad]
        LocalEngine(cores=2).run([running, bad, waiting], quiet)
    assert caught.value.exit_code == bad.result().failure.exit_code
    assert bad.name in str(caught.value)
    assert running.done()
    assert waiting.attempts() == []


def test_a_failed_task_is_tried_anew_by_the_next_run(labels):
    (bad,) = labels(1, constant_eV="three")
    for attempts in (1, 2):
        with pytest.raises(TaskFailed):
            LocalEngine(cores=1).run([bad], quiet)
        assert len(bad.attempts()) == attempts


def test_ctrl_c_leaves_no_process_counts_nothing_and_can_go_on(labels):
    folders = labels(3, delay_s=1.0)

    def interrupt(progress):
        if claim_of(folders[0]):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        LocalEngine(cores=2).run(folders, interrupt)
    claims = [claim for claim in map(claim_of, folders) if claim]
    assert claims
    assert all(gone(claim["pid"]) for claim in claims)
    assert all(folder.result() is None or folder.done() for folder in folders)
    assert LocalEngine(cores=2).run(folders, quiet) == {}
    assert all(folder.done() and folder.counted_attempts() == [] for folder in folders)


def test_a_task_that_still_runs_is_adopted_and_not_started_again(labels):
    (folder,) = labels(1, delay_s=1.5)
    process = started(folder)
    assert LocalEngine(cores=1).run([folder], quiet) == {}
    assert folder.done()
    assert len(folder.attempts()) == 1
    assert claim_of(folder)["pid"] == process.pid
    assert process.wait(20) == 0


def test_an_adopted_task_counts_for_the_caps(labels):
    folders = labels(2, delay_s=1.0)
    process = started(folders[0])
    LocalEngine(cores=1).run(folders, quiet)
    assert most_at_once(folders) == 1
    process.wait(20)


def test_an_adopted_task_that_dies_is_started_again_at_no_cost(labels):
    (folder,) = labels(1, delay_s=1.0)
    process = started(folder)

    def kill(progress):
        process.kill()
        process.wait()

    assert LocalEngine(cores=1).run([folder], kill) == {}
    assert folder.done()
    assert len(folder.attempts()) == 2
    assert folder.counted_attempts() == []


def test_time_limits_hold_for_adopted_tasks(labels):
    (folder,) = labels(1, Resources(walltime_s=0.5), delay_s=50.0)
    process = started(folder)
    lost = LocalEngine(cores=1, max_attempts=1).run([folder], quiet)
    assert "out of time" in lost[str(folder.path)]
    assert process.wait(20) == -signal.SIGKILL


@pytest.mark.parametrize("earlier", [0, 1], ids=["first", "after an attempt"])
@pytest.mark.parametrize(
    ("script", "words"),
    [("echo 'no module named pfd' >&2; exit 1", "no module named pfd"), ("kill -9 $$", "before it began")],
    ids=["broken", "killed"],
)
def test_a_process_that_cannot_begin_ends_the_run(labels, tmp_path, script, words, earlier):
    (folder,) = labels(1)
    for _ in range(earlier):
        folder.end_attempt(folder.claim(), "killed", counted=True)
    broken = Path(tmp_path / "python")
    broken.write_text(f"#!/bin/sh\n{script}\n")
    broken.chmod(0o755)
    with pytest.raises(TaskFailed, match=words):
        LocalEngine(cores=1, launch=lambda _: Launch(str(broken))).run([folder], quiet)


def test_the_stale_claim_of_a_waiting_task_is_no_time_spent(labels):
    running, waiting = labels(2, Resources(walltime_s=30), delay_s=0.8)
    killed = started(waiting)
    killed.kill()
    killed.wait()
    claim = waiting.attempts()[0] / "claim.json"
    write_json(claim, read_json(claim) | {"monotonic_s": time.monotonic() - 3600})
    assert LocalEngine(cores=1).run([running, waiting], quiet) == {}
    assert [folder.counted_attempts() for folder in (running, waiting)] == [[], []]
    assert len(running.attempts()) == 1


def test_a_failure_of_an_earlier_submission_is_not_this_ones(labels):
    first, bad = labels(1, delay_s=0.8) + labels(1)
    failure = Failure(kind="fatal", message="an old error, mended since")
    write_json(bad.path / "result.json", Result(status="failed", failure=failure).model_dump(mode="json"))
    killed = []

    def kill_once(progress):  # before the worker reaches the second folder of its batch
        claim = claim_of(first)
        if claim and not killed:
            killed.append(claim["pid"])
            os.killpg(claim["pid"], signal.SIGKILL)

    assert LocalEngine(cores=1).run([first, bad], kill_once) == {}
    assert killed
    assert first.done()
    assert bad.done()


def test_an_adopted_process_holds_its_cores_until_it_ends(labels):
    """It goes on with folders of its own batch that this group knows nothing of."""
    adopted, unknown, waiting = labels(3, delay_s=0.8)
    command = [sys.executable, "-m", "pfd.tasks", str(adopted.path), str(unknown.path)]
    process = subprocess.Popen(command, start_new_session=True)
    while claim_of(adopted) is None:
        time.sleep(0.01)
    assert LocalEngine(cores=1).run([adopted, waiting], quiet) == {}
    assert process.wait(20) == 0
    assert most_at_once([adopted, unknown, waiting]) == 1


def test_the_other_folders_of_an_adopted_process_are_left_to_it(labels):
    first, second = labels(2, delay_s=0.8)
    process = subprocess.Popen(
        [sys.executable, "-m", "pfd.tasks", str(first.path), str(second.path)], start_new_session=True
    )
    while claim_of(first) is None:
        time.sleep(0.01)
    assert LocalEngine(cores=1).run([first, second], quiet) == {}
    assert {claim_of(folder)["pid"] for folder in (first, second)} == {process.pid}
    assert process.wait(20) == 0


@pytest.mark.parametrize("adopt", [False, True], ids=["own", "adopted"])
def test_a_task_that_takes_far_more_memory_than_it_asked_for_is_ended_and_says_what_to_raise(labels, adopt):
    greedy, modest = labels(1, Resources(memory_GB=0.01), delay_s=50.0) + labels(1)  # Python alone takes more
    process = started(greedy) if adopt else None
    lost = LocalEngine(cores=2, max_attempts=1).run([greedy, modest], quiet)
    assert list(lost) == [str(greedy.path)]
    assert re.search(
        r"out of memory: used 0\.\d of 0\.01 GB \(ended above 0\.0\); raise resources\.label\.memory_GB",
        lost[str(greedy.path)],
    )
    assert gone(claim_of(greedy)["pid"]) or process is not None
    assert modest.done()
    if process is not None:
        assert process.wait(20) == -signal.SIGKILL


def test_memory_is_that_of_all_processes_of_a_group():
    child = "import time; b = bytearray(300_000_000); print(1, flush=True); time.sleep(60)"
    script = f"import subprocess, sys; b = bytearray(200_000_000); subprocess.run([sys.executable, '-c', {child!r}])"
    process = subprocess.Popen([sys.executable, "-c", script], start_new_session=True, stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"1\n"
        assert 0.5 < group_memory_GB(process.pid) < 0.7
        assert memory_problem(process.pid, Resources(memory_GB=0.4), "label") is None  # within the margin
        assert "resources.train.memory_GB" in memory_problem(process.pid, Resources(memory_GB=0.3), "train")
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
    assert group_memory_GB(process.pid) == 0.0


def environment_of(pid):
    """The environment of a running process."""
    pairs = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    return dict(pair.split("=", 1) for pair in pairs if "=" in pair)


def test_each_task_has_gpus_of_its_own_and_says_so_in_its_claim(labels, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-7f")
    folders = labels(4, Resources(gpus=1), delay_s=0.8)
    seen = {}

    def look(progress):
        for folder in folders:
            claim = claim_of(folder)
            if claim and not folder.done():
                seen[folder.name] = (claim["gpus"], environment_of(claim["pid"])["CUDA_VISIBLE_DEVICES"])

    assert LocalEngine(cores=4).run(folders, look) == {}
    assert {mine for mine, _ in seen.values()} == {"3", "GPU-7f"}
    assert all(mine == visible for mine, visible in seen.values())
    assert most_at_once(folders) <= 2


def test_a_task_of_the_cpu_sees_no_gpu_and_threads_are_as_asked(labels, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    (folder,) = labels(1, Resources(device="cpu"), delay_s=0.5)
    seen = []

    def look(progress):
        if claim_of(folder) and not folder.done():
            seen.append(environment_of(claim_of(folder)["pid"]))

    LocalEngine(cores=2).run([folder], look)
    assert {each["CUDA_VISIBLE_DEVICES"] for each in seen} == {""}
    assert {each["OMP_NUM_THREADS"] for each in seen} == {"1"}


def test_gpus_of_an_adopted_task_stay_held(labels, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setenv("PFD_GPUS", "0")
    adopted, waiting, last = labels(3, Resources(gpus=1), delay_s=1.0)
    process = started(adopted)
    monkeypatch.delenv("PFD_GPUS")
    assert LocalEngine(cores=4).run([adopted, waiting, last], quiet) == {}
    assert process.wait(20) == 0
    assert claim_of(adopted)["gpus"] == "0"
    assert claim_of(waiting)["gpus"] == "1"
    assert most_at_once([adopted, waiting, last]) <= 2


def test_tasks_of_all_cores_have_their_turn_among_small_ones(labels):
    small, large = labels(6, delay_s=0.1), labels(2, Resources(cores=2))
    assert LocalEngine(cores=2).run([*small, *large], quiet) == {}
    first = min(folder.result().started for folder in large)
    assert first < max(folder.result().started for folder in small)
    spans = [(folder.result().started, folder.result().seconds) for folder in large]
    for folder in small:  # a task of all cores runs alone
        begin, end = folder.result().started, folder.result().started + folder.result().seconds
        assert all(end <= at or at + length <= begin for at, length in spans)


def test_a_clock_that_is_set_while_a_task_runs_ends_nothing(labels):
    """The time of a claim's file says another day; the kernel's own clock counts."""
    (folder,) = labels(1, Resources(walltime_s=30), delay_s=1.0)

    def set_back(progress):
        if claim_of(folder) and not folder.done():
            os.utime(folder.attempts()[-1] / "claim.json", (time.time() - 86400, time.time() - 86400))

    assert LocalEngine(cores=1, max_attempts=1).run([folder], set_back) == {}
    assert folder.done()


def test_folders_that_wait_are_not_looked_at_again_and_again(labels, monkeypatch):
    first, *others = [*labels(1, delay_s=1.5), *labels(5)]
    looks, real = [], TaskFolder.attempts

    def counted(folder):
        looks.append(folder.name)
        return real(folder)

    monkeypatch.setattr(TaskFolder, "attempts", counted)
    seen = []
    assert LocalEngine(cores=1).run([first, *others], seen.append) == {}
    assert len(seen) > 3
    assert looks.count(others[-1].name) < 8
    assert seen[-1].done == 6


def test_progress_counts_what_is_done_while_a_process_is_at_the_next(labels):
    folders, seen = labels(3, delay_s=1.0), []
    LocalEngine(cores=1).run(folders, seen.append)
    counts = [(progress.done, progress.running) for progress in seen]
    assert {(1, 1), (2, 1)} & set(counts)
    assert all(running <= 1 for _, running in counts)
    assert counts[-1] == (3, 0)


def interrupting(after):
    """An observer that presses Ctrl-C once something is true."""

    def observe(progress):
        if after():
            raise KeyboardInterrupt

    return observe


def test_attempts_of_what_was_stopped_are_closed_since_no_other_host_could_tell(labels):
    folders = labels(1, delay_s=30.0)
    with pytest.raises(KeyboardInterrupt):
        LocalEngine(cores=1).run(folders, interrupting(lambda: claim_of(folders[0]) is not None))
    ended = read_json(folders[0].attempts()[-1] / "ended.json")
    assert ended is not None
    assert not ended["counted"]


def test_a_process_of_this_host_is_not_taken_for_the_one_that_another_host_claims(labels):
    (folder,) = labels(1)
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as stranger:
        try:
            attempt = folder.path / "attempts" / "00"
            attempt.mkdir(parents=True)
            claim = this_process().model_copy(update={"host": "login7", "pid": stranger.pid, "worker": "w"})
            write_json(attempt / "claim.json", claim.model_dump() | {"monotonic_s": 0.0})
            with pytest.raises(KeyboardInterrupt):
                LocalEngine(cores=1).run([folder], interrupting(lambda: True))
            assert stranger.poll() is None
        finally:
            stranger.kill()
