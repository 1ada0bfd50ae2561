"""The run folder: each task once wherever it stands, lost tasks, the lock, and what a folder may hold."""

from __future__ import annotations

import pytest

from pfd.engines.engine import Progress
from pfd.errors import RunError, TaskFailed
from pfd.json_file import write_json
from pfd.tasks.folder import Artifact, TaskSpec
from pfd.workflow.journal import Journal, union_seconds
from pfd.workflow.pause import Paused
from pfd.workflow.run_folder import RunFolder, take_folder


class FakeEngine:
    """Finishes every task at once, but for those whose parameter ``number`` it is told to lose."""

    def __init__(self, lose=()):
        self.lose, self.ran = set(lose), []

    def run(self, folders, observe):
        lost = {}
        for folder in folders:
            if folder.done():
                continue
            number = folder.task()["parameters"]["number"]
            self.ran.append(number)
            if number in self.lose:
                lost[str(folder.path)] = "3 attempts, the last: killed"
            else:
                write_json(folder.path / "result.json", {"status": "done"})
        observe(Progress(len(folders), len(folders), 0, 0, 1.0))
        return lost


def specs(*numbers):
    return [TaskSpec("label", {"number": number}) for number in numbers]


@pytest.fixture
def open_run(tmp_path):
    take_folder(tmp_path / "run", "toy")

    def make(lose=()):
        engine = FakeEngine(lose)
        return RunFolder(tmp_path / "run", engine, 1, lambda place, progress: None), engine

    return make


def test_the_same_work_in_two_places_is_done_once(open_run):
    run, engine = open_run()
    folders = run.perform({"a/iter-000/label": specs(1, 2), "b/iter-000/label": specs(2, 3)})
    assert engine.ran == [1, 2, 3]
    assert folders["a/iter-000/label"][1].path == folders["b/iter-000/label"][0].path
    run.perform({"b/iter-000/label": specs(2, 3)})
    assert run.reused == 0
    again, engine = open_run()
    assert (
        again.perform({"c/iter-000/label": specs(3)})["c/iter-000/label"][0].path == folders["b/iter-000/label"][1].path
    )
    assert engine.ran == []
    assert again.reused == 1
    assert again.superseded() == sorted(str(f.path.relative_to(run.path)) for f in folders["a/iter-000/label"])


def test_few_lost_tasks_are_gone_on_without_now_and_after_a_resume(open_run):
    run, engine = open_run(lose={3})
    folders = run.perform({"a/iter-000/label": specs(1, 2, 3, 4, 5)}, min_done=0.8)["a/iter-000/label"]
    assert [folder.done() for folder in folders] == [True, True, False, True, True]
    assert [event["task"] for event in Journal(run.path / "journal.jsonl").read() if event["event"] == "lost"] == [
        str(folders[2].path.relative_to(run.path))
    ]
    events = len(run.journal.read())
    resumed, engine = open_run()  # nothing would be lost now, but what was built on these four stands
    folders = resumed.perform({"a/iter-000/label": specs(1, 2, 3, 4, 5)}, min_done=0.8)["a/iter-000/label"]
    assert [folder.done() for folder in folders] == [True, True, False, True, True]
    assert engine.ran == []
    (event,) = resumed.journal.read()[events:]
    assert event["without"] == [str(folders[2].path.relative_to(run.path))]


def test_rounding_loses_no_run(open_run):
    assert 0.14 * 50 > 7  # in floating point
    run, _ = open_run(lose=range(43))
    folders = run.perform({"a/iter-000/label": specs(*range(50))}, min_done=0.14)["a/iter-000/label"]
    assert sum(folder.done() for folder in folders) == 7


def test_too_many_lost_tasks_stop_the_run_and_are_tried_again(open_run):
    run, _ = open_run(lose={1, 2})
    with pytest.raises(TaskFailed, match="2 of 5 tasks used up their attempts; the first: 3 attempts"):
        run.perform({"a/iter-000/label": specs(1, 2, 3, 4, 5)}, min_done=0.8)
    resumed, engine = open_run()
    folders = resumed.perform({"a/iter-000/label": specs(1, 2, 3, 4, 5)}, min_done=0.8)["a/iter-000/label"]
    assert engine.ran == [1, 2]
    assert all(folder.done() for folder in folders)


def test_a_single_task_must_succeed(open_run):
    run, _ = open_run(lose={1})
    with pytest.raises(TaskFailed):
        run.one("a/iter-000/label", specs(1)[0])


def test_a_light_task_fails_with_its_own_message_and_exit_code(open_run, capfd):
    run, _ = open_run()
    spec = TaskSpec("plan", {"groups": [{"method": "dance"}]})
    with pytest.raises(TaskFailed, match="dance") as caught:
        run.one("a/iter-000/plan", spec)
    assert "iter-000/plan/0000-" in str(caught.value)
    assert capfd.readouterr().err == ""


def test_inputs_are_kept_in_the_run_by_their_content(open_run, tmp_path):
    run, _ = open_run()
    source = tmp_path / "Cu.cif"
    source.write_text("one")
    first = run.keep_input(source)
    assert run.keep_input(source) == first == Artifact.of(first.path)
    assert run.path in first.path.parents
    source.write_text("two")
    second = run.keep_input(source)
    assert first.path.read_text() == "one"
    assert second.path.read_text() == "two"


def test_a_file_in_the_way_is_an_error_of_ours(tmp_path):
    (tmp_path / "run").touch()
    with pytest.raises(RunError, match="cannot make the folder"):
        take_folder(tmp_path / "run", "toy")


def test_a_folder_whose_making_was_cut_short_is_taken(tmp_path):
    (tmp_path / "run.json").write_text('{"na')
    take_folder(tmp_path, "toy")
    with pytest.raises(RunError, match="holds the run 'toy'"):
        take_folder(tmp_path, "other")


def test_the_journal_counts_the_time_of_drivers_only(tmp_path, monkeypatch):
    times = iter([100.0, 110.0, 500.0, 503.0])
    monkeypatch.setattr("pfd.workflow.journal.time.time", lambda: next(times))
    journal = Journal(tmp_path / "journal.jsonl")
    for event in ("submit", "interrupted", "submit", "end"):
        journal.write(event)
    assert union_seconds(journal.sessions()) == 13.0


def test_tasks_that_were_given_up_are_tried_again_if_more_must_succeed_by_now(open_run):
    run, _ = open_run(lose=[1])
    run.perform({"a/iter-000/label": specs(1, 2, 3)}, min_done=0.5)
    run, engine = open_run()
    run.perform({"a/iter-000/label": specs(1, 2, 3)}, min_done=0.6)
    assert engine.ran == []
    run, engine = open_run()
    (folders,) = run.perform({"a/iter-000/label": specs(1, 2, 3)}, min_done=0.9).values()
    assert engine.ran == [1]
    assert all(folder.done() for folder in folders)
    run, engine = open_run(lose=[4])
    with pytest.raises(TaskFailed, match="1 of 2 tasks"):
        run.perform({"b/iter-000/label": specs(3, 4)}, min_done=0.9)


def test_a_pause_comes_before_the_next_heavy_work_that_is_not_done(open_run):
    run, engine = open_run()
    run.perform({"a/iter-000/label": specs(1)})
    run, engine = open_run()
    run.pause_after("select")
    run.perform({"a/iter-000/label": specs(1)})  # the run has been further than that: nothing to pause before
    run.perform({"a/iter-001/label": specs(2)})
    run.pause_after("select")
    with pytest.raises(Paused, match="select"):
        run.perform({"a/iter-002/label": specs(3)})
    assert engine.ran == [2]
