"""By how much an iteration met or missed its limits, in words, and which set each limit was held against."""

from __future__ import annotations

import pytest

from pfd.report.data import ReportData
from pfd.report.limits import held_sets, last_turns, limits_in_words, value_in_words


def verdict(value, *, limit=0.12, group="all", criterion="force_rmse_relative", passed=None, **more):
    passed = value is not None and value <= limit if passed is None else passed
    return {"criterion": criterion, "group": group, "value": value, "limit": limit, "passed": passed, **more}


def run_of(*verdicts, loop="finetune", decision="again", **more):
    turn = {"loop": loop, "iteration": 0, "decision": decision, "verdicts": verdicts}
    return ReportData.model_validate({"iterations": [turn], **more})


def words_of(data):
    return limits_in_words(data.iterations[0], data)


def test_the_worst_figure_of_each_set_stands_beside_its_limit():
    test = [verdict(0.08), verdict(0.07, group="temperature_K=300"), verdict(0.09, group="temperature_K=1500")]
    new = [verdict(0.11), verdict(0.10, group="temperature_K=300"), verdict(0.14, group="temperature_K=1500")]
    data = run_of(*test, *new)
    assert [(held.name, len(held.verdicts)) for held in held_sets(data.iterations[0], data)] == [
        ("new frames", 3),
        ("fixed test set", 3),
    ]
    assert words_of(data) == (
        "force RMSE on new frames 14.0 % at 1500 K (limit 12 %), on the fixed test set 9.00 % at 1500 K (limit 12 %)"
    )


def test_each_limit_has_its_own_words():
    data = run_of(
        verdict(0.2, limit=0.1, criterion="force_rmse_eV_per_A"),
        verdict(2.0, limit=3.0, criterion="energy_rmse_meV_per_atom"),
        verdict(2.0, limit=1.0, group="group=hot", criterion="stress_rmse_GPa"),
    )
    assert words_of(data) == (
        "force RMSE on the fixed test set 0.200 eV/Å (limit 0.1 eV/Å); "
        "energy RMSE on the fixed test set 2.00 meV/atom (limit 3 meV/atom); "
        "stress RMSE on the fixed test set 2.00 GPa in group hot (limit 1 GPa)"
    )


def test_what_has_no_figure_or_no_confidence_says_so():
    nothing = run_of(verdict(0.1), verdict(None, group="pressure_GPa=5", note="no frame of this condition in the set"))
    assert "unknown at 5 GPa (no frame of this condition in the set; limit 12 %)" in words_of(nothing)
    unsure = run_of(verdict(0.1, passed=False, interval=[0.08, 0.15]))
    assert "10.0 % (its 95 % interval ends at 15.0 %, limit 12 %)" in words_of(unsure)
    not_judged = run_of(verdict(0.1), verdict(None, group="group=molecule", passed=True, note="not judged"))
    assert words_of(not_judged) == "force RMSE on the fixed test set 10.0 % (limit 12 %)"
    assert words_of(run_of()) == ""


@pytest.mark.parametrize(("name", "unseen"), [("student-0-s0-md", "student's own MD"), ("distill-0-s0", "new frames")])
def test_a_student_is_judged_by_its_own_md_where_it_moves(name, unseen):
    data = run_of(
        verdict(0.1), verdict(0.2), loop="distill", trajectories=[{"name": name, "finished": True, "steps": 1}]
    )
    assert [held.name for held in held_sets(data.iterations[0], data)] == [unseen, "fixed test set"]
    assert words_of(data).startswith("force RMSE against the teacher on ")


def test_loops_that_did_not_converge_come_first():
    turns = [
        {"loop": "finetune", "iteration": 0, "decision": "again"},
        {"loop": "finetune", "iteration": 1, "decision": "converged"},
        {"loop": "distill", "iteration": 0, "decision": "give_up"},
    ]
    found = last_turns(ReportData.model_validate({"iterations": turns}))
    assert [(turn.loop, turn.iteration) for turn in found] == [("distill", 0), ("finetune", 1)]


def test_an_unknown_limit_is_shown_as_it_is():
    assert value_in_words("charge", 2.0) == "2.00"
