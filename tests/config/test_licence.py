"""The licence of weights against the use that an input declares."""

from __future__ import annotations

import sys

import pytest
import yaml
from ase.build import bulk
from tests.config.test_bad_input import GOOD

from pfd.config.check import check_input
from pfd.config.licence import check_licence, verdict_on
from pfd.config.reading import read_input
from pfd.errors import ModelError
from pfd.frames import write_frames
from pfd.models.family import ModelCard
from pfd.testing.toy_family import ToyFamily

VERDICTS = {
    "MIT": "free",
    "modified BSD": "free",
    "the user's own: fitted from the user's frames": "free",
    "CC-BY-4.0": "free",
    "ASL": "not commercial",
    "CC BY-NC 4.0": "not commercial",
    "code MIT; weights: non-commercial": "not commercial",
    "code MIT; weights: Apache-2.0": "free",
    "code MIT; weights: the user's own, fitted from the user's frames": "free",
    "code MIT; weights: depends on the file (MACE-MP is MIT; MACE-OFF and others are non-commercial)": "unknown",
    "code LGPL-3.0-or-later; weights: see where they are from": "unknown",
    "of the weights: their authors'": "unknown",
    "MIT (code)": "unknown",
    "unknown": "unknown",
    "": "unknown",
    "limited": "unknown",
}


@pytest.mark.parametrize("licence", VERDICTS)
def test_what_the_words_of_a_card_allow(licence):
    assert verdict_on(licence) == VERDICTS[licence]


@pytest.fixture
def resolved(tmp_path):
    write_frames(tmp_path / "Cu.extxyz", [bulk("Cu", cubic=True)])

    def read(use):
        path = tmp_path / "input.yaml"
        path.write_text(yaml.safe_dump(GOOD | ({} if use is None else {"use": use})))
        return read_input(path)

    return read


def card(licence):
    return ModelCard(family="toy", name="weights", licence=licence)


def test_commercial_use_of_weights_that_are_not_for_it_is_refused(resolved):
    with pytest.raises(ModelError, match="declares commercial use") as told:
        check_licence(resolved("commercial"), card("ASL"), "teacher.model")
    assert "teacher.model" in told.value.where
    assert "ASL" in check_licence(resolved("academic"), card("ASL"), "teacher.model")
    assert check_licence(resolved("commercial"), card("MIT"), "teacher.model") == "licence of toy weights: MIT"


def test_an_unknown_licence_is_told_where_a_use_is_declared(resolved):
    assert "cannot be told" in check_licence(resolved("academic"), card("unknown"), "teacher.model")
    assert "cannot be told" not in check_licence(resolved(None), card("unknown"), "teacher.model")


def test_the_check_names_the_licence(resolved):
    assert check_input(resolved(None), read_model=True).licences == ("licence of toy soft-copper: MIT",)


def test_a_commercial_use_is_checked_before_a_run_begins(resolved, monkeypatch):
    adopt = ToyFamily.adopt

    def not_free(*arguments):
        return adopt(*arguments).model_copy(update={"licence": "non-commercial"})

    monkeypatch.setattr(ToyFamily, "adopt", not_free)
    monkeypatch.delitem(sys.modules, "this", raising=False)  # there, and not imported
    monkeypatch.setattr(ToyFamily, "modules", ("this",))
    assert check_input(resolved(None), read_model=False).licences == ()
    with pytest.raises(ModelError, match="declares commercial use"):
        check_input(resolved("commercial"))
