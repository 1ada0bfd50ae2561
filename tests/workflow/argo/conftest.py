"""A toy run for Argo, and its graph by hand: replays and pods in this process, storage in a folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml
from tests.workflow.conftest import EXAMPLE, MD, EngineInProcess

from pfd.api import prepare_for_argo
from pfd.digests import file_digest
from pfd.workflow.argo.pod import advance_in_pod, work_in_pod
from pfd.workflow.argo.prepare import pack_start
from pfd.workflow.run_folder import task_folders

MINI = {
    "name": "mini",
    "seed": 3,
    "teacher": {"family": "toy", "model": "soft-copper"},
    "structures": [{"file": "Cu.cif", "supercell": [2, 2, 2], "perturb": {"count": 1, "displacement_A": 0.05}}],
    "finetune": {
        "explore": [[MD]],
        "select": {"max_frames": 4},
        "label": {"method": "toy"},
        "converge": {"force_rmse_relative": 0.9},
        "max_iterations": 2,
    },
    "evaluate": {"test_frames": 2, "speed_atoms": 0},
    "argo": {"image": "registry.example/pfd:1", "explore": {"group_size": 8}, "label": {"group_size": 3}},
}


class Graph:
    """What Argo does with the compiled graph, by hand."""

    def __init__(self, start: Path, folder: Path) -> None:
        self.source, self.folder, self.rounds = start, folder, []
        self.tamper = lambda planned, done: None
        """Called with what a replay told, and the folder that the pods' parcels came back to."""

    def turn(self) -> bool:
        """A replay and its round; False after the last."""
        out = self.folder / f"{len(self.rounds):03d}"
        out.mkdir(parents=True)
        try:
            advance_in_pod(self.source / "run.tar", self.source / "done", "place", out)
        finally:
            self.source = out
        planned = {name: (out / name).read_text() for name in ("finished", "round", "kind", "slots")}
        self.rounds.append(planned)
        for slot in json.loads(planned["slots"]):
            pod = out / f"pod-{slot}"
            pod.mkdir()
            work_in_pod(out / "tasks" / f"{slot}.tar", out / "tasks" / "shared.tar", slot, 1, pod)
            shutil.copyfile(pod / "done" / f"{slot}.tar", out / "done" / f"{slot}.tar")
        self.tamper(planned, out / "done")
        return planned["finished"] == "false"

    def to_the_end(self) -> Path:
        """The run folder at the end."""
        while self.turn():
            pass
        return self.source / "run"


def digests(run: Path) -> dict[str, dict[str, str]]:
    """Task folder -> digests of its outputs, of all that are done."""
    done = [folder for folder in task_folders(run) if folder.done()]
    return {str(folder.path.relative_to(run)): folder.result().outputs for folder in done}


def models(run: Path) -> dict[str, str]:
    return {path.name: file_digest(path) for path in (run / "models").iterdir()}


@pytest.fixture
def mini():
    return json.loads(json.dumps(MINI))


@pytest.fixture
def graph(tmp_path, monkeypatch):
    """Prepare an input as ``pfd submit --engine argo`` does; its files are gone afterwards, as they are for a pod."""
    monkeypatch.setattr("pfd.workflow.argo.pod.LocalEngine", EngineInProcess)

    def prepare(content):
        home = tmp_path / "home"
        home.mkdir(exist_ok=True)
        shutil.copyfile(EXAMPLE / "Cu.cif", home / "Cu.cif")
        (home / "input.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
        run, _ = prepare_for_argo(home / "input.yaml", tmp_path / "run")
        pack_start(run, tmp_path / "start")
        shutil.rmtree(home)
        return Graph(tmp_path / "start", tmp_path / "pods")

    return prepare
