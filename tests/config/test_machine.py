"""What an input asks of the machine is told before labels are paid for."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import yaml
from ase.build import bulk
from tests.config.test_bad_input import DROP, edited

from pfd.config import environment
from pfd.config.check import check_input
from pfd.config.reading import read_input
from pfd.config.resources import ResourceSettings
from pfd.errors import MissingError, SettingError
from pfd.frames import write_frames
from pfd.testing.toy_family import ToyFamily


@pytest.fixture
def check(tmp_path):
    """Check the good input with some resources."""

    def run(resources, **edits):
        write_frames(tmp_path / "Cu.extxyz", [bulk("Cu", cubic=True)])
        path = tmp_path / "input.yaml"
        path.write_text(yaml.safe_dump(edited({"resources": resources} | edits)))
        return check_input(read_input(path)).brought

    return run


@pytest.fixture
def no_cuda(monkeypatch):
    """A toy family that could use a GPU, on a machine without; tells how often torch was asked."""
    asked = []
    monkeypatch.setattr(ToyFamily, "devices", ("cpu", "cuda"))
    monkeypatch.setattr(environment, "cuda_is_there", lambda: bool(asked.append(1)))
    return asked


@pytest.mark.parametrize("step", ["explore", "train", "predict"])
def test_cuda_by_name_is_refused_where_there_is_none(check, no_cuda, step):
    with pytest.raises(MissingError, match=r"cuda is asked for.*'toy'") as raised:
        check({step: {"device": "cuda"}})
    assert raised.value.exit_code == 2
    assert raised.value.where.endswith(f"resources.{step}.device")
    assert "device: auto" in raised.value.hint


def test_cuda_for_a_model_that_labels_is_refused_too(check, no_cuda):
    label = {"method": "family", "family": "toy", "model": "soft-copper"}
    with pytest.raises(MissingError, match="cuda is asked for"):
        check({"label": {"device": "cuda"}}, **{"finetune.label": label})
    assert check({"label": {"device": "cuda"}}) == []  # the toy labeler runs no model


def test_torch_is_asked_only_if_cuda_is_named(check, no_cuda):
    assert check({"train": {"device": "auto"}, "explore": {"device": "cpu"}}) == []
    assert not no_cuda


def test_a_family_without_gpu_code_runs_on_the_cpu_anyway(check, monkeypatch):
    monkeypatch.setattr(environment, "cuda_is_there", lambda: pytest.fail("asked torch"))
    assert check({"train": {"device": "cuda"}}) == []


def test_cuda_is_no_mistake_where_it_is(check, no_cuda, monkeypatch):
    monkeypatch.setattr(environment, "cuda_is_there", lambda: True)
    assert check({"train": {"device": "cuda"}}) == []


def test_the_check_of_an_input_imports_no_torch(tmp_path, check):
    check({})
    code = "import sys; from pathlib import Path; from pfd.cli.check import check_and_show; "
    code += f"check_and_show(Path({str(tmp_path / 'input.yaml')!r})); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False).returncode == 0


@pytest.mark.parametrize("step", ["explore", "label", "train", "predict", "select"])
def test_more_cores_for_a_task_than_there_are(check, step):
    there = len(os.sched_getaffinity(0))
    with pytest.raises(
        SettingError, match=rf"{there + 7} cores for a task, and this process may use {there}"
    ) as raised:
        check({step: {"cores": there + 7}})
    assert raised.value.where.endswith(f"resources.{step}.cores")
    assert check({"cores": there + 7, step: {"cores": there + 7}}) == []


def test_a_default_is_cut_to_what_is_there(check):
    assert check({"cores": 1}) == []
    assert check({"cores": 1, "train": {"cores": 2}}, distill=DROP) == []


@pytest.fixture
def two_gpus(monkeypatch):
    """A toy family that could use a GPU, on a machine with two."""
    monkeypatch.setattr(ToyFamily, "devices", ("cpu", "cuda"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")


@pytest.mark.parametrize(
    ("resources", "where", "words"),
    [
        ({"train": {"gpus": 3}}, "resources.train.gpus", "3 GPUs for a task, and this process sees 2"),
        ({"gpus": 1, "label": {"gpus": 2}}, "resources.label.gpus", "2 GPUs for a task, and resources.gpus allows 1"),
        ({"gpus": 3}, "resources.gpus", "3 GPUs to use, and this process sees 2"),
        ({"select": {"gpus": 1}}, "resources.select.gpus", "nothing in this step uses one"),
    ],
)
def test_gpus_that_are_not_there_or_not_used_are_refused(check, two_gpus, resources, where, words):
    with pytest.raises(SettingError, match=words) as raised:
        check(resources)
    assert raised.value.where.endswith(where)
    assert raised.value.exit_code == 2


def test_gpus_that_are_there_are_no_mistake(check, two_gpus):
    assert check({"gpus": 2, "train": {"gpus": 2}, "predict": {"gpus": 1}, "label": {"gpus": 1}}) == []


def test_gpus_on_a_machine_without_are_refused(check, two_gpus, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(SettingError, match="1 GPU for a task, and this process sees 0"):
        check({"train": {"gpus": 1}})


def test_gpus_that_no_model_of_the_step_can_use_are_refused(check, two_gpus, monkeypatch):
    monkeypatch.setattr(ToyFamily, "devices", ("cpu",))
    with pytest.raises(SettingError, match="1 GPU for a task, and models of 'toy' cannot use one"):
        check({"train": {"gpus": 1}})


def test_gpus_for_a_step_on_the_cpu_contradict_each_other(check, two_gpus):
    with pytest.raises(SettingError, match="1 gpus are asked for, and device: cpu uses none"):
        check({"train": {"gpus": 1, "device": "cpu"}})


def test_nobody_asks_for_gpus_where_none_are_named(check, monkeypatch):
    monkeypatch.setattr("pfd.config.machine.visible_gpus", lambda: pytest.fail("asked the machine"))
    assert check({"train": {"cores": 1}}) == []


def test_naming_one_key_of_a_step_leaves_its_other_defaults():
    told = ResourceSettings.model_validate({"train": {"cores": 1}, "other": {"cores": 2}})
    assert (told.train.cores, told.train.memory_GB) == (1, ResourceSettings().train.memory_GB)
    assert (told.other.cores, told.other.memory_GB) == (2, ResourceSettings().other.memory_GB)
    assert ResourceSettings().train.memory_GB > ResourceSettings().label.memory_GB
