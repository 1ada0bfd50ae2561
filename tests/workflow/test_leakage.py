"""Whole runs in which somebody tries to test on what was trained on."""

from __future__ import annotations

import pytest

import pfd
from pfd.errors import TaskFailed
from pfd.frames import read_frames
from pfd.workflow.journal import Journal


@pytest.fixture
def first(write_input, small, tmp_path, in_process):
    """A small run whose data others bring along."""
    small["finetune"]["explore"][0][0] |= {"replicas": 3}
    small["finetune"] |= {"max_iterations": 1, "select": {"max_frames": 8}}
    small.pop("distill")
    return pfd.submit(write_input(small), tmp_path / "first")


def test_a_test_file_of_training_frames_is_told(first, write_input, small, tmp_path):
    small["evaluate"]["test_file"] = str(first.path / "data" / "finetune-train.extxyz")
    run = pfd.submit(write_input(small), tmp_path / "first")
    count = len(read_frames(first.path / "data" / "finetune-train.extxyz"))
    assert run.summary["user_test"] == {"frames": count, "in_training": count, "apart": {}}
    for model in run.summary["models"].values():
        assert model["user_test"]["frames"] == count
        low, high = model["test"]["force_rmse_interval"]
        assert low < model["test"]["force_rmse_meV_per_A"] < high


def test_a_pool_that_is_brought_along_as_well_cannot_be_tested_on(first, write_input, small, tmp_path):
    pool = str(first.path / "data" / "finetune-train.extxyz")
    small |= {"name": "second", "structures": [], "data": [{"file": pool}]}
    small["finetune"] |= {"explore": {"method": "pool", "file": pool}, "label": {"method": "stored"}}
    with pytest.raises(TaskFailed, match="no test frame was accepted") as failure:
        pfd.submit(write_input(small), tmp_path / "second")
    assert "data:" in str(failure.value)
    events = [event for event in Journal(tmp_path / "second" / "journal.jsonl").read() if event["event"] == "leakage"]
    assert events
    assert events[0]["left_out_of_test"]
