"""Each task goes to the engine that its resources name."""

from __future__ import annotations

import pytest

from pfd.engines.by_step import ByStepEngine, engine_of
from pfd.engines.hpc.engine import HpcEngine
from pfd.engines.hpc.ssh_files import SshFiles
from pfd.engines.local import LocalEngine
from pfd.schedulers.settings import JobRequest
from pfd.tasks.folder import Resources, TaskFolder, TaskSpec


class Recorder:
    def __init__(self, lost):
        self.lost, self.seen = lost, []

    def run(self, folders, observe):
        self.seen.append([folder.path.name[:4] for folder in folders])
        return self.lost


def test_tasks_are_told_apart_and_what_was_lost_is_told_of_both(tmp_path):
    requests = [JobRequest(), None, JobRequest(queue="q")]
    specs = [TaskSpec("label", {"n": n}, resources=Resources(job=each)) for n, each in enumerate(requests)]
    folders = [TaskFolder.create(tmp_path, number, spec) for number, spec in enumerate(specs)]
    local, hpc = Recorder({"a": "x"}), Recorder({"b": "y"})
    assert ByStepEngine(local, hpc).run(folders, lambda _: None) == {"a": "x", "b": "y"}
    assert (local.seen, hpc.seen) == ([["0001"]], [["0000", "0002"]])
    ByStepEngine(local, hpc).run(folders[:1], lambda _: None)
    assert (len(local.seen), len(hpc.seen)) == (1, 2)


@pytest.fixture
def resolved(tmp_path):
    """The example for Slurm, with other resources."""
    from pathlib import Path

    import yaml

    from pfd.config.reading import read_input

    def make(resources):
        example = Path(__file__).parents[2] / "examples" / "slurm" / "input.yaml"
        path = tmp_path / "input.yaml"
        path.write_text(yaml.safe_dump(yaml.safe_load(example.read_text()) | {"resources": resources}))
        return read_input(path)

    return make


def test_the_engine_of_an_input(resolved, tmp_path):
    assert isinstance(engine_of(resolved({}), tmp_path), LocalEngine)
    hpc = {"label": {"engine": "hpc"}}
    shared = engine_of(resolved({"cluster": {"scheduler": "slurm"}} | hpc), tmp_path)
    assert isinstance(shared._hpc, HpcEngine)
    ssh = {"scheduler": "slurm", "context": "ssh", "host": "h", "remote_folder": "/r"}
    assert isinstance(engine_of(resolved({"cluster": ssh} | hpc), tmp_path)._hpc._files, SshFiles)
