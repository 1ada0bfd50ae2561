"""The label budget: whatever is asked, the cap is never exceeded."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pfd
from pfd.config.sections import CampaignSettings
from pfd.errors import SettingError
from pfd.json_file import write_json
from pfd.tasks.folder import TaskFolder
from pfd.tasks.steps.selecting import share_out
from pfd.workflow.budget import Budget
from pfd.workflow.run_folder import task_folders


@given(groups=st.lists(st.lists(st.integers(), max_size=5), max_size=5), limit=st.none() | st.integers(0, 12))
def test_sharing_out_keeps_order_and_limit_and_is_fair(groups, limit):
    labelled = [[(number, place) for place in range(len(group))] for number, group in enumerate(groups)]
    everything = [member for group in labelled for member in group]
    kept = share_out(labelled, limit)
    assert len(kept) == (len(everything) if limit is None else min(limit, len(everything)))
    assert kept == sorted(kept)
    counts = [sum(member[0] == number for member in kept) for number in range(len(groups))]
    for count, group in zip(counts, groups, strict=True):
        assert count == len(group) or count >= max(counts) - 1


@given(cap=st.integers(1, 30), wishes=st.lists(st.lists(st.integers(0, 60), max_size=12), max_size=8))
def test_what_is_asked_within_what_is_left_stays_under_the_cap(cap, wishes):
    budget = Budget(CampaignSettings(max_total=cap))
    for wish in wishes:
        budget.ask([str(name) for name in wish[: budget.left()]])
        assert budget.asked <= cap
        assert budget.reached() == (budget.asked == cap)
        assert budget.cap() == budget.left() == cap - budget.asked
        assert budget.left(reserve=5) == max(0, cap - budget.asked - 5)


def test_without_caps_there_is_always_something_left():
    budget = Budget(CampaignSettings())
    budget.ask(str(number) for number in range(1000))
    assert budget.cap() is None
    assert not budget.reached()


def test_core_hours_of_done_tasks_close_the_budget(tmp_path):
    budget = Budget(CampaignSettings(max_core_hours=1.0))
    for name, seconds, status in (("a", 800, "done"), ("b", 9000, "failed"), ("c", 1000, "done")):
        (tmp_path / name).mkdir()
        write_json(tmp_path / name / "task.json", {"identity": name, "resources": {"cores": 2}})
        write_json(tmp_path / name / "result.json", {"status": status, "seconds": seconds, "cores": 2})
    folders = [TaskFolder(tmp_path / name) for name in ("a", "b")]
    budget.spend(folders)
    budget.spend(folders)  # the same work is not paid twice
    assert budget.core_hours == pytest.approx(1600 / 3600)
    assert budget.cap() == 1  # of mean cost, in the 2000 core seconds that are left
    assert not budget.reached()
    budget.spend([TaskFolder(tmp_path / "c")])
    assert budget.cap() == 0
    assert budget.reached()


def labels_of(run):
    return [folder for folder in task_folders(run) if folder.task()["step"] == "label"]


def test_starting_frames_leave_room_for_the_test_set(write_input, small, tmp_path, in_process):
    del small["distill"]
    small["structures"][0]["perturb"]["count"] = 6
    small["finetune"] |= {"initial": "label", "converge": {"force_rmse_relative": 1e-6}}
    small["finetune"]["label"]["max_total"] = 10  # 7 starting frames, 2 of the test set, 1 for the condition
    run = pfd.submit(write_input(small), tmp_path / "run")
    assert run.exit_code == 3
    nothing = dict.fromkeys(("rejected", "unfinished", "kept", "flagged"), 0)
    assert run.summary["labels"] == {"asked": 10, "accepted": 10} | nothing
    assert len(labels_of(run.path)) == 10
    counts = next((run.path / "finetune" / "test" / "collect").glob("*/outputs/counts.json"))
    assert json.loads(counts.read_text(encoding="utf-8"))["accepted"] == small["evaluate"]["test_frames"]


@pytest.mark.parametrize(("budget", "initial"), [(9, "label"), (2, "explore")])
def test_a_budget_with_which_nothing_could_be_judged_is_refused(
    write_input, small, tmp_path, budget, initial, in_process
):
    del small["distill"]
    small["structures"][0]["perturb"]["count"] = 6
    small["finetune"]["initial"] = initial
    small["finetune"]["label"]["max_total"] = budget
    with pytest.raises(SettingError, match=f"{budget + 1} is the smallest that works"):
        pfd.submit(write_input(small), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_until_select_pays_for_no_starting_frame_either(write_input, small, tmp_path, in_process):
    del small["distill"]
    small["finetune"]["initial"] = "label"
    run = pfd.submit(write_input(small), tmp_path / "run", until="select")
    assert run.status == "paused"
    assert labels_of(run.path) == []
