"""A folder in which the commands of the docs find what they name: a finished run of toys, inputs, structures, sets."""

from __future__ import annotations

import copy
import json
import shutil

import pytest
import yaml
from tests.config.older.examples import FINETUNE, write_files
from tests.docs.blocks import ROOT
from tests.workflow.conftest import SMALL, EngineInProcess

from pfd.frames import read_frames, without_labels, write_frames
from pfd.frames.perturb import perturb

TOY = copy.deepcopy(SMALL) | {"name": "toy"}
"""The input of the run, and ``input.yaml``."""


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    """The folder; tests work on copies of it."""
    folder = tmp_path_factory.mktemp("docs")
    for name in ("toy/Cu.cif", "silicon/Si8.cif"):
        shutil.copy(ROOT / "examples" / name, folder)
    (folder / "examples").symlink_to(ROOT / "examples")
    (folder / "input.yaml").write_text(yaml.safe_dump(TOY), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("pfd.engines.local.LocalEngine", EngineInProcess)
        from pfd.api import submit

        assert submit("input.yaml").status == "converged"
    data = folder / "toy" / "data"
    rattled = perturb(read_frames(data / "distill-train.extxyz")[0], 30, displacement_A=0.2, strain=0.02, seed=0)
    write_frames(folder / "pool.extxyz", [without_labels(frame) for frame in rattled])
    for name in ("train", "labelled", "frames", "trajectory"):
        shutil.copy(data / "distill-train.extxyz", folder / f"{name}.extxyz")
    for name in ("test", "few"):
        shutil.copy(data / "finetune-test.extxyz", folder / f"{name}.extxyz")
    write_files(folder)
    (folder / "old.json").write_text(json.dumps(FINETUNE), encoding="utf-8")
    return folder


@pytest.fixture
def here(world, tmp_path, monkeypatch):
    """A copy of it to work in, where no environment has been built; tasks run in this process."""
    folder = tmp_path / "here"
    shutil.copytree(world, folder, symlinks=True)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PFD_ENVIRONMENTS", str(tmp_path / "environments"))
    monkeypatch.setattr("pfd.engines.local.LocalEngine", EngineInProcess)
    return folder
