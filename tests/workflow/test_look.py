"""Where a run stands, from its journal and task folders: what runs, what is left, what was said, what was used."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pfd.engines.hpc.submission import Submission
from pfd.json_file import write_json
from pfd.tasks.folder import TaskFolder, TaskSpec
from pfd.tasks.process import this_process
from pfd.workflow.driver_lock import driver_lock
from pfd.workflow.failures import failed_tasks
from pfd.workflow.journal import Journal
from pfd.workflow.look import Onlooker, state_of, used_tasks
from pfd.workflow.run_folder import take_folder

PLACE = "finetune/iter-001/label"


@pytest.fixture
def run(tmp_path):
    take_folder(tmp_path / "run", "toy")
    return tmp_path / "run"


def write_events(run, *events):
    """Events as (time, event, fields)."""
    lines = [json.dumps({"time": float(time), "event": event, **fields}) for time, event, fields in events]
    (run / "journal.jsonl").write_text("".join(line + "\n" for line in lines))


def make(run, number, place=PLACE):
    return TaskFolder.create(run / place, number, TaskSpec("label", {"settings": {"number": number}}))


def name_of(run, folder):
    return str(folder.path.relative_to(run))


def finish(folder):
    write_json(folder.path / "result.json", {"status": "done"})


def begun(run, folders, total=None):
    names = [name_of(run, folder) for folder in folders]
    return {"place": PLACE, "step": "label", "total": total or len(folders), "pending": names}


def test_a_group_is_counted_and_estimated_by_what_its_tasks_say(run, monkeypatch):
    folders = [make(run, number) for number in range(4)]
    finish(folders[0])
    attempt = folders[1].claim()  # this process works on it
    write_json(attempt / "progress.json", {"fraction": 0.5, "text": "step 30 of 60"})
    before = [
        (0, "tasks", begun(run, []) | {"place": "finetune/iter-000/label"}),
        (10, "finished", {"place": "finetune/iter-000/label", "step": "label", "total": 4}),
        (10, "tasks", begun(run, []) | {"place": "finetune/iter-000/train", "step": "train"}),
        (17, "finished", {"place": "finetune/iter-000/train", "step": "train", "total": 1}),
    ]
    write_events(run, (-1, "submit", {}), *before, (100, "tasks", begun(run, folders, total=6)))
    monkeypatch.setattr("pfd.workflow.look.time.time", lambda: 130.0)
    with driver_lock(run):
        look, news = Onlooker(run).look()
    assert (look.status, look.place, look.step) == ("running", PLACE, "label")
    assert (look.total, look.done, look.running, look.failed) == (6, 3, 1, 0)  # two were done before the group began
    assert look.fraction == pytest.approx(3.5 / 6)
    assert look.text == "step 30 of 60"
    assert look.step_left_s == pytest.approx(30.0 * 2.5 / 1.5)
    assert look.iteration_left_s == pytest.approx(look.step_left_s + 7.0)
    assert look.seconds == pytest.approx(131.0)
    assert len(news) == 6


@pytest.mark.parametrize(
    ("actions", "more"),
    [(["again"], 4), (["next_stage"], 2), (["again", "again", "next_stage"], 2), (["next_stage", "again"], 1)],
)
def test_the_loop_is_estimated_at_most_from_the_iteration_before(run, monkeypatch, actions, more):
    folders = [make(run, 0)]
    write_json(folders[0].claim() / "progress.json", {"fraction": 0.5, "text": ""})
    before = [
        (0, "loop", {"loop": "finetune", "stages": 2, "max_iterations": 3}),
        (0, "tasks", begun(run, []) | {"place": "finetune/iter-000/label"}),
        (10, "finished", {"place": "finetune/iter-000/label", "step": "label", "total": 4}),
        (10, "tasks", begun(run, []) | {"place": "finetune/iter-000/train", "step": "train"}),
        (17, "finished", {"place": "finetune/iter-000/train", "step": "train", "total": 1}),
        *((17, "decision", {"loop": "finetune", "iteration": 0, "action": action}) for action in actions),
        (17, "decision", {"loop": "distill", "iteration": 0, "action": "again"}),
    ]
    write_events(run, (-1, "submit", {}), *before, (100, "tasks", begun(run, folders)))
    monkeypatch.setattr("pfd.workflow.look.time.time", lambda: 130.0)
    with driver_lock(run):
        look, _ = Onlooker(run).look()
    assert look.iteration_left_s == pytest.approx(30.0 + 7.0)
    assert look.loop_left_s == pytest.approx(37.0 + more * 17.0)


def test_in_a_first_iteration_nothing_is_made_up_of_the_loop(run, monkeypatch):
    folders = [make(run, 0, "finetune/iter-000/label")]
    write_json(folders[0].claim() / "progress.json", {"fraction": 0.5, "text": ""})
    loop = (0, "loop", {"loop": "finetune", "stages": 1, "max_iterations": 3})
    place = {"place": "finetune/iter-000/label"}
    write_events(run, (-1, "submit", {}), loop, (100, "tasks", begun(run, folders) | place))
    with driver_lock(run):
        look, _ = Onlooker(run).look()
    assert look.step_left_s is not None
    assert (look.iteration_left_s, look.loop_left_s) == (None, None)


def test_an_onlooker_tells_news_once_and_sees_what_has_ended(run):
    folders = [make(run, 0)]
    write_events(run, (0, "submit", {}), (1, "tasks", begun(run, folders)))
    with driver_lock(run):
        onlooker = Onlooker(run)
        look, _ = onlooker.look()
        assert (look.done, look.step_left_s, look.iteration_left_s) == (0, None, None)
        finish(folders[0])
        look, news = onlooker.look()
        assert (look.done, news) == (1, [])
        Journal(run / "journal.jsonl").write("finished", place=PLACE, step="label", total=1)
        look, news = onlooker.look()
        assert (look.place, len(news)) == ("", 1)
    assert onlooker.look()[0].status == "interrupted"


def test_a_clock_that_jumps_back_estimates_nothing_negative(run):
    folders = [make(run, 0), make(run, 1)]
    finish(folders[0])
    write_events(run, (9e12, "submit", {}), (9e12, "tasks", begun(run, folders)))
    with driver_lock(run):
        look, _ = Onlooker(run).look()
    assert look.seconds == 0.0
    assert look.step_left_s == 0.0


def test_a_task_on_another_host_runs_as_long_as_the_run_has_a_driver(run):
    folders = [make(run, 0)]
    attempt = folders[0].claim()
    write_json(attempt / "claim.json", this_process().model_dump() | {"host": "node7"})
    write_events(run, (0, "submit", {}), (1, "tasks", begun(run, folders)))
    with driver_lock(run):
        assert Onlooker(run).look()[0].running == 1
    assert Onlooker(run).look()[0].running == 0


@pytest.mark.parametrize(
    ("last", "status"),
    [
        ({"event": "end", "status": "converged"}, "converged"),
        ({"event": "paused", "after": "select", "message": ""}, "paused"),
        ({"event": "paused", "after": "external labels", "message": "put files"}, "waiting"),
        ({"event": "paused", "after": "approval", "message": "look"}, "waiting"),
        ({"event": "interrupted"}, "interrupted"),
        ({"event": "submit"}, "interrupted"),
    ],
)
def test_the_last_word_of_the_driver_counts_not_of_who_writes_beside_it(last, status):
    assert state_of([last, {"event": "stop", "by": "me"}, {"event": "redo"}], None, Path("toy"))[0] == status


def test_once_somebody_has_looked_the_run_waits_no_more():
    paused = {"event": "paused", "after": "approval", "message": "look"}
    reviewed = {"event": "reviewed", "approved": ["a"], "struck": []}
    status, words = state_of([reviewed, paused, {"event": "stop"}], None, Path("my run"))
    assert status == "waiting"
    assert words.startswith("look: pfd approve 'my run' shows them, pfd approve 'my run' --all takes them all")
    status, words = state_of([paused, reviewed, {"event": "stop"}], None, Path("toy"))
    assert status == "paused"
    assert words.endswith("pfd submit toy goes on")


def test_open_tasks_count_if_this_submission_has_begun_them(run):
    old, new, done = make(run, 0), make(run, 1), make(run, 2)
    finish(done)
    write_events(
        run,
        (0, "submit", {}),
        (1, "tasks", begun(run, [old])),
        (2, "submit", {}),
        (3, "tasks", begun(run, [new])),
    )
    used = used_tasks(run, Journal(run / "journal.jsonl").read())
    assert [folder.path for folder in used] == [new.path, done.path]


def test_failures_say_why_where_how_often_and_how_to_go_on(run):
    given_up, fatal, lost, waiting = (make(run, number) for number in range(4))
    for folder in (given_up, fatal, lost):
        attempt = folder.claim()
        (attempt / "log.txt").write_text("".join(f"line {number}\n" for number in range(20)))
        folder.end_attempt(attempt, "killed", counted=True)
    given_up.give_up("1 attempts, the last: killed")
    write_json(fatal.path / "result.json", {"status": "failed", "failure": {"kind": "fatal", "message": "no pw.x"}})
    everything = [given_up, fatal, lost, waiting]
    lost_event = {"task": name_of(run, lost), "message": "3 attempts, the last: out of time"}
    write_events(run, (0, "submit", {}), (1, "tasks", begun(run, everything)), (2, "lost", lost_event))
    events = Journal(run / "journal.jsonl").read()
    found = failed_tasks(events, used_tasks(run, events), "toy")
    reasons = [(each.task, each.reason, each.gone_on) for each in found]
    assert reasons == [
        (name_of(run, given_up), "1 attempts, the last: killed", True),
        (name_of(run, fatal), "no pw.x", False),
        (name_of(run, lost), "3 attempts, the last: out of time", False),
    ]
    assert {(each.host, each.attempts) for each in found} == {(this_process().host, 1)}
    assert found[0].log_tail.splitlines() == [f"line {number}" for number in range(15, 20)]
    assert found[0].retry == f"pfd resubmit toy --redo {name_of(run, given_up)}"


def test_a_run_that_was_to_be_on_kubernetes_says_where_it_is(run):
    write_events(run, (0, "submit", {}))
    (run / "argo").mkdir()
    look, _ = Onlooker(run).look()
    assert look.status == "interrupted"
    assert look.error.startswith("it never got to Kubernetes")
    write_events(run, (0, "submit", {}), (1, "tasks", begun(run, [make(run, 0)])))
    assert Onlooker(run).look()[0].error == f"pfd submit {run} goes on"  # it was driven from here since
    write_json(run / "argo" / "workflow.json", {"workflow": "mini-abc", "settings": {}})
    look, _ = Onlooker(run).look()
    assert "Kubernetes as mini-abc" in look.error


def test_jobs_that_wait_in_a_queue_are_told(run):
    folders = [make(run, 0), make(run, 1)]
    write_events(run, (0, "submit", {}), (1, "tasks", begun(run, folders)))
    submission = Submission.create(run, [str(folder.path.relative_to(run)) for folder in folders], {})
    for number in range(2):
        submission.write(submission.new_record([submission.tasks[number]]), state="queued", id=str(number))
    with driver_lock(run):
        assert Onlooker(run).look()[0].text == "2 of 2 jobs wait in the queue"
        for record in submission.records():
            (submission.path / f"{record.name}.began").mkdir()
        assert Onlooker(run).look()[0].text == ""
