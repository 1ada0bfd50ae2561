"""Rates of a run's tasks, kept for later plans of other inputs on the same host."""

from __future__ import annotations

import json

import pytest

import pfd
from pfd.config.reading import read_input
from pfd.frames import read_frames
from pfd.models.measured_recipe import MOST_EPOCHS, MeasuredFineTuneSettings
from pfd.models.pod_fit import PODFitSettings
from pfd.models.torch_training import FineTuneSettings
from pfd.testing.toy_family import ToyFitSettings
from pfd.workflow.rates import (
    atoms_evaluated,
    evaluated_times,
    keys_of,
    known_rates,
    rates_of_run,
    remember,
    store_file,
)
from pfd.workflow.run_folder import task_folders


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PFD_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "rates.json"


def test_every_kind_of_work_of_a_run_has_a_rate(small, write_input, in_process, tmp_path, cache):
    path = write_input(small)
    run = pfd.submit(path, tmp_path / "run").path
    resolved = read_input(path)
    totals = rates_of_run(resolved, task_folders(run))
    assert set(totals) == set(keys_of(resolved).values())
    units, seconds, count = totals[keys_of(resolved)["label"]]
    labels = len(list(run.glob("finetune/*/label/*/result.json")))
    assert (units, count) == (labels * 32**2, labels)
    assert seconds > 0
    own = [json.loads(file.read_text()) for file in run.glob("distill/*/student-explore/*/outputs/report.json")]
    assert totals[keys_of(resolved)["student"]][0] == 32 * sum(report["steps"] for report in own)
    learnt = 0
    for file in run.glob("distill/*/train/*/task.json"):
        inputs = {name: file.parent / entry["path"] for name, entry in json.loads(file.read_text())["inputs"].items()}
        learnt += len(read_frames(inputs["train"])) + 3 * len(read_frames(inputs["labels"]))
    assert totals[keys_of(resolved)["fit"]][0] == 32 * learnt
    remember(totals, "in the run small")
    assert store_file() == cache
    other = known_rates(resolved, {})
    assert set(other) == {"teacher", "teach", "student", "label", "finetune", "fit"}
    assert other["label"].seconds == pytest.approx(seconds / units)
    assert other["label"].source.startswith("in the run small, 20")
    here = known_rates(resolved, totals)
    assert here["label"].source == f"in {labels} tasks of this run"


def test_other_settings_have_other_rates(small, write_input, cache):
    keys = keys_of(read_input(write_input(small)))
    small["finetune"]["label"]["depth"] = 2.0
    small["distill"]["student"]["functions"] = 12
    other = keys_of(read_input(write_input(small)))
    assert {kind for kind in keys if keys[kind] != other[kind]} == {"label", "student", "fit"}


def test_exploration_with_the_student_is_its_md(small, write_input, in_process, tmp_path):
    del small["finetune"]
    small["distill"]["explore"][0].append(small["distill"]["explore"][0][0] | {"with": "student"})
    small["distill"] |= {"converge": {"force_rmse_relative": 1e-6}, "own_md_factor": 1}
    path = write_input(small)
    run = pfd.submit(path, tmp_path / "run").path
    resolved = read_input(path)
    totals = rates_of_run(resolved, [folder for folder in task_folders(run) if folder.place[1] == "iter-001"])
    own, led = (len(list(run.glob(f"distill/iter-001/{step}/*"))) for step in ("student-explore", "explore"))
    keys = keys_of(resolved)
    assert totals[keys["student"]][2] == own + led // 2
    assert totals[keys["teacher"]][2] == led // 2


def test_other_cores_or_another_device_have_other_rates(small, write_input, in_process, tmp_path, cache):
    del small["distill"]
    path = write_input(small)
    run = pfd.submit(path, tmp_path / "run").path
    usual = read_input(path)
    small["resources"] = {"explore": {"cores": 2}, "label": {"cores": 2}, "train": {"device": "cpu"}}
    asked = read_input(write_input(small))
    assert set(known_rates(usual, rates_of_run(usual, task_folders(run)))) == {"teacher", "label", "finetune"}
    assert known_rates(asked, rates_of_run(asked, task_folders(run))) == {}


def test_what_ran_elsewhere_is_not_kept(small, write_input, in_process, tmp_path, cache):
    del small["distill"]
    path = write_input(small)
    run = pfd.submit(path, tmp_path / "run", until="select").path
    resolved = read_input(path)
    assert rates_of_run(resolved, task_folders(run), here_only=True)
    for file in run.glob("*/*/*/*/result.json"):
        file.write_text(json.dumps(json.loads(file.read_text()) | {"host": "elsewhere"}))
    assert not rates_of_run(resolved, task_folders(run), here_only=True)
    assert rates_of_run(resolved, task_folders(run))


@pytest.mark.parametrize("content", ["", "{", "[]", '{"vm": 3}', '{"vm": {"MD with toy soft-copper": 3}}'])
def test_a_damaged_store_is_no_store(small, write_input, cache, content, monkeypatch):
    monkeypatch.setattr("socket.gethostname", lambda: "vm")
    cache.parent.mkdir()
    cache.write_text(content)
    resolved = read_input(write_input(small))
    assert known_rates(resolved, {}) == {}
    remember({keys_of(resolved)["teacher"]: (2.0, 1.0, 1)}, "by hand")
    assert known_rates(resolved, {})["teacher"].seconds == 0.5


def test_a_store_that_cannot_be_written_is_no_failure(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("PFD_CACHE", str(tmp_path / "file"))
    remember({"x": (1.0, 1.0, 1)}, "by hand")


@pytest.mark.parametrize(
    ("settings", "frames"),
    [
        (FineTuneSettings(epochs=3), 3 * 10),
        (FineTuneSettings(steps=7, batch_size=2), 14),
        (MeasuredFineTuneSettings(), MOST_EPOCHS * 10),
        (MeasuredFineTuneSettings(atoms=640), 10),
        (ToyFitSettings(), 10),
        (None, 10),
    ],
)
def test_a_training_costs_what_its_length_says(settings, frames):
    assert atoms_evaluated(settings, [64] * 10) == 64 * frames


def test_a_linear_fit_evaluates_a_frame_once_however_often_it_counts():
    assert [evaluated_times(PODFitSettings(), times) for times in (0, 1, 3)] == [0, 1, 1]
    assert evaluated_times(ToyFitSettings(), 3) == evaluated_times(None, 3) == 3


def test_trainings_of_another_family_have_no_rate_here(small, write_input, in_process, tmp_path, cache):
    del small["distill"]
    path = write_input(small)
    run = pfd.submit(path, tmp_path / "run").path
    resolved = read_input(path)
    key = keys_of(resolved)["finetune"]
    assert key in rates_of_run(resolved, task_folders(run))
    for file in run.glob("finetune/*/train/*/task.json"):
        task = json.loads(file.read_text())
        task["parameters"]["settings"] = {"neurons": 3}
        file.write_text(json.dumps(task))
    assert key not in rates_of_run(resolved, task_folders(run))
