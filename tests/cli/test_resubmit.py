"""Resubmitting: what is named or has failed is done anew, the rest stands, and nothing is thrown away."""

from __future__ import annotations

import json
import shutil

import pytest
from tests.cli.conftest import FINETUNE, pfd, write
from tests.workflow.conftest import EngineInProcess

import pfd as package
from pfd.api import Begin
from pfd.cli.status import status_lines, status_of
from pfd.errors import RunError, SettingError, TaskFailed
from pfd.workflow.journal import Journal
from pfd.workflow.redo import Redo
from pfd.workflow.run_folder import ASIDE, task_folders


def results(run):
    return {
        str(folder.path.relative_to(run)): (folder.result().outputs, (folder.path / "result.json").stat().st_mtime_ns)
        for folder in task_folders(run)
        if folder.done()
    }


@pytest.fixture
def ended(write_input, small, tmp_path, in_process):
    """Fine-tuning that has ended, and how to submit it again."""
    del small["distill"]
    small["finetune"]["max_iterations"] = 1
    path = write_input(small)

    def go(**redo):
        wanted = Redo(**{key: tuple(value) for key, value in redo.items()}) if redo else None
        return package.submit(path, tmp_path / "run", begin=Begin(redo=wanted))

    return go().path, go


def test_a_label_is_made_anew_and_what_comes_out_the_same_is_not_followed(ended):
    run, go = ended
    before = results(run)
    label = next(name for name in before if name.startswith("finetune/iter-000/label/"))
    again = go(tasks=[label])
    after = results(run)
    assert set(after) == set(before)
    assert [name for name in before if after[name] != before[name]] == [label]
    assert after[label][0] == before[label][0]
    assert (run / ASIDE / "001" / label / "result.json").is_file()
    events = Journal(run / "journal.jsonl").read()
    assert [event["tasks"] for event in events if event["event"] == "redo"] == [[label]]
    assert again.summary["labels"] == dict.fromkeys(again.summary["labels"], 0) | {"asked": 6, "accepted": 6}


def test_a_step_is_done_anew(ended):
    run, go = ended
    before = results(run)
    go(steps=["finetune/iter-000/train", "explore"])
    after = results(run)
    assert set(after) == set(before)
    changed = {name.rsplit("/", 1)[0] for name in before if after[name] != before[name]}
    assert changed == {"finetune/iter-000/train", "finetune/iter-000/explore", "finetune/test/explore"}


class LosesOne(EngineInProcess):
    """An engine on which the first exploration uses up its attempts."""

    lose = True

    def run(self, folders, observe):
        lost = [f for f in folders if self.lose and f.path.name.startswith("0000") and "iter-000/explore" in f.name]
        for folder in lost:
            attempt = folder.claim()
            (attempt / "log.txt").write_text("Segmentation fault\n")
            folder.end_attempt(attempt, "killed by signal 11", counted=True)
        done = super().run([folder for folder in folders if folder not in lost], observe)
        return done | {str(folder.path): "3 attempts, the last: killed by signal 11" for folder in lost}


@pytest.fixture
def losing(write_input, small, tmp_path, in_process, monkeypatch):
    """A run whose engine loses one of three explorations."""
    monkeypatch.setattr("pfd.engines.local.LocalEngine", LosesOne)
    monkeypatch.setattr(LosesOne, "lose", True)
    del small["distill"]
    small["finetune"] |= {"max_iterations": 1}

    def go(**options):
        return package.submit(write_input(small), tmp_path / "run", until="label", **options)

    return small, tmp_path / "run", go


def test_a_run_that_lost_too_many_says_which_and_how_to_go_on(losing):
    _, run, go = losing
    with pytest.raises(TaskFailed, match=r"1 of 3 tasks used up their attempts.*signal 11") as caught:
        go()
    assert "pfd resubmit" in str(caught.value)
    content = status_of(run)
    (failure,) = content["failures"]
    assert (failure["attempts"], failure["gone_on"], failure["log_tail"]) == (1, False, "Segmentation fault")
    assert content["tasks"]["failed"] == 1
    text = "\n".join(status_lines(content))
    assert "stopped at finetune iteration 0, explore (2 of 3 done)" in text
    assert f"to do it anew: pfd resubmit {run} --redo finetune/iter-000/explore/0000-" in text


def test_what_was_given_up_is_tried_again_by_resubmit_and_not_by_submit(losing, monkeypatch):
    small, run, go = losing
    small["resources"] = {"explore": {"min_success": 0.5}}
    assert go().status == "paused"
    assert status_of(run)["failures"][0]["gone_on"]
    labels = len(list(run.glob("finetune/iter-000/label/*")))
    monkeypatch.setattr(LosesOne, "lose", False)
    go()
    assert len(status_of(run)["failures"]) == 1
    go(begin=Begin(redo=Redo()))
    content = status_of(run)
    assert content["failures"] == []
    assert content["tasks"]["failed"] == 0
    assert len(list(run.glob("finetune/iter-000/label/*"))) >= labels
    (aside,) = (run / ASIDE / "001").glob("finetune/iter-000/explore/0000-*")
    assert (aside / "attempts/00/log.txt").read_text() == "Segmentation fault\n"
    with pytest.raises(RunError, match="no task of this run has failed"):
        go(begin=Begin(redo=Redo()))


def test_the_command_says_what_it_will_do_and_dry_run_does_nothing(paused, tmp_path):
    shutil.copytree(paused[0], tmp_path / "here")
    run = tmp_path / "here" / "small"
    before, journal = results(run), (run / "journal.jsonl").read_bytes()
    dry = pfd("resubmit", "--from", "explore", "--redo", "iter-000/select", "--dry-run", cwd=tmp_path / "here")
    assert dry.returncode == 2
    assert "no task 'iter-000/select'" in dry.stderr
    dry = pfd("resubmit", "small", "--from", "explore", "--dry-run", cwd=tmp_path / "here")
    assert dry.returncode == 0
    assert "small: 3 tasks to be done anew (3 explore)" in dry.stdout
    assert "finetune/test/explore/" in dry.stdout
    told = pfd("resubmit", "small", "--from", "explore", "--dry-run", "--json", cwd=tmp_path / "here")
    assert [(each["step"], each["paid_again"]) for each in json.loads(told.stdout)] == [("explore", False)] * 3
    listed = pfd("resubmit", "small", "--list", "--json", cwd=tmp_path / "here")
    assert {"step": "finetune/iter-000/select", "tasks": 1, "done": 1} in json.loads(listed.stdout)
    assert (results(run), (run / "journal.jsonl").read_bytes()) == (before, journal)
    nothing = pfd("resubmit", "input.yaml", cwd=tmp_path / "here")
    assert nothing.returncode == 2
    assert "no task of this run has failed" in nothing.stderr
    both = pfd("resubmit", "small", "--dry-run", "--detach", cwd=tmp_path / "here")
    assert both.returncode == 2
    redone = pfd("resubmit", "small", "--from", "iter-000/select", "--until", "select", cwd=tmp_path / "here")
    assert redone.returncode == 0, redone.stderr
    assert "1 task to be done anew (1 select)" in redone.stderr
    assert "paused after select" in redone.stdout
    assert json.loads((run / "summary.json").read_text())["status"] == "paused"


def test_labels_that_are_paid_for_again_are_counted(ended):
    from pfd.cli.resubmit import redo_lines

    run, _ = ended
    lines = redo_lines(run, Redo(steps=("finetune/iter-000/label", "train")).find(run))
    assert "4 labels will be paid for again" in lines[-1]
    assert lines[0].endswith("(4 label, 1 train)")


def test_steps_are_listed_and_not_numbered(ended, capsys):
    from pfd.cli.resubmit import list_steps

    run, _ = ended
    list_steps(run, None)
    lines = capsys.readouterr().out.splitlines()
    assert "finetune/iter-000/label: 4 of 4 tasks done" in lines
    with pytest.raises(SettingError, match="--from STEP"):
        list_steps(run, "0-41")


def test_a_name_of_nothing_is_exit_code_2(tmp_path):
    write(tmp_path, FINETUNE)
    ended = pfd("resubmit", "input.yaml", cwd=tmp_path)
    assert ended.returncode == 2
    assert "pfd submit input.yaml makes it" in ended.stderr
