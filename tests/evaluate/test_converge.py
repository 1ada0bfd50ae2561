"""Verdicts: the whole set and every condition must meet every limit."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from pfd.evaluate import ConvergeSettings, ErrorReport, Errors, converged, judge_errors


def errors(rmse: float | None, **more) -> Errors:
    return Errors(frames=4, force_frames=4, force_rmse_meV_per_A=rmse, **more)


def report(overall: float | None, groups: dict[str, Errors] | None = None, **more) -> ErrorReport:
    by_group = {"temperature_K": groups} if groups else {}
    return ErrorReport(**errors(overall, **more).model_dump(), by_group=by_group)


LIMIT = ConvergeSettings(force_rmse_eV_per_A=0.1)


def test_one_hot_group_holds_the_whole_back():
    verdicts = judge_errors(report(90.0, {"300": errors(50.0), "1500": errors(120.0)}), LIMIT)
    assert [(verdict.group, verdict.passed) for verdict in verdicts] == [
        ("all", True),
        ("temperature_K=300", True),
        ("temperature_K=1500", False),
    ]
    assert verdicts[2].value == pytest.approx(0.12)
    assert not converged(verdicts)


def test_the_limit_itself_passes():
    assert converged(judge_errors(report(100.0), LIMIT))
    assert not converged(judge_errors(report(100.1), LIMIT))


def test_a_condition_that_was_asked_for_and_is_not_there_fails():
    there = report(10.0, {"300": errors(10.0)})
    assert converged(judge_errors(there, LIMIT, {"temperature_K": [300.0]}))
    verdicts = judge_errors(there, LIMIT, {"temperature_K": [300, 1500]})
    assert [(verdict.group, verdict.note) for verdict in verdicts if not verdict.passed] == [
        ("temperature_K=1500", "no frame of this condition in the set")
    ]


def test_confident_judges_the_upper_end():
    spread = report(90.0, force_rmse_interval=(80.0, 105.0))
    assert converged(judge_errors(spread, LIMIT))
    strict = ConvergeSettings(force_rmse_eV_per_A=0.1, confident=True)
    assert not converged(judge_errors(spread, strict))
    assert converged(judge_errors(report(90.0, force_rmse_interval=(80.0, 99.0)), strict))
    verdicts = judge_errors(report(90.0), strict)
    assert [(verdict.passed, verdict.note) for verdict in verdicts] == [(False, "too few frames for an interval")]


def test_a_kind_without_forces_is_not_judged_by_a_relative_limit_but_the_whole_and_temperatures_are():
    relative = ConvergeSettings(force_rmse_relative=0.1)
    still = Errors(frames=4, force_frames=4, force_rmse_meV_per_A=500.0)
    moving = Errors(frames=4, force_frames=4, force_rmse_meV_per_A=50.0, force_rmse_relative=0.05)
    for key, passed in (("group", True), ("temperature_K", False)):
        found = ErrorReport(**moving.model_dump(), by_group={key: {"1": still, "2": moving}})
        verdicts = {verdict.group: verdict for verdict in judge_errors(found, relative)}
        assert verdicts[f"{key}=1"].passed is passed
        assert verdicts[f"{key}=1"].note.startswith("all labels are zero")
        assert not judge_errors(found, LIMIT)[1].passed  # an absolute limit judges both
    assert not converged(judge_errors(ErrorReport(**still.model_dump()), relative))


def test_predictions_that_are_not_finite_never_pass():
    verdicts = judge_errors(report(None, bad_forces=2), LIMIT)
    assert [(verdict.passed, verdict.note) for verdict in verdicts] == [
        (False, "2 of 4 frames have no finite prediction")
    ]


def test_an_empty_set_never_passes():
    assert not converged(judge_errors(ErrorReport(frames=0), LIMIT))
    assert not converged([])


def test_a_group_of_slabs_is_not_judged_by_stress_but_the_whole_is():
    limit = ConvergeSettings(stress_rmse_GPa=0.5)
    mixed = report(1.0, {"300": errors(1.0)}, stress_frames=2, stress_rmse_GPa=0.4)
    verdicts = judge_errors(mixed, limit)
    assert converged(verdicts)
    assert verdicts[1].note.endswith("not judged")
    assert not converged(judge_errors(report(1.0), limit))


def test_every_criterion_reads_its_own_figure_in_its_own_unit():
    full = report(
        80.0,
        force_rmse_relative=0.08,
        energy_frames=4,
        energy_rmse_meV_per_atom=3.0,
        stress_frames=4,
        stress_rmse_GPa=0.2,
        force_rmse_interval=(70.0, 90.0),
        force_relative_interval=(0.07, 0.09),
        energy_rmse_interval=(2.0, 4.0),
        stress_rmse_interval=(0.1, 0.3),
    )
    limits = ConvergeSettings(
        force_rmse_eV_per_A=1, force_rmse_relative=1, energy_rmse_meV_per_atom=1, stress_rmse_GPa=1
    )
    found = {v.criterion: (pytest.approx(v.value), v.interval[1], v.passed) for v in judge_errors(full, limits)}
    assert found == {
        "force_rmse_eV_per_A": (0.08, pytest.approx(0.09), True),
        "force_rmse_relative": (0.08, 0.09, True),
        "energy_rmse_meV_per_atom": (3.0, 4.0, False),
        "stress_rmse_GPa": (0.2, 0.3, True),
    }


@pytest.mark.parametrize("bad", [{}, {"force_rmse_relative": 0}, {"stress_rmse_GPa": -1}, {"force_rmse": 0.1}])
def test_settings_refuse_what_makes_no_sense(bad):
    with pytest.raises(ValidationError):
        ConvergeSettings(**bad)


def grouped(key, groups):
    return ErrorReport(**errors(50.0).model_dump(), by_group={key: {name: errors(e) for name, e in groups.items()}})


def test_every_group_is_judged_and_one_that_fails_is_seen():
    limits = ConvergeSettings(force_rmse_eV_per_A=0.1)
    verdicts = judge_errors(grouped("group", {"s0-g0": 40.0, "s0-g1": 300.0}), limits, {"group": ["s0-g0", "s0-g1"]})
    assert {verdict.group: verdict.passed for verdict in verdicts} == {
        "all": True,
        "group=s0-g0": True,
        "group=s0-g1": False,
    }
    missing = judge_errors(grouped("group", {"s0-g0": 40.0}), limits, {"group": ["s0-g0", "s0-g1"]})
    assert [(v.group, v.passed) for v in missing[1:]] == [("group=s0-g0", True), ("group=s0-g1", False)]


def test_a_single_group_has_no_verdict_of_its_own_and_structures_have_none():
    limits = ConvergeSettings(force_rmse_eV_per_A=0.1)
    for asked in (None, {}, {"group": []}):
        assert [v.group for v in judge_errors(grouped("group", {"s0-g0": 40.0}), limits, asked)] == ["all"]
    assert [v.group for v in judge_errors(grouped("structure", {"0": 40.0, "1": 999.0}), limits)] == ["all"]


def test_a_confident_verdict_says_when_its_interval_is_too_narrow():
    limits = ConvergeSettings(force_rmse_eV_per_A=0.1, confident=True)
    told = report(90.0, force_rmse_interval=(80.0, 99.0), interval_note="of one trajectory")
    assert [(v.passed, v.note) for v in judge_errors(told, limits)] == [(True, "of one trajectory")]
