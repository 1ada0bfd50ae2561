"""After an edit of the input, labels that are paid for stay in the training set; nothing that stands is redone."""

from __future__ import annotations

import pytest

import pfd
from pfd.frames import read_frames, write_frames
from pfd.tasks.folder import TaskFolder
from pfd.workflow.journal import Journal


@pytest.fixture
def submit(write_input, small, tmp_path, in_process):
    """Submit the small input to one folder, each time with other settings of the fine-tuning loop."""
    del small["distill"]
    small["finetune"] |= {"converge": {"force_rmse_relative": 1e-6}, "max_iterations": 2}

    def go(**finetune):
        small["finetune"] |= finetune
        return pfd.submit(write_input(small), tmp_path / "run")

    return go


def used(run):
    """Ids of the frames that were trained on."""
    return {
        frame.info["id"]
        for part in ("train", "valid")
        for frame in read_frames(run.path / "data" / f"finetune-{part}.extxyz")
    }


def begun(run):
    return {TaskFolder(path).task()["identity"] for path in run.path.glob("finetune/*/label/*")}


def joins(run):
    return [event for event in Journal(run.path / "journal.jsonl").read() if event["event"] == "kept_labels"]


def test_labels_of_the_earlier_input_stay_in_the_training_set(submit):
    first = submit()
    before = used(first)
    edited = submit(train={"ridge": 1e-2})  # the first iteration's labels are the same, the second's are not
    assert before < used(edited)
    assert edited.summary["labels"]["kept"] == 4
    assert edited.summary["labels"]["asked"] == edited.summary["labels"]["accepted"] == 8 + 2 + 4  # 2 test frames
    assert len(joins(edited)) == 1


def test_they_can_be_left_out(submit):
    before = used(submit())
    edited = submit(train={"ridge": 1e-2}, label={"method": "toy", "keep_labels": False})
    assert not before <= used(edited)
    assert edited.summary["labels"]["kept"] == 0


def test_more_iterations_go_on_from_where_the_run_was(submit):
    first = submit()
    labels = begun(first)
    longer = submit(max_iterations=3)
    assert len(begun(longer)) == len(labels) + 4
    assert not joins(longer)


def test_another_edit_goes_the_way_of_the_one_before_it(submit):
    submit()
    edited = submit(train={"ridge": 1e-2})
    labels, frames = begun(edited), used(edited)
    longer = submit(max_iterations=3)
    assert labels < begun(longer)
    assert len(begun(longer)) == len(labels) + 4
    assert frames < used(longer)
    assert longer.summary["labels"]["kept"] == 4


def test_submitting_the_edited_input_again_comes_out_the_same(submit):
    submit()
    edited = submit(train={"ridge": 1e-2})
    frames, labels = used(edited), begun(edited)
    again = submit()
    assert used(again) == frames
    assert begun(again) == labels
    assert again.summary["labels"] == edited.summary["labels"]


def test_a_first_selection_that_is_edited_knows_of_the_labels(submit):
    before = used(submit())
    edited = submit(explore=[[{"method": "md", "temperatures_K": [700], "timestep_fs": 2.0, "steps": 40, "every": 10}]])
    assert before < used(edited)
    test = {frame.info["id"] for frame in read_frames(edited.path / "data" / "finetune-test.extxyz")}
    assert not test & used(edited)


def test_labels_of_another_level_of_theory_do_not_stay(submit):
    submit()
    edited = submit(label={"method": "toy", "constant_eV": -4.0})
    levels = {frame.info["level_of_theory"] for frame in read_frames(edited.path / "data" / "finetune-train.extxyz")}
    assert len(levels) == 1
    assert edited.summary["labels"]["kept"] == 0


def test_kept_labels_that_may_be_tested_on_now_stop_nothing(write_input, small, tmp_path, in_process):
    del small["distill"]
    source = pfd.submit(write_input(small | {"name": "source"}), tmp_path / "source")
    frames = read_frames(source.path / "data" / "finetune-train.extxyz")
    frames = frames[: len(frames) // 2 * 2]  # half of them in each: either may be the half that is tested on
    for index, frame in enumerate(frames):
        frame.info["trajectory"] = f"T{index % 2}"
    write_frames(tmp_path / "pool.extxyz", frames)
    small["structures"] = []
    small["finetune"] |= {"explore": [[{"method": "pool", "file": "pool.extxyz"}]], "max_iterations": 1}
    small["evaluate"] |= {"pool_test_fraction": 0.5}
    tested = set()
    for seed in range(24):  # which one is tested on is drawn: both come up at some seed
        if tested == {"T0", "T1"}:
            break
        small["seed"] = seed
        run = pfd.submit(write_input(small), tmp_path / "run")
        test = {frame.info["trajectory"] for frame in read_frames(run.path / "data" / "finetune-test.extxyz")}
        train = {frame.info["trajectory"] for frame in read_frames(run.path / "data" / "finetune-train.extxyz")}
        assert not test & train
        tested |= test
    assert tested == {"T0", "T1"}
