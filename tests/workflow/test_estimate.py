"""The estimate of time and disk, by hand for the toy."""

from __future__ import annotations

from collections import Counter

import pytest
from tests.workflow.conftest import EXAMPLE

from pfd.config.exploration_check import starting_frames
from pfd.config.plan import plan_input
from pfd.config.reading import read_input
from pfd.workflow.estimate import NOT_MEASURED, estimate, size_of, step_of
from pfd.workflow.rates import Rate

RATES = {
    "teacher": Rate(1e-3, "by hand"),
    "student": Rate(1e-5, "by hand"),
    "label": Rate(1e-2, "by hand"),
    "finetune": Rate(1e-4, "by hand"),
    "fit": Rate(1e-4, "by hand"),
}


def estimated(*overrides, rates=RATES, model_bytes=0):
    resolved = read_input(EXAMPLE / "input.yaml", ["resources.cores=1", *overrides])
    frames = starting_frames(resolved)
    plans = plan_input(resolved, [str(frame.info["parent"]) for frame in frames], {})
    found = estimate(resolved, plans, 32.0, rates, model_bytes)
    return {step.step: step for step in found.steps}, found


def test_the_toy_by_hand():
    steps, found = estimated()
    assert {name: step.seconds for name, step in steps.items()} == pytest.approx(
        {
            "finetune, explore": 16 * 60 * 32 * 1e-3,  # 4 runs in each of 3 iterations, and 4 for the test set
            "finetune, label": 30 * 32**2 * 1e-2,
            "finetune, train": (8 + 16 + 24) * 32 * 1e-4,
            "distill, explore": 12 * 60 * 32 * 1e-3,  # twice as many for the higher temperatures, and the test set
            "distill, explore again": 16 * 60 * 32 * 1e-3,
            "distill, label by the teacher": 54 * 32 * 1e-3,
            "distill, train": (16 + 32 + 48 + 3 * 3 * 24) * 32 * 1e-4,  # and what was fine-tuned on, three times
            "distill, the student's own MD": 12 * 600 * 32 * 1e-5,
        }
    )
    assert found.complete
    assert found.seconds == pytest.approx(sum(step.seconds for step in steps.values()))


def test_a_student_that_drives_explores_at_its_own_rate_and_longer_where_it_is_hotter():
    group = "{method: md, temperatures_K: [300], steps: 60, with: student}"
    plain, _ = estimated(f"distill.explore=[[{group}]]", "distill.max_iterations=3", "distill.hotter=1.0")
    hotter, _ = estimated(f"distill.explore=[[{group}]]", "distill.max_iterations=3")
    runs = plain["distill, explore"].tasks // 2  # the first iteration and the test set
    by_teacher, step = 2 * runs * 60 * 32 * 1e-3, 60 * 32 * 1e-5
    assert plain["distill, explore"].seconds == pytest.approx(by_teacher)
    assert plain["distill, explore again"].seconds == pytest.approx(2 * runs * step)
    assert hotter["distill, explore"].seconds == pytest.approx(1.5 * by_teacher)
    assert hotter["distill, explore again"].seconds == pytest.approx(2 * runs * (1 + 10) * step)
    stages, _ = estimated(f"distill.explore=[[{group}], [{group}]]", "distill.max_iterations=3", "distill.hotter=1.0")
    assert stages["distill, explore"].seconds == pytest.approx(1.5 * by_teacher)  # one iteration, two test sets
    assert stages["distill, explore again"].seconds == pytest.approx(5 * runs * step)
    unknown, _ = estimated(f"distill.explore=[[{group}]]", rates={"teacher": Rate(1e-3, "by hand")})
    assert unknown["distill, explore again"].seconds is None


def test_what_is_done_is_not_still_to_come():
    steps, found = estimated()
    done = Counter(map(step_of, [("finetune", "iter-000", "label")] * 15 + [("finetune", "test", "explore")] * 16))
    done[step_of(("finetune", "iter-000", "select"))] += 1  # of no step
    gone = steps["finetune, label"].seconds / 2 + steps["finetune, explore"].seconds
    assert found.left(done) == pytest.approx(found.seconds - gone)
    assert found.left({}) == found.seconds
    assert found.left(dict.fromkeys(steps, 10**6)) == 0.0
    assert step_of(("distill", "iter-001", "explore")) == "distill, explore again"
    assert {step_of(("distill", place, "explore")) for place in ("test", "iter-000")} == {"distill, explore"}
    assert step_of(("distill", "iter-000", "student-explore")) == "distill, the student's own MD"
    assert {step_of(("distill", "iter-000", name)) for name in ("label", "train")} <= set(steps)


def test_labels_of_the_teacher_have_a_rate_of_their_own_if_there_were_some():
    steps, _ = estimated(rates=RATES | {"teach": Rate(2e-2, "by hand")})
    assert steps["distill, label by the teacher"].seconds == pytest.approx(54 * 32 * 2e-2)


def test_cores_that_are_not_there_save_no_time(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})
    there, _ = estimated("resources.cores=2")
    claimed, _ = estimated("resources.cores=99")
    assert claimed["finetune, label"].seconds == there["finetune, label"].seconds


def test_tasks_side_by_side_take_less_time(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(4)))
    one, _ = estimated()
    four, _ = estimated("resources.cores=4")
    assert four["finetune, label"].at_once == 4
    assert four["finetune, label"].seconds == pytest.approx(one["finetune, label"].seconds / 4)
    assert four["finetune, train"].seconds == one["finetune, train"].seconds


def test_a_queue_runs_as_many_as_its_cap_says():
    cluster = ("resources.label.engine=hpc", "resources.cluster={scheduler: slurm}", "resources.label.max_jobs=5")
    steps, _ = estimated(*cluster)
    assert steps["finetune, label"].at_once == 5


def test_what_is_not_known_is_said():
    steps, found = estimated(rates={"teacher": RATES["teacher"]})
    assert not found.complete
    unknown = {name for name, step in steps.items() if step.seconds is None}
    assert unknown == {"finetune, label", "finetune, train", "distill, train", "distill, the student's own MD"}
    assert steps["finetune, label"].source == NOT_MEASURED
    assert steps["finetune, explore"].source == "measured by hand"


def test_a_search_that_ends_by_itself_has_no_estimate():
    steps, _ = estimated("finetune.explore={method: rattle, temperatures_K: [300]}")
    assert steps["finetune, explore"].seconds is None
    assert "nobody knows" in steps["finetune, explore"].source


def test_models_are_on_the_disk_too(tmp_path):
    _, without = estimated()
    _, found = estimated(model_bytes=1000)
    assert found.models
    assert not without.models
    assert found.disk_bytes - without.disk_bytes == 5000  # of the start, the result, and three iterations
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights").write_bytes(b"x" * 10)
    assert size_of(tmp_path / "model") == size_of(tmp_path / "model" / "weights") == 10
    assert size_of(tmp_path / "nothing") == 0
