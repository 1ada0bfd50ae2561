"""What a whole run of the toys leaves for its report."""

from __future__ import annotations

import json

import pytest

from pfd.report import read_report_data
from pfd.workflow.journal import Journal
from pfd.workflow.look import used_tasks


@pytest.fixture(scope="module")
def data(toy_run):
    return read_report_data(toy_run.path)


def test_every_task_has_its_cost(toy_run, data):
    tasks = used_tasks(toy_run.path, Journal(toy_run.path / "journal.jsonl").read())
    assert sum(cost.tasks for cost in data.costs.values()) == len(tasks)
    spent = sum(folder.result().seconds + folder.result().import_seconds for folder in tasks)
    assert sum(cost.seconds for cost in data.costs.values()) == pytest.approx(spent, abs=0.01)
    training = [folder.result() for folder in tasks if folder.task()["step"] == "train"]
    cores = sum(result.cores * (result.seconds + result.import_seconds) for result in training)
    assert data.costs["train"].core_seconds == pytest.approx(cores, abs=0.01)


def test_every_iteration_tells_how_candidates_came_to_labels(data):
    first, *others = data.iterations
    assert first.candidates == first.passed + sum(first.refused.values())
    for turn in (first, *others):
        before, after = turn.coverage
        assert 0 <= before <= after <= 1
        assert len(turn.curve) > 0
    assert first.coverage[0] == 0  # there was no data
    assert first.coverage[1] > 0


def test_what_was_used_is_cited_and_what_was_not_measured_is_told(data):
    assert {each.used_for for each in data.citations} >= {"the method", "selection by entropy", "exploration by md"}
    assert data.drift is None
    assert "knows no elemental crystal" in data.drift_note


def test_what_computed_is_named_with_its_licence(toy_run, data):
    assert data.versions.keys() >= {"python", "pfd-kit", "numpy", "ase"}
    assert data.licences["ase"].startswith("LGPL")
    page = (toy_run.path / "report.html").read_text(encoding="utf-8")
    assert f"ase {data.versions['ase']} ({data.licences['ase']})" in page


def test_the_page_shows_what_was_asked_and_holds_the_chosen_frames(toy_run):
    page = (toy_run.path / "report.html").read_text(encoding="utf-8")
    assert "md, nvt, 400 K, 40 steps of 2 fs" in page
    chosen = {path.stem for path in toy_run.path.glob("*/iter-*/select/*/outputs/frames/*.extxyz")}
    shown = json.loads(page.split('id="frames-shown">')[1].split("</script>")[0])
    assert chosen <= {frame["id"] for frame in shown}
    assert {frame["group"] for frame in shown} >= {"fine-tuning 0", "distillation 0", "test set"}
    assert len(page) < 2_000_000
