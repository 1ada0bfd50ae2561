"""Where a model runs: what was asked for, what its family can, what is there; and that every step passes it on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk

from pfd.errors import MissingError
from pfd.frames import Labels, with_labels, write_frames
from pfd.frames.frame import with_origin
from pfd.models.chgnet import CHGNet
from pfd.models.device import device_for
from pfd.models.pod import POD
from pfd.models.sevennet import SevenNet
from pfd.models.training import adopt_model
from pfd.tasks.context import TaskContext
from pfd.tasks.folder import Artifact, Resources, TaskFolder, TaskSpec
from pfd.tasks.steps import load_step
from pfd.testing.toy_family import ToyFamily


@pytest.fixture
def cuda(monkeypatch):
    """Say whether torch sees a CUDA device."""
    return lambda there: monkeypatch.setattr("pfd.models.device.cuda_is_there", lambda: there)


@pytest.mark.parametrize("family", [CHGNet(), SevenNet()], ids=lambda family: family.name)
def test_torch_families_take_cuda_where_there_is_one(family, cuda):
    cuda(True)
    assert [device_for(family, asked) for asked in ("auto", "cpu", "cuda")] == ["cuda", "cpu", "cuda"]
    cuda(False)
    assert [device_for(family, asked) for asked in ("auto", "cpu")] == ["cpu", "cpu"]
    with pytest.raises(MissingError, match="torch sees no such device"):
        device_for(family, "cuda")


@pytest.mark.parametrize("family", [POD(), ToyFamily()], ids=lambda family: family.name)
def test_families_without_gpu_code_run_on_the_cpu_and_say_so_if_asked_by_name(family, cuda, capsys):
    cuda(True)
    assert device_for(family, "auto") == "cpu"
    assert capsys.readouterr().out == ""
    assert device_for(family, "cuda") == "cpu"
    assert f"the family '{family.name}' cannot use it" in capsys.readouterr().out


@pytest.fixture
def recorded(monkeypatch, cuda):
    """A toy family that could use cuda: notes on which device it was asked to work."""
    seen: list[tuple[str, str]] = []
    cuda(True)
    monkeypatch.setattr(ToyFamily, "devices", ("cpu", "cuda"))
    for name, place in (("calculator", 1), ("predict", 3), ("fine_tune", 6)):
        real = getattr(ToyFamily, name)

        def recording(self, *arguments, _name=name, _real=real, _place=place, **named):
            seen.append((_name, named.get("device") or (*arguments, *["cpu"] * 7)[_place]))
            return _real(self, *arguments, **named)

        monkeypatch.setattr(ToyFamily, name, recording)
    return seen


MD = {"method": "md", "temperatures_K": [300.0], "steps": 4, "every": 2, "equilibrate_steps": 0}
TRAJECTORY = {"group": 0, "structure": 0, "formula": None, "temperature_K": 300.0, "pressure_GPa": None, "replica": 0}
TASKS = {
    "explore": {"group": MD, "trajectory": TRAJECTORY, "stage": 0, "name": "t", "seed": 0},
    "predict": {},
    "label": {"settings": {"method": "family"}},
    "train": {"family": "toy", "mode": "fine_tune", "settings": {}, "seed": 0},
}
CALLED = {"explore": {"calculator"}, "label": {"calculator"}, "predict": {"predict"}, "train": {"predict", "fine_tune"}}


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda"])
@pytest.mark.parametrize("step", TASKS)
def test_each_step_passes_on_what_its_resources_say(tmp_path: Path, recorded, step, device):
    (tmp_path / "model").mkdir()
    adopt_model(ToyFamily(), "soft-copper", None, tmp_path / "model")
    atoms = bulk("Cu", cubic=True)
    frame = with_labels(with_origin(atoms), Labels(-12.0, np.zeros((4, 3)), np.zeros(6)))
    write_frames(tmp_path / "frames.extxyz", [frame])
    write_frames(tmp_path / "none.extxyz", [])
    frames = Artifact.of(tmp_path / "frames.extxyz")
    inputs = {"model": Artifact.of(tmp_path / "model")} | dict.fromkeys(
        ("structures", "frames", "frame", "train"), frames
    )
    inputs["valid"] = Artifact.of(tmp_path / "none.extxyz")
    folder = TaskFolder.create(tmp_path / step, 0, TaskSpec(step, TASKS[step], inputs, Resources(device=device)))
    load_step(step)(TaskContext(folder, folder.claim()))
    wanted = "cpu" if device == "cpu" else "cuda"
    assert {name for name, _ in recorded} >= CALLED[step]
    assert {where for _, where in recorded} == {wanted}


def test_the_device_is_outside_the_identity():
    assert TaskSpec("plan", {}, {}, Resources(device="cuda")).identity() == TaskSpec("plan", {}).identity()
