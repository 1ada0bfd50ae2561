"""A cluster for all tests of the hpc engine, tasks for it, and engines that use it."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from ase.build import bulk

from pfd.engines.hpc.cluster import Cluster
from pfd.engines.hpc.engine import HpcEngine
from pfd.engines.hpc.shared_files import SharedFiles
from pfd.engines.hpc.submission import Submission
from pfd.environments.launch import HERE
from pfd.frames import write_frames
from pfd.frames.frame import with_origin
from pfd.json_file import read_json
from pfd.schedulers.settings import ClusterSettings, JobRequest
from pfd.tasks.folder import Artifact, Resources, TaskFolder, TaskSpec


@pytest.fixture(scope="session", autouse=True)
def in_haste():
    """The engine asks more often than it should on a cluster that others use."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pfd.engines.hpc.queue_watch.VISIBLE_SECONDS", 0.5)
        patch.setattr("pfd.engines.hpc.engine.ASK_SECONDS", (0.5, 2.0))
        patch.setattr("pfd.engines.hpc.engine.LOOK_SECONDS", (0.05, 0.5))
        yield


@pytest.fixture
def run(tmp_path):
    """A run folder."""
    path = tmp_path / "run"
    path.mkdir()
    return path


@pytest.fixture
def labels(run):
    """Make label tasks of copper cells with the toy labeler: ``labels(3, tasks_per_job=2, delay_s=1.0)``."""
    return label_maker(run)


def label_maker(run):
    numbers = itertools.count()

    def make(count, resources=None, delay_s=0.0, **request):
        asked = (resources or Resources(memory_GB=0.3)).model_copy(update={"job": JobRequest(**request)})
        folders = []
        for number in itertools.islice(numbers, count):
            atoms = bulk("Cu", cubic=True)
            atoms.rattle(0.05, seed=number)
            frame = run / "inputs" / f"frame-{number}.extxyz"
            frame.parent.mkdir(exist_ok=True)
            write_frames(frame, [with_origin(atoms)])
            parameters = {"settings": {"method": "toy", "delay_s": delay_s}}
            spec = TaskSpec("label", parameters, {"frame": Artifact.of(frame)}, asked)
            folders.append(TaskFolder.create(run / "finetune" / "iter-000" / "label", number, spec))
        return folders

    return make


@pytest.fixture
def engine(run):
    """Make an engine on a shared file system."""
    return lambda **options: engine_on(run, **options)


def engine_on(run, scheduler="slurm", max_attempts=3, launch=lambda _: HERE):
    cluster = Cluster(ClusterSettings(scheduler=scheduler), run)
    return HpcEngine(run, cluster, SharedFiles(), max_attempts, launch)


def quiet(progress):
    pass


def records(run: Path):
    """All jobs of a run, closed submissions included."""
    paths = sorted((run / "submissions").glob("[0-9]*-*"))
    return [record for path in paths for record in Submission(run, path).records()]


def claims(folder):
    return [read_json(attempt / "claim.json") for attempt in folder.attempts()]


def ended(folder):
    return [read_json(attempt / "ended.json") for attempt in folder.attempts()]
