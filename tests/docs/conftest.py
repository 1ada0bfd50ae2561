"""A folder in which the commands of the docs find what they name: a finished run of toys, inputs, structures, sets."""

from __future__ import annotations

import copy
import json
import os
import shutil
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from tests.cli.test_older import TOY as OLDER_TOY
from tests.config.older.examples import FINETUNE, write_files
from tests.docs.blocks import ROOT
from tests.workflow.conftest import SMALL, EngineInProcess

import pfd.cli.report  # noqa: F401, keeps the real write_report: of all commands, pfd report alone draws its page here
from pfd.frames import read_frames, without_labels, write_frames
from pfd.frames.perturb import perturb
from pfd.plugins import FAMILIES, LABELERS, plugin_names

TOY = copy.deepcopy(SMALL) | {"name": "toy"}
"""The input of the run, and ``input.yaml``."""
FINETUNE_ALONE = {key: value for key, value in TOY.items() if key != "distill"}
ENVIRONMENTS = os.environ.get("PFD_ENVIRONMENTS")
"""Where those of the person who runs the tests lie."""


def write(content, name="input.yaml"):
    """Write an input into the present folder."""
    Path(name).write_text(yaml.safe_dump(content), encoding="utf-8")


def in_this_process(patch):
    """Have runs perform their tasks here, and write a page without plots, which would take most of a toy's time."""
    patch.setattr("pfd.engines.local.LocalEngine", EngineInProcess)
    patch.setattr("pfd.report.page.write_report", lambda run: (run / "report.html").write_text("<html>"))


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    """The folder; tests work on copies of it."""
    folder = tmp_path_factory.mktemp("docs")
    for name in ("toy/Cu.cif", "silicon/Si8.cif"):
        shutil.copy(ROOT / "examples" / name, folder)
    (folder / "examples").symlink_to(ROOT / "examples")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write(TOY)
        in_this_process(patch)
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
    in_this_process(monkeypatch)
    return folder


@pytest.fixture
def waiting(here):
    """In the place of the finished run, one that waits until somebody has looked at its frames."""
    from pfd.api import submit

    shutil.rmtree("toy")
    finetune = TOY["finetune"] | {"pause": "before_label", "select": {"max_frames": 8}}
    write(FINETUNE_ALONE | {"finetune": finetune | {"explore": [[TOY["finetune"]["explore"][0][0] | {"every": 4}]]}})
    assert submit("input.yaml").status == "waiting"


@pytest.fixture
def endless(here):
    """An input whose first exploration goes on until it is stopped, and no run of it yet."""
    shutil.rmtree("toy")
    explore = [[TOY["finetune"]["explore"][0][0] | {"steps": 10_000_000}]]
    write(FINETUNE_ALONE | {"finetune": TOY["finetune"] | {"explore": explore}})


IN_SMALL = f"""
import sys
sys.path[:0] = {[str(ROOT), str(ROOT / "src")]}
import pfd.engines.local, pfd.report.page
from tests.workflow.conftest import EngineInProcess
pfd.engines.local.LocalEngine = EngineInProcess
pfd.report.page.write_report = lambda run: None
from pfd.cli.main import main
main()
"""
"""A program as ``pfd`` that performs tasks in its own process, and draws nothing."""


@pytest.fixture
def drivers_in_small(tmp_path, monkeypatch):
    """Drivers that are started in processes of their own perform their tasks there."""
    program, python = tmp_path / "in_small.py", tmp_path / "python"
    program.write_text(IN_SMALL, encoding="utf-8")
    python.write_text(f'#!/bin/sh\nshift 2 # -m pfd.cli.main\nexec "{sys.executable}" "{program}" "$@"\n')
    python.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(python))


@pytest.fixture
def materials(here, drivers_in_small):
    """Three inputs, and structures for one, whose runs end when they have chosen frames."""
    (here / "toy").rename("elsewhere")
    content = FINETUNE_ALONE | {"finetune": TOY["finetune"] | {"pause": "before_label"}}
    content["structures"] = [{"file": "Cu.cif", "supercell": [2, 2, 2]}]
    for name in ("a", "b", "c"):
        write(content | {"name": name}, f"{name}.yaml")
    write(content)
    for name in ("Si", "Ge"):
        shutil.copy("Cu.cif", f"{name}.cif")
    Path("table.csv").write_text("name,file\none,Cu.cif\n", encoding="utf-8")


@pytest.fixture
def older(here, monkeypatch):
    """An older input of toys under the name of the example."""
    monkeypatch.setattr("pfd.config.older.models.FAMILIES", {"dp": "toy"})
    monkeypatch.setattr("pfd.config.older.convert.translate_train", lambda train, family, distils: {})
    Path("old.json").write_text(json.dumps(OLDER_TOY), encoding="utf-8")


@pytest.fixture
def toy_tested(monkeypatch):
    """``pfd doctor`` looks for all families and labelers, and tries none but the toy: others train for minutes."""
    from pfd.cli import doctor

    honest = doctor._self_test
    untested = {"untested": "not in this test"}
    monkeypatch.setattr(doctor, "_self_test", lambda launch, name: honest(launch, name) if name == "toy" else untested)


@pytest.fixture
def pod_student(here, monkeypatch):
    """The run's student is a POD, fitted to a few of its frames; LAMMPS' program is on the path."""
    from tests.models.test_pod import SMALL as BASIS

    from pfd.models.family import Model, write_model
    from pfd.models.pod import POD
    from pfd.models.pod_fit import PODFitSettings

    folder = here / "toy" / "models" / "student"
    shutil.rmtree(folder)
    folder.mkdir()
    known = read_frames(here / "toy" / "data" / "distill-train.extxyz")
    card, _ = POD().fit(folder, known, [], PODFitSettings(basis=BASIS, cutoff_A=4.5), seed=0)
    write_model(folder, Model(card=card))
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)


@pytest.fixture
def for_argo(here, monkeypatch):
    """The input with an image; dflow runs its graph here, and finds most of the work done."""
    from pfd.config.argo import SECRETS

    write(TOY | {"argo": {"image": "registry.example/pfd:1"}})
    if ENVIRONMENTS is None:
        monkeypatch.delenv("PFD_ENVIRONMENTS")
    else:
        monkeypatch.setenv("PFD_ENVIRONMENTS", ENVIRONMENTS)
    for name, value in {"DFLOW_MODE": "debug", "DFLOW_DEBUG_POOL_WORKERS": "1"}.items():
        monkeypatch.setenv(name, value)
    for variable in SECRETS.values():
        monkeypatch.setenv(variable, "planted-in-the-environment")


@pytest.fixture
def wheels(here, monkeypatch):
    """pip knows one wheel, which stands for all packages of every environment, and no index."""
    from pfd.cli import environment

    names = sorted({*plugin_names(FAMILIES), *plugin_names(LABELERS)})
    folder = here / "known"
    folder.mkdir()
    with zipfile.ZipFile(folder / "tiny-1.0-py3-none-any.whl", "w") as wheel:
        for name in names:
            wheel.writestr(f"{name}.py", "")
        wheel.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        tag = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        wheel.writestr("tiny-1.0.dist-info/WHEEL", tag)
        wheel.writestr("tiny-1.0.dist-info/RECORD", "".join(f"{name}.py,,\n" for name in names))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setattr("pfd.environments.environment.core_requirements", lambda: ())
    tiny = [environment.Tenant(each.kind, each.name, ("tiny==1.0",), ()) for each in environment.tenants()]
    monkeypatch.setattr(environment, "tenants", lambda: tiny)
