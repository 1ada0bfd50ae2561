"""Runs that must not end well, labels that must not leak, and damage that must be told: each was found by trying."""

from __future__ import annotations

import json

import pytest
from tests.workflow.conftest import EngineInProcess, data_of

import pfd
from pfd.digests import file_digest
from pfd.errors import PFDError, RunError
from pfd.frames.split import trajectory_of
from pfd.tasks.folder import TaskFolder


@pytest.fixture
def submit(write_input, small, tmp_path, in_process):
    """Submit an input without distillation, as it stands after each change."""
    del small["distill"]

    def go():
        return pfd.submit(write_input(small), tmp_path / "run")

    return go


def test_what_the_pre_trained_model_finds_is_not_what_the_fine_tuned_one_finds(submit, small):
    small["finetune"] |= {"converge": {"force_rmse_relative": 0.05}, "max_iterations": 1}
    small["finetune"]["select"] = {"max_frames": 12}
    assert submit().status == "not_converged"  # the prospective error is too large
    small["finetune"]["select"] = {"max_frames": 3}
    edited = submit()
    assert edited.status == "not_converged"
    last = json.loads((edited.path / "report-data.json").read_text(encoding="utf-8"))["iterations"][-1]
    assert last["selected"] == 0
    assert "not trained yet" in last["reason"]


def test_a_committee_of_too_few_frames_is_not_asked(submit, small):
    small["finetune"] |= {"converge": {"force_rmse_relative": 1e-6}, "max_iterations": 2}
    small["finetune"]["select"] = {"max_frames": 2, "committee": {"models": 3, "trust_eV_per_A": [1e-12, 1e-11]}}
    run = submit()
    assert run.status == "not_converged"
    assert not list(run.path.glob("finetune/*/committee*"))


def test_the_student_never_trains_on_what_it_is_tested_on(write_input, small, tmp_path, in_process):
    small["structures"][0]["perturb"] = {"count": 6, "displacement_A": 0.1, "strain": 0.02}
    relax = [[{"method": "relax", "displacement_A": 0, "steps": 10, "every": 5}]]  # each run of it is the same
    small["finetune"] |= {"explore": relax, "max_iterations": 1}
    small["distill"] |= {"explore": relax, "select": {"max_frames": 40}, "max_iterations": 1}
    del small["distill"]["own_md_factor"]
    run = pfd.submit(write_input(small), tmp_path / "run")
    tested = {frame.info["id"] for frame in data_of(run, "finetune-test")}
    trained = {frame.info["id"] for name in ("train", "valid") for frame in data_of(run, f"distill-{name}")}
    assert tested
    assert not tested & trained


def test_kept_labels_know_where_they_come_from(submit, small):
    small["finetune"] |= {"converge": {"force_rmse_relative": 1e-6}, "max_iterations": 2}
    submit()
    small["finetune"]["train"] = {"ridge": 1e-2}
    edited = submit()
    assert edited.summary["labels"]["kept"] > 0
    parts = {name: data_of(edited, f"finetune-{name}") for name in ("train", "valid", "test")}
    trajectories = {name: {trajectory_of(frame) for frame in frames} for name, frames in parts.items()}
    assert all("temperature_K" in frame.info for frame in parts["train"])
    assert "" not in trajectories["train"]
    assert not trajectories["test"] & (trajectories["train"] | trajectories["valid"])


@pytest.mark.parametrize("harm", ["change", "remove"])
def test_outputs_that_are_not_what_was_written_are_told(submit, harm):
    run = submit()
    label = next(run.path.glob("finetune/iter-000/label/*/outputs/label/label.json"))
    if harm == "change":
        label.write_text(label.read_text(encoding="utf-8") + " ", encoding="utf-8")
    else:
        label.unlink()
    with pytest.raises(RunError, match=r"not what the task wrote|is gone"):
        submit()


def test_a_lost_task_file_costs_no_label(submit):
    run = submit()
    folder = next(run.path.glob("finetune/iter-000/label/*"))
    (folder / "task.json").write_text("{}", encoding="utf-8")
    again = submit()
    assert again.status == run.status
    assert len(TaskFolder(folder).attempts()) == 1
    assert again.summary["labels"] == run.summary["labels"]


def test_a_lost_snapshot_of_earlier_labels_stops_the_run(submit, small):
    submit()
    small["finetune"]["select"] = {"max_frames": 3}
    run = submit()
    (run.path / "earlier-002.json").unlink()
    with pytest.raises(RunError, match="labels that were there"):
        submit()


def test_a_cap_below_what_was_begun_is_told_as_such(submit, small):
    submit()
    small["finetune"]["label"] = {"method": "toy", "constant_eV": -2.0, "max_total": 7}
    with pytest.raises(PFDError, match="no label is left") as failure:
        submit()
    assert "max_total" in str(failure.value)


def test_models_of_another_input_do_not_outlive_a_failure(submit, small):
    run = submit()
    assert run.finetuned.is_dir()
    small["finetune"]["label"] = {"method": "toy", "constant_eV": -2.0, "reject_fraction": 1.0}
    with pytest.raises(PFDError):
        submit()
    assert not run.finetuned.exists()
    del small["finetune"]["label"]["constant_eV"], small["finetune"]["label"]["reject_fraction"]
    assert submit().finetuned.is_dir()


def test_a_failure_after_an_edit_is_told_and_hidden_by_nothing(submit, small):
    small["finetune"]["label"] = {"method": "toy", "reject_fraction": 1.0}
    with pytest.raises(PFDError, match="0 of 6 labels were accepted"):
        submit()
    small["finetune"]["label"] = {"method": "toy", "reject_fraction": 1.0, "constant_eV": -4.0}
    with pytest.raises(PFDError, match="0 of 6 labels were accepted"):
        submit()


@pytest.mark.parametrize("lost", ["finetune/iter-000/explore", "distill/iter-000/student-explore"])
def test_an_iteration_that_lost_a_run_that_judges_it_has_not_converged(
    write_input, small, tmp_path, monkeypatch, in_process, lost
):
    class Losing(EngineInProcess):
        def run(self, folders, observe):
            doomed = [folder for folder in folders if lost in str(folder.path) and folder.path.name.startswith("0001")]
            ended = super().run([folder for folder in folders if folder not in doomed], observe)
            return ended | {str(folder.path): "killed by signal 11" for folder in doomed}

    loop = lost.split("/")[0]
    small["finetune"] |= {"max_iterations": 1, "converge": {"force_rmse_relative": 0.9}}
    small["distill"] |= {"max_iterations": 1, "converge": {"force_rmse_relative": 0.9}}
    small["resources"] = {"explore": {"min_success": 0.4}}
    path = write_input(small)
    whole = pfd.submit(path, tmp_path / "whole")
    assert whole.status == "converged"
    monkeypatch.setattr("pfd.engines.local.LocalEngine", Losing)
    run = pfd.submit(path, tmp_path / "run")
    assert run.status == "not_converged"
    told = json.loads((run.path / "report-data.json").read_text(encoding="utf-8"))["iterations"]
    (reason,) = [each["reason"] for each in told if each["loop"] == loop]
    assert "1 run of" in reason
    assert "gave no result" in reason


def test_the_published_data_are_those_that_the_student_was_trained_on(write_input, small, tmp_path, in_process):
    del small["finetune"]
    small["distill"] |= {"converge": {"force_rmse_relative": 0.9}, "max_iterations": 1}
    run = pfd.submit(write_input(small), tmp_path / "run")
    (training,) = [TaskFolder(path) for path in run.path.glob("distill/iter-000/train/*")]
    for name in ("train", "valid"):
        published = run.path / "data" / f"distill-{name}.extxyz"
        assert file_digest(published) == training.task()["inputs"][name]["sha256"]
    assert not any(trajectory_of(frame).startswith("student-") for frame in data_of(run, "distill-train"))
    told = json.loads((run.path / "report-data.json").read_text(encoding="utf-8"))["data"]
    counts = {each["part"]: each["frames"] for each in told}
    assert counts["train"] == len(data_of(run, "distill-train"))
