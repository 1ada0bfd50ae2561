"""What may stand in a property's settings, and how its numbers are held against them."""

from __future__ import annotations

import doctest

import pytest
from pydantic import ValidationError

from pfd.errors import TaskFailed
from pfd.evaluate.properties import results
from pfd.evaluate.properties.elastic import Elastic
from pfd.evaluate.properties.equation_of_state import EquationOfState
from pfd.evaluate.properties.judge import all_passed, judge_property
from pfd.evaluate.properties.kinds import KINDS, property_of
from pfd.evaluate.properties.md_stability import MDStability
from pfd.evaluate.properties.property import Curve, Measured
from pfd.evaluate.properties.results import limits_in_words, property_result, property_rows

PBE = {"C11_GPa": 150.0, "C44_GPa": 100.0, "source": "PBE"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"reference": {"C11_GPa": 150.0}}, "source"),
        ({"reference": {"source": "PBE"}}, "holds no number"),
        ({"reference": {"C11": 150.0, "source": "PBE"}}, "no number 'C11'; it gives C11_GPa"),
        ({"reference": {"C11_GPa": "much", "source": "PBE"}}, "valid number"),
        ({"reference": {"C11_GPa": float("nan"), "source": "PBE"}}, "finite number"),
        ({"within": 0.05}, "within is about the reference"),
        ({"reference": PBE, "within": 5}, "less than or equal to 1"),
        ({"reference": PBE, "within": {"C12_GPa": 0.1}}, "the reference has no C12_GPa"),
        ({"reference": PBE, "within": {"C77_GPa": 0.1}}, "no number 'C77_GPa'"),
        ({"reference": "label"}, "write cell: given"),
        ({"reference": "label", "cell": "given", "within": {"C44_GPa": 0.1}}, "such as C11_clamped_GPa"),
        ({"limits": {"C11_GPa": (2.0, 1.0)}}, "exchange"),
        ({"limits": {"C11_GPa": (2.0, float("inf"))}}, "finite"),
        ({"limits": {"density": (1.0, 2.0)}}, "no number 'density'"),
        ({"strain": 0.1}, "less than or equal to 0.02"),
        ({"models": ["scratch"]}, "finetuned"),
        ({"strian": 0.01}, "Extra inputs"),
    ],
)
def test_mistakes_are_told(content, words):
    with pytest.raises(ValidationError, match=words):
        Elastic(structure="Si.cif", **content)


def test_only_what_needs_no_relaxation_can_be_labelled():
    assert EquationOfState(structure="x", relax="none", reference="label").labelled()
    with pytest.raises(ValidationError, match="relax: none"):
        EquationOfState(structure="x", reference="label")
    with pytest.raises(ValidationError, match="takes a relaxation or dynamics"):
        property_of({"kind": "vacancy", "structure": "x", "reference": "label"})


def test_numbers_and_points_are_finite():
    with pytest.raises(TaskFailed, match="C11_GPa, C12_GPa: no finite number"):
        Measured(values={"C11_GPa": float("nan"), "C12_GPa": float("inf"), "C44_GPa": 1.0})
    with pytest.raises(TaskFailed, match="energy_volume: no finite number"):
        Measured(curves={"energy_volume": Curve(x="V", y="E", points=((1.0, 2.0), (1.0, float("nan"))))})


def test_what_its_numbers_depend_on_is_all_that_stands_in_a_task():
    one = Elastic(structure="a/Si.cif", strain=0.01)
    other = Elastic(structure="b/Si.cif", strain=0.01, name="silicon", reference=PBE, within=0.05, models=["student"])
    assert one.parameters() == other.parameters()
    assert one.parameters() != Elastic(structure="a/Si.cif", strain=0.02).parameters()
    assert one.title() == "elastic Si"
    assert other.title() == "silicon"


def test_settings_survive_being_written_out():
    for kind in KINDS:
        more = {"barrier": {"final": "b.cif"}, "md": {"temperature_K": 300}}.get(kind, {})
        settings = property_of({"kind": kind, "structure": "a.cif", **more})
        assert property_of(settings.model_dump(mode="json")) == settings
    settings = Elastic(structure="x", reference=PBE, within=0.05)
    assert property_of(settings.model_dump(mode="json")) == settings


def test_numbers_are_held_against_reference_and_limits():
    settings = Elastic(
        structure="x", reference=PBE, within={"all": 0.05, "C44_GPa": 0.15}, limits={"C12_GPa": (50.0, 60.0)}
    )
    good = Measured(values={"C11_GPa": 157.4, "C44_GPa": 86.0, "C12_GPa": 55.0})
    held = {each.quantity: each for each in judge_property(settings, good)}
    assert set(held) == {"C11_GPa", "C44_GPa", "C12_GPa"}
    assert all_passed(list(held.values()))
    bad = Measured(values={"C11_GPa": 157.6, "C44_GPa": 84.0, "C12_GPa": 60.5})
    assert not any(each.passed for each in judge_property(settings, bad))
    failed = judge_property(settings, Measured(failed="not relaxed"))
    assert not any(each.passed for each in failed)
    assert failed[0].note == "not relaxed"
    assert not all_passed([])


def test_a_reference_from_labels_that_failed_fails_all():
    settings = EquationOfState(structure="x", relax="none", reference="label", within=0.05)
    found = Measured(values={"a_A": 5.4})
    assert all_passed(judge_property(settings, found, Measured(values={"a_A": 5.43})))
    held = judge_property(settings, found, Measured(failed="cell 0 has no label"))
    assert not all_passed(held)
    assert "cell 0 has no label" in held[0].note


def test_a_named_number_that_the_labels_did_not_give_is_missed():
    allowed = {"all": 0.05, "C33_clamped_GPa": 0.1}  # a cubic crystal has none
    settings = Elastic(structure="x", cell="given", reference="label", within=allowed)
    numbers = Measured(values={"C11_clamped_GPa": 150.0})
    known, unknown = judge_property(settings, numbers, numbers)
    assert known.passed
    assert (unknown.quantity, unknown.passed, unknown.note) == (
        "C33_clamped_GPa",
        False,
        "the reference gave no such number",
    )
    assert "C33 clamped" in limits_in_words([property_result(settings, {"student": numbers}, numbers)])[0]


def test_which_models_it_is_measured_of():
    elastic, safety = Elastic(structure="x"), MDStability(structure="x")
    assert elastic.measured_of(("pretrained", "finetuned", "scratch")) == ["pretrained", "finetuned"]
    assert safety.measured_of(("pretrained", "finetuned", "student")) == ["student"]
    assert safety.measured_of(("pretrained", "finetuned")) == ["finetuned"]
    assert Elastic(structure="x", models=["student"]).measured_of(("pretrained", "finetuned")) == []


def test_rows_compare_with_the_reference_or_with_the_teacher():
    models = {name: Measured(values={"C11_GPa": value}) for name, value in (("finetuned", 160.0), ("student", 152.0))}
    models["pretrained"] = Measured(failed="not relaxed")
    with_numbers = property_result(Elastic(structure="x", reference=PBE, within=0.05), models, None)
    row, missing, *rest = property_rows([with_numbers.model_dump(mode="json")])
    assert not rest
    assert (row.quantity, row.unit, row.reference, row.source) == ("C11", "GPa", 150.0, "PBE")
    assert list(row.values) == ["pretrained", "finetuned", "student"]
    assert row.changes == pytest.approx({"finetuned": 10 / 150, "student": 2 / 150})
    assert row.met == {"pretrained": False, "finetuned": False, "student": True}
    assert row.notes == {"pretrained": "not relaxed"}
    assert missing.quantity == "C44"
    (row,) = property_rows([property_result(Elastic(structure="x"), models, None).model_dump(mode="json")])
    assert row.source == "its teacher"
    assert row.changes == pytest.approx({"student": -0.05})
    assert row.met == {}


def test_what_was_missed_is_told_in_words():
    settings = Elastic(structure="x", reference=PBE, within=0.05)
    models = {
        "student": Measured(values={"C11_GPa": 120.0, "C44_GPa": 101.0}),
        "finetuned": Measured(failed="no\nhint"),
    }
    lines = limits_in_words([property_result(settings, models, None).model_dump(mode="json")])
    assert lines == [
        "properties of finetuned: 0 of 2 within limits; missed: elastic x C11, elastic x C44",
        "elastic x of finetuned was not measured: no",
        "properties of student: 1 of 2 within limits; missed: elastic x C11 120 (142.5 to 157.5 GPa)",
    ]
    assert limits_in_words([property_result(Elastic(structure="x"), {"student": Measured()}, None).model_dump()]) == []


def test_examples_in_docstrings():
    assert doctest.testmod(results).failed == 0
