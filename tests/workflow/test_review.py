"""``pause: before_label``: frames wait for a person, and what is struck out is never labelled or chosen again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import pfd
from pfd.frames import read_frames
from pfd.workflow.argo import client
from pfd.workflow.decisions import REVIEWED, before_last_edit, decide, decisions, keep_decisions, struck_out
from pfd.workflow.journal import Journal, last_submission
from pfd.workflow.look import Onlooker
from pfd.workflow.review import FILE, FOLDER, GAIN_KEY, PLACE_KEY

pytestmark = pytest.mark.usefixtures("in_process")


@pytest.fixture
def reviewed(small):
    """Fine-tuning alone, with a person in the loop; two iterations."""
    del small["distill"]
    small["finetune"] |= {"pause": "before_label", "converge": {"force_rmse_relative": 1e-6}}
    return small


def waiting(run):
    return [frame.info["id"] for frame in read_frames(run / FOLDER / FILE)]


def go_on(path, run, strike=0):
    """Strike out the first frames that wait, approve the others, and submit again."""
    ids = waiting(run)
    decide(run, "finetune", ids[strike:], ids[:strike], "somebody")
    return pfd.submit(path, run)


def selections(run):
    """Task folder -> ids of the frames that it chose for training."""
    folders = run.glob("finetune/iter-*/select/*")
    return {folder.name: {file.stem for file in folder.glob("outputs/frames/*")} for folder in folders}


def labelled(run):
    return {file.stem for file in run.glob("finetune/*/*/*/outputs/frames/*.extxyz")} & {
        json.loads(file.read_text())["id"] for file in run.glob("finetune/*/label/*/outputs/label/label.json")
    }


def test_nothing_is_labelled_before_somebody_has_looked(reviewed, write_input, tmp_path):
    run = pfd.submit(write_input(reviewed), tmp_path / "run")
    assert (run.status, run.exit_code) == ("waiting", 4)
    frames = read_frames(run.path / FOLDER / FILE)
    assert [frame.info[PLACE_KEY] for frame in frames] == ["finetune/iter-000"] * 4 + ["finetune/test"] * 2
    assert [GAIN_KEY in frame.info for frame in frames] == [True] * 4 + [False] * 2
    assert not list(run.path.glob("finetune/*/label"))
    assert "6 chosen frames" in Onlooker(run.path).look()[0].error
    again = pfd.submit(tmp_path / "input.yaml", run.path)
    assert again.status == "waiting"
    assert waiting(run.path) == [frame.info["id"] for frame in frames]


def test_the_run_goes_on_without_what_was_struck_out_and_pays_nothing_for_it(reviewed, write_input, tmp_path):
    path = write_input(reviewed)
    run = pfd.submit(path, tmp_path / "run").path
    struck = waiting(run)[0]
    assert go_on(path, run, strike=1).status == "waiting"  # for the second iteration's
    assert struck not in labelled(run)
    summary = json.loads((run / "summary.json").read_text())
    assert summary["labels"]["asked"] == 5
    second = waiting(run)
    assert len(second) == 4
    assert struck not in second
    assert go_on(path, run, strike=2).status == "not_converged"
    assert json.loads((run / "summary.json").read_text())["labels"]["asked"] == 7
    report = json.loads((run / "report-data.json").read_text())
    told = [struck, *sorted(second[:2])]
    assert [(each["id"], each["loop"], each["by"]) for each in report["struck"]] == [
        (name, "finetune", "somebody") for name in told
    ]
    records = report["iterations"]
    assert [(each["selected"], each["struck"], len(each["gains"])) for each in records] == [(3, 1, 3), (2, 2, 2)]
    assert [(each["labels"]["asked"], each["labels"]["rejected"]) for each in records] == [(3, 0), (2, 0)]


def test_approving_everything_is_the_run_that_nobody_looked_at(reviewed, write_input, tmp_path):
    path = write_input(reviewed)
    run = pfd.submit(path, tmp_path / "run").path
    go_on(path, run)
    go_on(path, run)
    alone = pfd.submit(write_input(reviewed | {"finetune": reviewed["finetune"] | {"pause": None}}), tmp_path / "alone")
    for name in ("finetune-train.extxyz", "finetune-test.extxyz"):
        assert (run / "data" / name).read_bytes() == (alone.path / "data" / name).read_bytes()


def test_a_run_that_is_begun_anew_with_the_decisions_goes_the_same_way(reviewed, write_input, tmp_path):
    path = write_input(reviewed)
    run = pfd.submit(path, tmp_path / "run").path
    go_on(path, run, strike=1)
    go_on(path, run, strike=1)
    again = pfd.submit(path, run)
    assert again.status == "not_converged"
    events = Journal(run / "journal.jsonl").read()
    assert events[-1]["superseded"] == []
    assert not [event for event in last_submission(events) if event["event"] == "tasks"]


def test_an_edit_does_not_choose_what_was_struck_out(reviewed, write_input, tmp_path):
    path = write_input(reviewed)
    run = pfd.submit(path, tmp_path / "run").path
    struck = waiting(run)[:2]
    go_on(path, run, strike=2)
    edited = write_input(reviewed | {"finetune": reviewed["finetune"] | {"select": {"max_frames": 8}}})
    before = selections(run)
    pfd.submit(edited, run)
    (new,) = set(selections(run)) - set(before)
    chosen = selections(run)[new]
    assert chosen
    assert not chosen & set(struck)
    ids = waiting(run)
    decide(run, "finetune", ids, [], "somebody")
    assert pfd.submit(edited, run).status == "waiting"
    assert not labelled(run) & set(struck)


def test_without_the_key_frames_that_were_struck_out_stay_out(reviewed, write_input, tmp_path):
    path = write_input(reviewed)
    run = pfd.submit(path, tmp_path / "run").path
    struck = waiting(run)[0]
    go_on(path, run, strike=1)
    reviewed["finetune"]["pause"] = None
    assert pfd.submit(write_input(reviewed), run).status == "not_converged"
    assert struck not in labelled(run)


def test_starting_frames_are_looked_at_too(reviewed, write_input, tmp_path):
    reviewed["finetune"]["initial"] = "label"
    path = write_input(reviewed)
    run = pfd.submit(path, tmp_path / "run").path
    assert {frame.info[PLACE_KEY] for frame in read_frames(run / FOLDER / FILE)} == {"finetune/initial"}
    struck = waiting(run)[0]
    assert go_on(path, run, strike=1).status == "waiting"
    assert struck not in labelled(run)


def test_distillation_waits_too_and_never_takes_what_was_struck_out(small, write_input, tmp_path):
    small["finetune"] |= {"pause": "before_label", "max_iterations": 1}
    small["distill"] |= {"pause": "before_label", "max_iterations": 1}
    path = write_input(small)
    run = pfd.submit(path, tmp_path / "run").path
    struck = waiting(run)[:2]
    assert go_on(path, run, strike=2).status == "waiting"
    frames = read_frames(run / FOLDER / FILE)
    assert {frame.info[PLACE_KEY] for frame in frames} == {"distill/iter-000", "distill/test"}
    decide(run, "distill", [frame.info["id"] for frame in frames], [], "somebody")
    assert pfd.submit(path, run).status in {"converged", "not_converged"}
    task = json.loads(next(run.glob("distill/iter-000/select/*/task.json")).read_text())
    assert task["parameters"]["struck"] == sorted(struck)


def test_striking_all_out_is_no_sign_that_nothing_is_new(reviewed, write_input, tmp_path):
    path = write_input(reviewed)
    run = pfd.submit(path, tmp_path / "run").path
    go_on(path, run)
    assert go_on(path, run, strike=4).status == "not_converged"
    last = [event for event in Journal(run / "journal.jsonl").read() if event["event"] == "decision"][-1]
    assert "no new frame was labelled" in last["reason"]


def test_the_last_word_on_a_frame_counts():
    events = [
        {"event": REVIEWED, "approved": ["a"], "struck": ["b"]},
        {"event": "stop"},
        {"event": REVIEWED, "approved": ["b"], "struck": []},
    ]
    assert decisions(events) == {"a": True, "b": True}


def test_only_an_edit_makes_earlier_decisions_those_of_an_earlier_input():
    submit, word = {"event": "submit", "edited": 0}, {"event": REVIEWED, "approved": [], "struck": ["a"]}
    assert before_last_edit([submit, word, submit]) == []
    assert before_last_edit([submit, word, submit | {"edited": 1}, word]) == [submit, word]


def test_decisions_outlive_a_download_of_an_older_journal(tmp_path):
    decide(tmp_path, "finetune", ["a"], ["b"], "somebody")
    before = Journal(tmp_path / "journal.jsonl").read()
    (tmp_path / "journal.jsonl").write_text('{"event": "submit", "time": 1.0, "edited": 0}\n')
    journal = Journal(tmp_path / "journal.jsonl")
    keep_decisions(before, journal)
    keep_decisions(before, journal)
    assert decisions(journal.read()) == {"a": True, "b": False}
    assert len(journal.read()) == 2


def test_the_last_word_on_a_frame_tells_whether_and_by_whom_it_was_struck_out(tmp_path):
    for approved, struck, by in ((["a"], ["b", "c"], "one"), (["b"], ["a"], "two")):
        decide(tmp_path, "finetune", approved, struck, by)
    told = struck_out(Journal(tmp_path / "journal.jsonl").read())
    assert [(each["id"], each["by"]) for each in told] == [("c", "one"), ("a", "two")]
    assert told[0]["when"] <= told[1]["when"]


def test_a_kill_once_the_downloaded_journal_is_in_place_loses_no_decision(tmp_path, monkeypatch):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    decide(here, "finetune", ["a"], ["b"], "somebody")
    (there / "journal.jsonl").write_text('{"event": "submit", "time": 1.0, "edited": 0}\n')
    replace = Path.replace

    def die_after(self, target):
        replace(self, target)
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", die_after)
    with pytest.raises(KeyboardInterrupt):
        client._merge(there, here)
    events = Journal(here / "journal.jsonl").read()
    assert [event["event"] for event in events] == ["submit", REVIEWED]
    assert decisions(events) == {"a": True, "b": False}
