"""What an input asks of a cluster is refused before anything is submitted; Slurm's answers are those of a stand-in."""

from __future__ import annotations

import os
import shutil

import pytest
import yaml
from ase.build import bulk
from tests.config.test_bad_input import edited

from pfd.config.check import check_input
from pfd.config.queue import check_queues
from pfd.config.reading import read_input
from pfd.errors import MissingError, SettingError
from pfd.frames import write_frames

SLURM = {"cluster": {"scheduler": "slurm"}}
HPC = {"engine": "hpc"}


@pytest.fixture
def refused(tmp_path, monkeypatch):
    """What the check says of some resources, with Slurm's programs as stand-ins."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, says in {
        "sbatch": "exit 1",
        "squeue": "exit 1",
        "scancel": "exit 1",
        "sinfo": "echo 'cpu|2:00:00|4|(null)'; echo 'gpu|infinite|8|gpu:2'",
    }.items():
        (programs / name).write_text(f"#!/bin/sh\n{says}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")

    def look(resources, kind=SettingError):
        write_frames(tmp_path / "Cu.extxyz", [bulk("Cu", cubic=True)])
        path = tmp_path / "input.yaml"
        path.write_text(yaml.safe_dump(edited({"resources": resources})))
        with pytest.raises(kind) as raised:
            check_input(read_input(path))
        assert raised.value.exit_code == 2
        return str(raised.value)

    return look


@pytest.mark.parametrize(
    ("resources", "said"),
    [
        ({"label": {"queue": "cpu"}}, ["resources.label.queue", "without effect: it is for engine: hpc"]),
        ({"label": {"tasks_per_job": 4}}, ["resources.label.tasks_per_job", "without effect"]),
        (SLURM, ["resources.cluster", "without effect: no step has engine: hpc"]),
        ({"label": HPC}, ["resources.cluster", "no cluster is named: label", "{cluster: {scheduler: slurm}}"]),
        (
            SLURM | {"label": HPC | {"queue": "cpus"}},
            ["resources.label.queue", "no queue 'cpus'", "there are cpu, gpu"],
        ),
        (SLURM | {"label": HPC | {"queue": "cpu", "cores": 5}}, ["resources.label.cores", "5 cores", "has 4 cores"]),
        (SLURM | {"label": HPC | {"queue": "cpu", "gpus": 1}}, ["resources.label.gpus", "1 GPU", "has 0 GPUs"]),
        (
            SLURM | {"label": HPC | {"queue": "cpu", "walltime": "3h"}},
            ["resources.label.walltime", "3h is more than the 120 minutes that the queue 'cpu' allows"],
        ),
        (SLURM | {"label": HPC | {"walltime": "soon"}}, ["resources.label.walltime", "'soon' is no duration"]),
        (SLURM | {"label": HPC | {"nodes": 2, "cores": 3}}, ["resources.label.cores", "evenly among 2 nodes"]),
        (SLURM | {"label": HPC | {"directives": ["#PBS -A x"]}}, ["directives.0", "begin it with #SBATCH"]),
        (
            {"cluster": {"scheduler": "slurm", "host": "x"}},
            ["resources.cluster", "host without effect: the context is"],
        ),
        ({"cluster": {"scheduler": "slurm", "context": "ssh"}}, ["context: ssh needs host, remote_folder"]),
        ({"cluster": {"scheduler": "sluurm"}}, ["resources.cluster.scheduler"]),
        ({"cluster": {"scheduler": "slurm", "password": "x"}}, ["resources.cluster.password: unknown key"]),
    ],
)
def test_mistakes(refused, resources, said):
    message = refused(resources)
    assert [each for each in said if each not in message] == [], message


def test_a_scheduler_that_does_not_answer(refused, tmp_path):
    (tmp_path / "bin" / "sinfo").write_text("#!/bin/sh\necho 'no controller' >&2; exit 1\n")
    message = refused(SLURM | {"label": HPC | {"queue": "cpu"}}, MissingError)
    assert "resources.cluster" in message
    assert "slurm does not answer" in message


def test_a_scheduler_that_is_not_there(refused):
    message = refused({"cluster": {"scheduler": "lsf"}, "label": HPC}, MissingError)
    assert "there is no program 'bsub' on this machine" in message


def test_a_host_that_does_not_answer(refused):
    cluster = {"scheduler": "slurm", "context": "ssh", "host": "127.0.0.1", "port": 9, "remote_folder": "/tmp/x"}
    message = refused({"cluster": cluster, "label": HPC})
    assert "127.0.0.1 cannot be reached by ssh as" in message
    assert "ssh -p 9" in message


@pytest.mark.slurm
def test_a_real_slurm_is_asked(slurm, tmp_path):
    write_frames(tmp_path / "Cu.extxyz", [bulk("Cu", cubic=True)])
    path = tmp_path / "input.yaml"
    for queue, cores, mistake in (("cpu", 4, None), ("gpu", 2, None), ("cpu", 8, "has 4 cores"), ("x", 1, "cpu, gpu")):
        path.write_text(
            yaml.safe_dump(edited({"resources": SLURM | {"label": HPC | {"queue": queue, "cores": cores}}}))
        )
        if mistake is None:
            check_queues(read_input(path))
        else:
            with pytest.raises(SettingError, match=mistake):
                check_queues(read_input(path))


def test_programs_are_looked_for_where_jobs_will_find_them(refused, tmp_path, monkeypatch):
    from pfd.config.queue import programs_of_labels

    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "pw-of-a-module").touch(mode=0o755)
    label = HPC | {"before": f"export PATH={tmp_path}/there:$PATH"}
    path = tmp_path / "input.yaml"
    path.write_text(yaml.safe_dump(edited({"resources": SLURM | {"label": label}})))
    before = os.environ["PATH"]
    with programs_of_labels(read_input(path)):
        assert shutil.which("pw-of-a-module")
    assert os.environ["PATH"] == before
    message = refused(SLURM | {"label": HPC | {"before": "echo it is not there >&2; false"}})
    assert "resources.label.before: fails here: it is not there" in message
