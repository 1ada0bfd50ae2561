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
