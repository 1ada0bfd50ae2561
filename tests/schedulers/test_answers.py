"""What schedulers answer is understood; the texts are in the form of their manuals, Slurm's are recorded."""

from __future__ import annotations

import math

import pytest

from pfd.schedulers import known
from pfd.schedulers.known import SCHEDULERS, job_here
from pfd.schedulers.scheduler import Partition, QueuedJob, clock_seconds

SLURM_JOBS = """3|PENDING|a
4|COMPLETING|b|c
5|NODE_FAIL|c
6|CANCELLED by 0|d
7|TIMEOUT|e
8|OUT_OF_MEMORY|f
9|FAILED|g"""
PBS_JOBS = """Job Id: 7.server
    Job_Name = pfd-0a1b2c-0000
    Job_Owner = me@login
    job_state = R
    Resource_List.walltime = 01:00:00

Job Id: 8.server
    Job_Name = pfd-0a1b2c-0001
    job_state = F
    Exit_status = -29
"""
SGE_JOBS = """<job_info><queue_info>
 <job_list state="running"><JB_job_number>7</JB_job_number><JB_name>a</JB_name><state>r</state></job_list>
</queue_info><job_info>
 <job_list state="pending"><JB_job_number>8</JB_job_number><JB_name>b</JB_name><state>qw</state></job_list>
</job_info></job_info>"""


def answers(output, error="", code=0):
    return lambda command: (code, output, error)


@pytest.mark.parametrize(
    ("name", "output", "jobs"),
    [
        (
            "slurm",
            SLURM_JOBS,
            [("3", "a", "waiting", ""), ("4", "b|c", "running", ""), ("5", "c", "ended", "node"),
             ("6", "d", "ended", "cancelled"), ("7", "e", "ended", "time"), ("8", "f", "ended", "memory"),
             ("9", "g", "ended", "")],
        ),
        (
            "pbs",
            PBS_JOBS,
            [("7.server", "pfd-0a1b2c-0000", "running", ""), ("8.server", "pfd-0a1b2c-0001", "ended", "time")],
        ),
        (
            "lsf",
            "3|PEND|-|a\n4|RUN|-|b\n5|EXIT|TERM_RUNLIMIT: job killed after reaching LSF run time limit|c\n6|DONE|-|d",
            [("3", "a", "waiting", ""), ("4", "b", "running", ""), ("5", "c", "ended", "time"),
             ("6", "d", "ended", "")],
        ),
        ("sge", SGE_JOBS, [("7", "a", "running", ""), ("8", "b", "waiting", "")]),
    ],
)  # fmt: skip
def test_states_of_jobs(name, output, jobs):
    assert SCHEDULERS[name].jobs(answers(output)) == [QueuedJob(*job) for job in jobs]


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("slurm", "slurm_load_jobs error: Invalid job id specified"),
        ("pbs", "qstat: Unknown Job Id 9.server"),
        ("lsf", "Job <9> is not found"),
    ],
)
def test_an_unknown_job_is_gone_and_silence_is_no_answer(name, error):
    assert SCHEDULERS[name].jobs(answers("", error, 1), ["9"]) == []
    assert SCHEDULERS[name].jobs(answers("", "cannot connect", 1), ["9"]) is None


@pytest.mark.parametrize(
    ("name", "output", "job_id"),
    [
        ("slurm", "12;cluster\n", "12"),
        ("pbs", "12.server.site\n", "12.server.site"),
        ("lsf", "Job <12> is submitted to queue <normal>.", "12"),
        ("sge", 'Your job 12 ("pfd-0a1b2c-0000") has been submitted', "12"),
    ],
)
def test_the_id_of_a_submitted_job(name, output, job_id):
    assert SCHEDULERS[name].submitted_id(output) == job_id
    with pytest.raises(ValueError, match="nothing"):
        SCHEDULERS[name].submitted_id("nothing of the kind")


def test_queues():
    slurm = "cpu|infinite|4|(null)\ncpu|infinite|64+|(null)\ngpu|1-02:00:00|8|gpu:a100:4(S:0-1),fs:1\n"
    assert SCHEDULERS["slurm"].partitions(answers(slurm)) == [
        Partition("cpu", 64, 0, math.inf),
        Partition("gpu", 8, 4, 93600.0),
    ]
    pbs = "Queue: workq\n    queue_type = Execution\n    resources_max.walltime = 24:00:00\n\nQueue: long\n"
    assert SCHEDULERS["pbs"].partitions(answers(pbs)) == [Partition("workq", walltime_s=86400.0), Partition("long")]
    lsf = "QUEUE_NAME PRIO STATUS\nnormal 30 Open:Active\n"
    assert SCHEDULERS["lsf"].partitions(answers(lsf)) == [Partition("normal")]
    assert SCHEDULERS["sge"].partitions(answers("all.q\nlong.q\n")) == [Partition("all.q"), Partition("long.q")]


@pytest.mark.parametrize(("text", "value"), [("30", 30.0), ("10:00", 600.0), ("1:2:3:4", None), ("n/a", None)])
def test_clocks(text, value):
    assert clock_seconds(text) == value


def test_a_process_knows_its_job(monkeypatch):
    for scheduler in SCHEDULERS.values():
        monkeypatch.delenv(scheduler.job_variable, raising=False)
    assert job_here() == ""
    monkeypatch.setenv("LSB_JOBID", "44")
    assert job_here() == "lsf:44"


def test_the_queue_is_listed_once_and_what_is_gone_stays_gone(monkeypatch):
    asked = []

    def shell(command):
        asked.append(command)
        if "-u" in command:
            return 0, "12|RUNNING|a\n13|TIMEOUT|b", ""
        return 1, "", "Invalid job id specified"

    monkeypatch.setattr(known, "shell_here", shell)
    monkeypatch.setattr(known, "_listed", {})
    monkeypatch.setattr(known, "_gone", set())
    states = {job: known.job_state(f"slurm:{job}") for job in ("12", "13", "14", "12", "14")}
    assert states == {"12": "alive", "13": "gone", "14": "gone"}
    assert len(asked) == 2
    monkeypatch.setattr(known, "shell_here", lambda command: (127, "", "no such program"))
    monkeypatch.setattr(known, "_listed", {})
    assert known.job_state("slurm:15") == "unknown"
    assert known.job_state("nqs:1") == "unknown"
