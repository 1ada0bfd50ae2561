"""``pfd status``: what belongs to the submission, how good it is, and where a run that goes on stands."""

from __future__ import annotations

import json
import shutil

import pytest

from pfd.cli.report import report_run
from pfd.cli.status import status_lines, status_of
from pfd.json_file import write_json
from pfd.tasks.folder import Failure, Result, TaskFolder, TaskSpec
from pfd.workflow.driver_lock import Driver


def events_of(run):
    return [json.loads(line) for line in (run / "journal.jsonl").read_text().splitlines()]


def write_events(run, events):
    (run / "journal.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))


def leave_behind(run, place, number, result=None):
    """A task folder as an earlier input leaves it."""
    folder = TaskFolder.create(run / place, number, TaskSpec("label", {"settings": {"number": number}}))
    if result is not None:
        write_json(folder.path / "result.json", result.model_dump(mode="json"))
    return str(folder.path.relative_to(run))


@pytest.fixture
def with_leftovers(toy_copy):
    """A run with tasks of an earlier input: one never tried, one that failed, one done."""
    run = toy_copy / "toy"
    failed = Result(status="failed", failure=Failure(kind="fatal", message="of another input"))
    left = [
        leave_behind(run, "finetune/iter-000/label", 90),
        leave_behind(run, "finetune/iter-000/label", 91, failed),
        leave_behind(run, "finetune/iter-000/label", 92, Result(status="done")),
    ]
    return run, left


def test_what_an_ended_run_did_not_use_is_not_counted(with_leftovers, toy):
    run, left = with_leftovers
    events = events_of(run)
    events[-1]["superseded"] = left
    write_events(run, events)
    content = status_of(run)
    assert content["tasks"] == status_of(toy[0] / "toy")["tasks"]
    assert content["failures"] == []
    text = "\n".join(status_lines(content))
    assert not any(word in text for word in ("waiting", "failed", "now at", "so far"))
    assert " done; " in text


def test_open_tasks_of_an_earlier_input_are_those_that_this_one_has_not_begun(with_leftovers):
    run, _ = with_leftovers
    write_events(run, events_of(run)[:-1])
    content = status_of(run)
    assert content["status"] == "interrupted"
    assert (content["tasks"]["failed"], content["tasks"]["waiting"]) == (0, 0)


def test_a_copy_tells_the_same_story_whatever_its_files_times(with_leftovers, tmp_path):
    run, _ = with_leftovers
    events = events_of(run)[:-1]
    events[-1]["pending"] = [str(path.relative_to(run)) for path in run.glob("finetune/iter-000/label/0091-*")]
    write_events(run, events)
    (tmp_path / "elsewhere").mkdir()
    shutil.copytree(run, tmp_path / "elsewhere" / "toy", copy_function=shutil.copyfile)  # as if all was written now
    here, there = (json.dumps(status_of(path)) for path in (run, tmp_path / "elsewhere" / "toy"))
    assert there.replace(str(tmp_path / "elsewhere"), str(tmp_path)) == here
    assert json.loads(here)["tasks"]["failed"] == 1


@pytest.fixture
def under_way(toy_copy):
    """The run as it was in its second iteration, with this process as its driver."""
    run = toy_copy / "toy"
    events = events_of(run)
    first = next(number for number, event in enumerate(events) if event["event"] == "decision")
    begun = {"event": "tasks", "time": events[first]["time"], "place": "finetune/iter-001/label", "step": "label"}
    begun |= {"total": 8, "pending": []}
    write_events(run, [*events[: first + 1], begun])
    data = json.loads((run / "report-data.json").read_text())
    data |= {"status": "running", "models": {}, "iterations": data["iterations"][:1]}
    (run / "report-data.json").write_text(json.dumps(data))
    (run / "summary.json").unlink()
    (run / "lock").write_text(Driver.this((run / "lock").stat().st_ino).model_dump_json())
    for trained in (*run.glob("finetune/iter-001/train/*"), *run.glob("distill/*/train/*")):
        (trained / "result.json").unlink()
    return run


def test_a_run_that_goes_on_says_where_it_is_and_how_good(under_way):
    content = status_of(under_way)
    text = "\n".join(status_lines(content))
    assert text.startswith("toy: running\n")
    assert "finetune iteration 0: again (" in text
    assert "    force RMSE on new frames " in text
    assert "% at 300 K (limit 5 %), on the fixed test set " in text
    assert "now at finetune iteration 1, label (8 of 8 done)" in text
    assert "22 labels so far" in text
    (model,) = under_way.glob("finetune/iter-000/train/*/outputs/model")
    assert f"finetuned, not final: {model.resolve()}" in text
    assert "student" not in content["models"]
    assert " elapsed" in text
    assert content["seconds"] > 0


def test_the_report_of_a_run_that_goes_on_says_the_same(under_way, capsys):
    report_run(under_way, serve=False, port=None)
    said = capsys.readouterr().out
    assert said.startswith("no model has been compared")
    assert "toy: running" in said
    assert "force RMSE on new frames" in said
    assert "force RMSE on new frames" in (under_way / "report.html").read_text(encoding="utf-8")


def test_a_loop_that_has_ended_shows_the_model_that_users_take(toy):
    run = (toy[0] / "toy").resolve()
    models = status_of(run)["models"]
    assert models == {name: str(run / "models" / name) for name in ("finetuned", "student")}


def test_reasons_of_rejections_are_counted_and_their_files_named(under_way):
    data = json.loads((under_way / "report-data.json").read_text())
    reasons = [f"the largest force is {number} eV/Å\n  Try: less" for number in (60, 70)]
    data["rejected"] = [{"id": f"f{number}", "reason": reason} for number, reason in enumerate(reasons)]
    (under_way / "report-data.json").write_text(json.dumps(data))
    path = next(iter(under_way.glob("finetune/iter-000/*/*/outputs/rejected.extxyz")))
    path.write_text("frames")
    text = "\n".join(status_lines(status_of(under_way)))
    assert "    2 rejected: the largest force is … eV/Å\n" in text
    assert f"    rejected frames: {path.resolve()}" in text
