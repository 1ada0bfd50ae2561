"""The decision after an iteration, case by case."""

from __future__ import annotations

import itertools

import pytest

from pfd.evaluate.decision import IterationFacts, decide

GOOD = {
    "iteration": 0,
    "stage": 0,
    "stages": 1,
    "max_iterations": 3,
    "new_frames": 5,
    "candidates_selected": 5,
    "prospective_passed": True,
    "test_passed": True,
    "exploration_finished": True,
    "sane_fraction": 1.0,
}
NOTHING_NEW = {"new_frames": 0, "candidates_selected": 0, "prospective_passed": None}


@pytest.mark.parametrize(
    ("change", "action", "words"),
    [
        ({}, "converged", "all criteria"),
        ({"stages": 2}, "next_stage", "stage 0"),
        ({"stages": 2, "stage": 1}, "converged", ""),
        ({"test_passed": False}, "again", "fixed test set"),
        ({"prospective_passed": False}, "again", "prospective"),
        ({"test_passed": False, "iteration": 2}, "give_up", "max_iterations (3)"),
        ({"test_passed": False, "budget_reached": True}, "give_up", "budget"),
        ({"budget_reached": True}, "converged", ""),
        ({"student_md_finished": True}, "converged", ""),
        ({"student_md_finished": False}, "again", "stop checks"),
        (NOTHING_NEW, "converged", "nothing new"),
        (NOTHING_NEW | {"exploration_finished": False}, "again", "stopped early"),
        (NOTHING_NEW | {"sane_fraction": 0.4}, "again", "sane"),
        (NOTHING_NEW | {"test_passed": False}, "again", "fixed test set"),
        (NOTHING_NEW | {"budget_reached": True}, "give_up", "no label was left"),
        ({"new_frames": 0, "prospective_passed": None}, "again", "no new frame was labelled"),
        ({"exploration_finished": False}, "again", "stopped early"),
        ({"exploration_finished": False, "student_md_finished": True}, "converged", ""),
        ({"exploration_lost": 1}, "again", "1 run of the exploration gave no result"),
        (NOTHING_NEW | {"exploration_lost": 2}, "again", "2 runs of the exploration"),
        ({"student_md_finished": True, "student_md_lost": 1}, "again", "1 run of the student's own MD gave no result"),
        ({"student_md_finished": None, "student_md_lost": 1}, "again", "the student's own MD gave no result"),
        ({"exploration_lost": 1, "student_md_finished": True}, "converged", ""),
    ],
)
def test_table(change, action, words):
    decision = decide(IterationFacts.model_validate(GOOD | change))
    assert decision.action == action
    assert words in decision.reason


def test_no_combination_converges_with_a_failed_test_set():
    for prospective, finished, md, budget in itertools.product(
        (True, False, None), (True, False), (True, False, None), (True, False)
    ):
        facts = GOOD | {
            "test_passed": False,
            "prospective_passed": prospective,
            "exploration_finished": finished,
            "student_md_finished": md,
            "budget_reached": budget,
        }
        assert decide(IterationFacts.model_validate(facts)).action in {"again", "give_up"}
