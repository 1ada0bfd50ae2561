"""``pfd plan``: what is estimated, where that comes from, and what would be reused."""

from __future__ import annotations

import json
import re

import pytest
from tests.cli.conftest import write

import pfd
from pfd.cli.plan import PlanOptions, plan_and_show
from pfd.errors import SettingError

pytestmark = pytest.mark.usefixtures("in_process")


@pytest.fixture
def tuned(small, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PFD_CACHE", str(tmp_path / "cache"))
    del small["distill"]
    return write(tmp_path, small)


def planned(path, capsys, **options):
    plan_and_show(path, (), PlanOptions(as_json=True, **options))
    return json.loads(capsys.readouterr().out)


def test_without_a_measurement_nothing_is_made_up(tuned, capsys):
    plan_and_show(tuned, (), PlanOptions())
    said = capsys.readouterr().out
    assert re.search(
        r"finetune, explore: not known \(6 tasks(, \d+ at once)?; not measured yet on this machine\)", said
    )
    assert "pfd plan --measure times the teacher" in said
    assert "time: not known" in said
    assert "labels to pay for: at most 10" in said
    assert "disk: about" in said
    assert "reused" not in said
    assert not (tuned.parent / "cache").exists()


def test_a_measurement_is_remembered(tuned, capsys):
    first = planned(tuned, capsys, measure=True)
    assert first["steps"][0]["seconds"] > 0
    again = planned(tuned, capsys)
    assert again["steps"][0] == first["steps"][0]
    assert "by pfd plan --measure" in again["steps"][0]["source"]
    assert again["steps"][1]["seconds"] is None
    assert again["labels_at_most"] == 10


def test_of_a_run_the_costs_are_its_own_and_the_reuse_is_told(tuned, capsys):
    pfd.submit(tuned, until="label")
    plan_and_show(tuned, (), PlanOptions())
    said = capsys.readouterr().out
    assert "measured in 6 tasks of this run" in said
    assert "6 labels among them" in said
    assert "first new work: finetune iteration 0, predict prospective (1 task)" in said
    assert re.search(r"time, at most: .* of it still to come", said)
    found = planned(tuned, capsys)
    assert 0 < found["seconds_left_at_most"] < found["seconds_at_most"]
    assert (found["reuse"]["place"], found["reuse"]["labels"]) == ("finetune/iter-000/predict-prospective", 6)


def test_of_a_finished_run_nothing_is_still_to_come(tuned, capsys):
    pfd.submit(tuned)
    assert planned(tuned, capsys)["seconds_left_at_most"] == 0.0


def test_a_run_folder_is_planned_as_it_would_go_on(tuned, capsys):
    pfd.submit(tuned, until="select")
    assert planned(tuned.parent / "small", capsys)["reuse"] == planned(tuned, capsys)["reuse"]


def test_json_alone_is_printed(tuned, capsys):
    assert set(planned(tuned, capsys)) >= {"run", "seconds_at_most", "steps", "disk_bytes", "loops", "reuse"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (PlanOptions(yaml_file="x.yaml"), "only Argo"),
        (PlanOptions(engine="argo", measure=True), "pods run elsewhere"),
        (PlanOptions(engine="argo", as_json=True), "pods run elsewhere"),
        (PlanOptions(engine="slurm"), "no engine"),
    ],
)
def test_idle_options_are_refused(tuned, options, said):
    with pytest.raises(SettingError, match=said):
        plan_and_show(tuned, (), options)
