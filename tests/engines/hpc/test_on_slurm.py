"""The hpc engine on a real Slurm: grouping, retries, lost nodes, time limits, rejection, crashes of the driver."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pfd.errors import PFDError
from pfd.tasks.folder import Resources

from .conftest import claims, ended, engine_on, label_maker, quiet, records

pytestmark = pytest.mark.slurm
SMALL = Resources(memory_GB=0.3)


def wait_until(what, timeout=40.0):
    deadline = time.monotonic() + timeout
    while not what():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)


def in_background(engine, folders):
    """Run an engine in a thread; returns the thread and where its answer will be."""
    answer = {}

    def work():
        try:
            answer["lost"] = engine.run(folders, quiet)
        except BaseException as error:
            answer["error"] = error

    thread = threading.Thread(target=work)
    thread.start()
    return thread, answer


def in_queue(slurm, run):
    """Ids of the jobs of a run that have not ended."""
    names = {job.name for job in records(run)} if (run / "submissions").is_dir() else set()
    return [
        line.split()[0] for line in slurm.client("squeue", "-h", "-o", "%i %j").splitlines() if line.split()[1] in names
    ]


@pytest.fixture(scope="module", autouse=True)
def out_of_time(slurm, tmp_path_factory):
    """Two tasks in a job of Slurm's shortest wall time, a minute; the first hangs. Other tests run meanwhile."""
    run = tmp_path_factory.mktemp("out-of-time")
    make, resources = label_maker(run), SMALL.model_copy(update={"walltime_s": 1.0})
    request = {"tasks_per_job": 2, "queue": "gpu"}
    folders = make(1, resources, delay_s=60.0, **request) + make(1, resources, **request)
    thread, answer = in_background(engine_on(run, max_attempts=1), folders)
    wait_until(lambda: folders[0].attempts() and claims(folders[0])[0])
    os.kill(claims(folders[0])[0]["pid"], signal.SIGSTOP)
    yield folders, thread, answer
    thread.join(timeout=120)


def test_tasks_in_groups_are_done_and_none_twice(slurm, run, labels, engine):
    folders, seen = labels(7, queue="cpu", tasks_per_job=3), []
    assert engine().run(folders, seen.append) == {}
    assert all(folder.done() and len(folder.attempts()) == 1 for folder in folders)
    jobs = records(run)
    assert [len(job.tasks) for job in jobs] == [3, 3, 1]
    assert {job.state for job in jobs} == {"ended"}
    assert {claim["job"] for folder in folders for claim in claims(folder)} == {f"slurm:{job.id}" for job in jobs}
    assert (seen[-1].done, seen[-1].total, seen[-1].fraction) == (7, 7, 1.0)
    assert engine().run(folders, quiet) == {}
    assert len(records(run)) == 3


def test_no_more_jobs_in_the_queue_than_allowed(slurm, run, labels, engine):
    folders, seen = labels(3, max_jobs=1), []
    thread, answer = in_background(engine(), folders)
    while thread.is_alive():
        seen.append(len(in_queue(slurm, run)))
        time.sleep(0.1)
    assert answer == {"lost": {}}
    assert max(seen) == 1


def test_a_lost_node_costs_no_attempt(slurm, run, labels, engine):
    folders = labels(3, delay_s=2.5, tasks_per_job=3, directives=["#SBATCH --nodelist=cpu1"])
    thread, answer = in_background(engine(max_attempts=1), folders)
    wait_until(folders[0].attempts)
    slurm.lose_node("cpu1")
    slurm.client("squeue")
    wait_until(lambda: ended(folders[0])[0])
    slurm.restore_node("cpu1")
    thread.join()
    assert answer == {"lost": {}}
    assert all(folder.done() for folder in folders)
    assert ended(folders[0])[0] == {"message": "the node was lost", "counted": False}
    assert [len(folder.attempts()) for folder in folders] == [2, 1, 1]
    assert sorted(len(job.tasks) for job in records(run)) == [1, 2, 3]  # the one that was lost goes alone


def test_a_killed_process_is_counted(slurm, run, labels, engine):
    folders = labels(2, delay_s=1.5, tasks_per_job=2)
    thread, answer = in_background(engine(), folders)
    wait_until(lambda: folders[0].attempts() and claims(folders[0])[0])
    os.kill(claims(folders[0])[0]["pid"], signal.SIGKILL)
    thread.join()
    assert answer == {"lost": {}}
    assert ended(folders[0])[0] == {"message": "killed by signal 9", "counted": True}
    assert [len(folder.attempts()) for folder in folders] == [2, 1]


def test_a_queue_that_rejects_is_quoted_and_asked_once(slurm, run, labels, engine):
    folders = labels(3, queue="nowhere")
    with pytest.raises(
        PFDError, match='the queue rejects the job: "sbatch: error: invalid partition specified: nowhere'
    ) as e:
        engine().run(folders, quiet)
    assert e.value.exit_code == 2
    assert len(records(run)) == 1
    assert in_queue(slurm, run) == []


def test_jobs_that_cannot_begin_a_task_are_not_submitted_for_ever(slurm, run, labels, engine):
    folders = labels(1, before="echo no such module; exit 7")
    with pytest.raises(
        PFDError, match="3 jobs in a row ended before they had begun a task; the last said: no such module"
    ):
        engine().run(folders, quiet)
    assert len(records(run)) == 3
    assert folders[0].attempts() == []


def test_a_fatal_failure_stops_what_waits_and_begins_nothing_more(slurm, run, labels, engine):
    bad = labels(1)
    frame = run / "inputs" / "frame-0.extxyz"
    whole = frame.read_bytes()
    frame.write_text("no frame")
    rest = labels(4, delay_s=1.0, tasks_per_job=2, directives=["#SBATCH --exclusive"])
    with pytest.raises(PFDError) as raised:
        engine().run([*bad, *rest], quiet)
    assert "task label/" in str(raised.value) or "0000" in str(raised.value)
    assert not all(folder.done() for folder in rest)
    assert in_queue(slurm, run) == []
    frame.write_bytes(whole)  # mended: the same tasks go on
    assert engine().run([*bad, *rest], quiet) == {}
    assert all(folder.done() for folder in [*bad, *rest])


def start_driver(run, **variables):
    driver = str(Path(__file__).parent / "driver.py")
    environment = os.environ | variables
    return subprocess.Popen([sys.executable, driver, str(run)], env=environment, start_new_session=True)


def test_jobs_that_wait_for_tasks_of_an_earlier_input_are_cancelled(slurm, run, labels, engine):
    old = labels(4, delay_s=4.0, directives=["#SBATCH --exclusive", "#SBATCH --nodelist=cpu1"])  # one at a time
    driver = start_driver(run)
    wait_until(lambda: len([record for record in records(run) if record.state == "queued"]) == 4 and old[0].attempts())
    driver.kill()
    driver.wait()
    new = labels(1)
    assert engine().run(new, quiet) == {}
    assert new[0].done()
    ends = [record.how for record in records(run) if record.how == "no task of it is wanted now"]
    assert 1 <= len(ends) == sum(not folder.attempts() for folder in old)
    wait_until(lambda: all(folder.done() for folder in old if folder.attempts()))  # what runs is left to finish


def test_jobs_of_a_killed_driver_are_adopted(slurm, run, labels, engine):
    folders = labels(4, delay_s=1.5, tasks_per_job=2)
    driver = start_driver(run)
    wait_until(folders[0].attempts)
    driver.kill()
    driver.wait()
    before = [job.id for job in records(run)]
    assert engine().run(folders, quiet) == {}
    assert all(folder.done() and len(folder.attempts()) == 1 for folder in folders)
    assert [job.id for job in records(run)][: len(before)] == before
    assert len(records(run)) == 2


@pytest.mark.parametrize("when", ["after", "before"])
def test_a_job_whose_id_was_lost_while_submitting_is_found_by_its_name(slurm, run, labels, engine, tmp_path, when):
    real = subprocess.run(["which", "sbatch"], capture_output=True, text=True, check=True).stdout.strip()
    wrapper = tmp_path / "bin" / "sbatch"
    wrapper.parent.mkdir()
    lines = {
        "after": f'{real} "$@" >/dev/null; touch {run}/there; sleep 20',
        "before": f"touch {run}/there; exec sleep 20",
    }
    wrapper.write_text(f"#!/bin/sh\n{lines[when]}\n")
    wrapper.chmod(0o755)
    folders = labels(2, delay_s=0.5, tasks_per_job=2)
    driver = start_driver(run, PATH=f"{wrapper.parent}:{os.environ['PATH']}")
    wait_until((run / "there").exists)
    os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()
    assert [(job.state, job.id) for job in records(run)] == [("submitting", "")]
    assert engine().run(folders, quiet) == {}
    assert all(folder.done() and len(folder.attempts()) == 1 for folder in folders)
    assert len(records(run)) == (1 if when == "after" else 2)


def test_an_interrupted_driver_cancels_its_jobs_and_can_go_on(slurm, run, labels, engine):
    folders = labels(6, delay_s=0.5, tasks_per_job=2, directives=["#SBATCH --exclusive"])  # two run, one waits
    driver = start_driver(run)
    wait_until(folders[0].attempts)
    driver.send_signal(signal.SIGINT)
    assert driver.wait(timeout=30) == 130
    assert in_queue(slurm, run) == []
    assert not all(folder.done() for folder in folders)
    assert engine(max_attempts=1).run(folders, quiet) == {}
    assert all(folder.done() for folder in folders)
    assert not any(note["counted"] for folder in folders for note in ended(folder) if note)


def test_a_task_out_of_time_is_counted_and_costs_the_others_nothing(out_of_time):
    (slow, quick), thread, answer = out_of_time
    thread.join(timeout=120)
    assert list(answer["lost"]) == [str(slow.path)]
    assert "1 attempts, the last: out of time: the job reached its wall time" in answer["lost"][str(slow.path)]
    assert quick.done()
    assert len(quick.attempts()) == 1
