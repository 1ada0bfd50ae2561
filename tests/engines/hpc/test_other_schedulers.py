"""PBS, Torque, LSF, SGE and Bohrium to the script and the machine's description; PBS and LSF against stand-ins too."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from pfd.engines.hpc.cluster import Cluster
from pfd.engines.hpc.ending import ending_of
from pfd.engines.hpc.submission import Submission
from pfd.errors import PFDError, RunError
from pfd.schedulers.connection import Connection
from pfd.schedulers.known import SCHEDULERS
from pfd.schedulers.settings import ClusterSettings, JobRequest
from pfd.tasks.folder import Resources

from .conftest import claims, quiet, records

REQUEST = JobRequest(
    queue="q", nodes=2, modules=("qe/7.3",), before="ulimit -s unlimited", directives=("#X --account=a",)
)
ASKED = Resources(cores=8, memory_GB=16, gpus=2, walltime_s=5400, job=REQUEST)
HEADS = {
    "slurm": [
        "#!/bin/bash -l", "#SBATCH --nodes 2", "#SBATCH --ntasks-per-node 4", "#SBATCH --gres=gpu:1",
        "#SBATCH --partition q", "#SBATCH --job-name pfd-0a1b2c-0000", "#SBATCH --time=1:30:00", "#SBATCH --mem=8000M",
        "#SBATCH --output=pfd-0a1b2c-0000.out", "#SBATCH --no-requeue", "#X --account=a",
    ],
    "pbs": [
        "#!/bin/bash -l", "#PBS -l select=2:ncpus=4:mem=8000mb:ngpus=1", "#PBS -j oe", "#PBS -q q",
        "#PBS -N pfd-0a1b2c-0000", "#PBS -l walltime=1:30:00", "#PBS -o pfd-0a1b2c-0000.out", "#PBS -r n",
        "#X --account=a",
    ],
    "torque": [
        "#!/bin/bash -l", "#PBS -l nodes=2:ppn=4:gpus=1", "#PBS -j oe", "#PBS -q q", "#PBS -N pfd-0a1b2c-0000",
        "#PBS -l walltime=1:30:00", "#PBS -o pfd-0a1b2c-0000.out", "#PBS -r n", "#PBS -l mem=8000mb", "#X --account=a",
    ],
    "lsf": [
        "#!/bin/bash -l", "#BSUB -e %J.err", "#BSUB -o %J.out", "#BSUB -n 8", "#BSUB -R 'span[ptile=4]'", "#BSUB -q q",
        "#BSUB -gpu 'num=1:mode=shared:j_exclusive=yes'", "#BSUB -J pfd-0a1b2c-0000", "#BSUB -W 90",
        '#BSUB -R "rusage[mem=8000MB]"', "#BSUB -rn", "#X --account=a",
    ],
    "sge": [
        "#!/bin/bash", "#$ -S /bin/bash", "#$ -cwd", "#$ -N pfd-0a1b2c-0000", "#$ -pe smp 4", "#$ -q q",
        "#$ -l h_rt=1:30:00", "#$ -l h_vmem=2000M", "#$ -j y", "#$ -o pfd-0a1b2c-0000.out", "#$ -r n", "#X --account=a",
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", SCHEDULERS)
def test_the_script_says_what_was_asked_for(name, run):
    cluster = Cluster(ClusterSettings(scheduler=name), run)
    submission = Submission.create(run, ["a"], {})
    script, commands = cluster.script(submission, "pfd-0a1b2c-0000", "echo done", ASKED)
    lines = [line for line in script.splitlines() if line.strip()]
    assert lines[: len(HEADS[name])] == HEADS[name]
    assert script.startswith("#!/bin/bash")
    assert "module load qe/7.3" in lines
    assert "ulimit -s unlimited" in lines
    assert f"REMOTE_ROOT=$(readlink -f {submission.path})" in lines
    assert "( echo done ) 1>>pfd-0a1b2c-0000.log" in commands


def test_descriptions_of_machines():
    ssh = ClusterSettings(
        scheduler="pbs", context="ssh", host="h", user="u", port=2222, key_file="/k", remote_folder="/r"
    )
    assert Connection(ssh, Path("/run"), "/r/run").description() == {
        "batch_type": "PBS",
        "context_type": "SSH",
        "local_root": "/run",
        "remote_root": "/r/run",
        "remote_profile": {"hostname": "h", "username": "u", "port": 2222, "key_filename": "/k"},
    }
    cloud = ClusterSettings(scheduler="bohrium", context="bohrium", project=7, image="i", machine_type="c8_m16_cpu")
    described = Connection(cloud, Path("/run"), "/run").description()
    assert (described["batch_type"], described["context_type"]) == ("OpenAPI", "OpenAPI")
    assert described["remote_profile"]["project_id"] == 7
    assert described["remote_profile"]["input_data"]["scass_type"] == "c8_m16_cpu"
    assert not any("key" in name for name in described["remote_profile"])


@pytest.fixture
def queue(tmp_path, monkeypatch):
    """Programs of PBS and LSF that run jobs as processes; returns the folder of their state."""
    programs, state = tmp_path / "bin", tmp_path / "queue"
    programs.mkdir()
    state.mkdir()
    source = Path(__file__).parent / "stand_in_queue.py"
    for name in ("qsub", "qstat", "qdel", "bsub", "bjobs", "bkill"):
        (programs / name).write_text(f"#!{sys.executable}\n{source.read_text()}")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("QUEUE_STATE", str(state))
    return state


@pytest.mark.parametrize("scheduler", ["pbs", "lsf"])
def test_tasks_are_done_through_stand_ins(queue, run, labels, engine, scheduler):
    folders = labels(3, tasks_per_job=2)
    assert engine(scheduler=scheduler).run(folders, quiet) == {}
    assert all(folder.done() and len(folder.attempts()) == 1 for folder in folders)
    ids = {re.sub(r"\D", "", job.id) for job in records(run)}
    assert {claim["job"] for folder in folders for claim in claims(folder)} == {f"{scheduler}:{each}" for each in ids}


@pytest.mark.parametrize(("scheduler", "words"), [("pbs", "qsub: Unknown queue"), ("lsf", "nowhere: No such queue")])
def test_a_rejection_is_quoted(queue, run, labels, engine, scheduler, words):
    with pytest.raises(PFDError, match=f'the queue rejects the job: "{words}') as raised:
        engine(scheduler=scheduler).run(labels(2, queue="nowhere"), quiet)
    assert raised.value.exit_code == 2
    assert len(records(run)) == 1


def test_jobs_in_the_queue_of_another_cluster_are_not_taken_for_lost(queue, run, labels, engine):
    folders = labels(1)
    there = Submission.create(run, ["f"], ClusterSettings(scheduler="lsf").model_dump(mode="json"))
    there.write(there.new_record(["f"]), state="queued", id="7")
    with pytest.raises(RunError, match=r"jobs of this run are in the queue of another cluster \(scheduler: lsf\)"):
        engine(scheduler="pbs").run(folders, quiet)
    assert folders[0].attempts() == []


def test_a_queue_that_is_full_is_asked_again(queue, run, labels, engine, monkeypatch, tmp_path):
    monkeypatch.setattr("pfd.engines.hpc.engine.BUSY_SECONDS", (0.05, 0.2))
    real = (tmp_path / "bin" / "qsub").rename(tmp_path / "bin" / "real-qsub")
    counter = tmp_path / "asked"
    wrapper = tmp_path / "bin" / "qsub"
    refuse = "{ echo 'qsub: would exceed limit' >&2; exit 1; }"
    wrapper.write_text(
        f'#!/bin/sh\necho x >> {counter}\n[ $(wc -l < {counter}) -gt 2 ] || {refuse}\nexec {real} "$@"\n'
    )
    wrapper.chmod(0o755)
    real.write_text(real.read_text().replace("Path(sys.argv[0]).name", "'qsub'"))
    folders, seen = labels(1), []
    assert engine(scheduler="pbs").run(folders, seen.append) == {}
    assert folders[0].done()
    assert any("would exceed limit" in progress.message for progress in seen)
    assert [job.how for job in records(run)][:2] == ["was never submitted"] * 2


def test_a_job_that_was_declared_void_and_appears_after_all_does_nothing(run, labels, engine):
    folder = labels(1)[0]
    submission = Submission.create(run, ["f"], {})
    asked = Resources(job=JobRequest())
    command = engine()._command(submission, "pfd-a-0000", [folder], asked)
    assert engine()._files.reserve(submission, "pfd-a-0000.began")
    assert (
        subprocess.run(["bash", "-c", command], cwd=submission.path, check=False, capture_output=True).returncode == 0
    )
    assert folder.attempts() == []
    assert not (submission.path / "pfd-a-0000.code").exists()
    submission.path.joinpath("pfd-a-0000.began").rmdir()
    subprocess.run(["bash", "-c", command], cwd=submission.path, check=True)
    assert folder.done()
    assert (submission.path / "pfd-a-0000.code").read_text() == "0\n"
    assert not engine()._files.reserve(submission, "pfd-a-0000.began")


@pytest.mark.parametrize(
    ("code", "end", "output", "elapsed", "said"),
    [
        (None, "node", "", 5, ("the node was lost", False)),
        (None, "", "slurmstepd: error: *** JOB 7 CANCELLED AT ... DUE TO TIME LIMIT ***", 5, ("out of time", True)),
        (137, "", "slurmstepd: error: Detected 1 oom_kill event in StepId=7.batch", 5, ("out of memory", True)),
        (137, "", "", 5, ("killed by signal 9", True)),
        (143, "cancelled", "", 5, ("its job was cancelled", False)),
        (143, "", "", 3600, ("out of time", True)),
        (None, "", "", 5, ("its job is gone from the queue", False)),
        (1, "", "oom_kill", 5, ("process ended with code 1", True)),
    ],
)
def test_how_a_job_ended(code, end, output, elapsed, said):
    ending = ending_of(code, end, output, elapsed, 3600.0)
    assert ending.reason.startswith(said[0])
    assert ending.counted == said[1]


def test_an_interrupt_while_submitting_cancels_what_got_into_the_queue(
    queue, run, labels, engine, tmp_path, monkeypatch
):
    folders, hpc = labels(2, delay_s=30.0), engine(scheduler="pbs")
    real = hpc._cluster.submit

    def interrupted(*arguments):
        real(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(hpc._cluster, "submit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        hpc.run(folders, quiet)
    assert [(job.state, job.id) for job in records(run)] == [("submitting", "")]
    pid = int(next(queue.glob("*.pid")).read_text())
    deadline = time.monotonic() + 20
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the job goes on"
        time.sleep(0.05)


def test_an_interrupt_before_jobs_are_taken_up_again_cancels_them(queue, run, labels, engine, monkeypatch):
    folders, first = labels(1, delay_s=30.0), engine(scheduler="pbs")

    def killed(*arguments):
        raise RuntimeError("killed")

    monkeypatch.setattr(first._watch, "look", killed)
    with pytest.raises(RuntimeError, match="killed"):
        first.run(folders, quiet)
    again = engine(scheduler="pbs")
    ask, asked = again._cluster.jobs, []

    def interrupted(*arguments):
        asked.append(arguments)
        if len(asked) == 1:
            raise KeyboardInterrupt
        return ask(*arguments)

    monkeypatch.setattr(again._cluster, "jobs", interrupted)
    with pytest.raises(KeyboardInterrupt):
        again.run(folders, quiet)
    pid = int(next(queue.glob("*.pid")).read_text())
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
