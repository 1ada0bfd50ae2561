"""Frames that stand twice are named, wherever they stand and however they are turned."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.evaluate.data_gate.conftest import as_set, copper, relabelled

from pfd.evaluate.data_gate.finding import Verdict
from pfd.evaluate.data_gate.twins import twins
from pfd.frames import labels_of, with_labels


def moved(frame, seed=0, shift_A=0.0):
    """The frame turned, translated and with its atoms in another order, and displaced by a little."""
    rng = np.random.default_rng(seed)
    copy = frame.copy()
    copy.rotate(float(rng.uniform(5, 175)), rng.normal(size=3), rotate_cell=True)
    copy.positions += rng.normal(size=3) + rng.normal(scale=shift_A, size=copy.positions.shape) * (shift_A > 0)
    order = rng.permutation(len(copy))
    return with_labels(copy[order], labels_of(frame))


def test_distinct_frames_are_no_twins(good):
    assert list(twins([as_set(good)], [as_set(copper(4, seed=90), "test.extxyz")])) == []


@settings(max_examples=25)
@given(st.integers(0, 1000))
def test_a_test_frame_in_training_is_named_however_it_is_turned(seed):
    train, test = copper(3, repeat=1), copper(4, repeat=1, seed=90)
    test[2] = moved(train[1], seed)
    first, second = as_set(train), as_set(test, "test.extxyz")
    (finding,) = twins([first], [second])
    assert (finding.sign, finding.verdict) == ("overlap", Verdict.WARNING)
    assert finding.numbers == {"frames": 1, "of": 4}
    assert finding.frames == (f"{second.called(2)} = {first.called(1)}",)
    assert first.short(1) in finding.text
    assert second.short(2) in finding.text


def test_a_frame_that_is_merely_near_is_none(good):
    near = [moved(good[0], shift_A=0.02)]
    assert list(twins([as_set(good)], [as_set(near, "test.extxyz")])) == []


def test_a_test_set_inside_training_is_refused(good):
    (finding,) = [each for each in twins([as_set(good)], [as_set(good[:2], "test.extxyz")]) if each.sign == "overlap"]
    assert finding.verdict is Verdict.REFUSED


def test_twins_within_a_set_and_in_two_sets_count_once_each(good):
    more = [good[0], good[0], *copper(3, seed=70)]
    inside, across = twins([as_set(good), as_set(more, "more.extxyz")])
    assert (across.where, across.numbers["frames"]) == ("more.extxyz", 1)
    assert (inside.where, inside.numbers["frames"]) == ("train.extxyz and more.extxyz", 2)


def test_twins_whose_energies_disagree_are_named(good):
    off = relabelled(moved(good[1]), energy=lambda energy: energy + 0.32)
    found = {finding.sign: finding for finding in twins([as_set([*good, off])])}
    finding = found["disagreeing twins"]
    assert finding.numbers["pairs"] == 1
    assert abs(finding.numbers["largest_meV_per_atom"] - 10.0) < 1e-6
    assert "disagreeing twins" not in {finding.sign for finding in twins([as_set([*good, moved(good[1])])])}


def test_a_trajectory_on_both_sides_is_told():
    train = copper(3, trajectory=["a", "a", "b"])
    test = copper(3, seed=40, trajectory=["b", "c", "b"])
    (finding,) = twins([as_set(train)], [as_set(test, "test.extxyz")])
    assert (finding.sign, finding.numbers["frames"]) == ("shared trajectory", 2)
    assert list(twins([as_set(copper(3))], [as_set(copper(3, seed=40), "test.extxyz")])) == []
