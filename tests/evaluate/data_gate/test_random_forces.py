"""Forces that are random, reversed or empty are told from real ones, without a model and with one."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.evaluate.data_gate.conftest import as_set, copper, relabelled, with_model

from pfd.evaluate.data_gate.finding import Verdict
from pfd.evaluate.data_gate.pair_forces import fit_pair_forces
from pfd.evaluate.data_gate.random_forces import net_ratio, random_forces
from pfd.frames import Labels, labels_of, with_labels


def verdicts(labelled):
    return [(finding.sign, finding.verdict) for finding in random_forces(labelled)]


def normal(frames, rng):
    return [relabelled(frame, forces=rng.normal(size=(len(frame), 3))) for frame in frames]


def shuffled(frames, rng):
    return [relabelled(frame, forces=rng.permutation) for frame in frames]


def of_other_frames(frames, rng):
    return [
        relabelled(frame, forces=labels_of(other).forces)
        for frame, other in zip(frames, [*frames[1:], frames[0]], strict=True)
    ]


def heavy_tailed(frames, rng):
    found = [rng.standard_t(3, size=(len(frame), 3)) for frame in frames]
    return [relabelled(frame, forces=each - each.mean(axis=0)) for frame, each in zip(frames, found, strict=True)]


def test_real_forces_are_fine(good):
    (finding,) = random_forces(as_set(good))
    assert finding.verdict is Verdict.FINE
    assert finding.numbers["pair_cosine"] > 0.9
    assert finding.numbers["restoring_cosine"] > 0.3
    assert finding.numbers["net_force_ratio"] < 1e-9


@pytest.mark.parametrize("spoil", [normal, shuffled, of_other_frames, heavy_tailed])
def test_forces_of_nothing_are_refused_without_a_model(good, rng, spoil):
    finding = next(iter(random_forces(as_set(spoil(good, rng)))))
    assert (finding.sign, finding.verdict) == ("random forces", Verdict.REFUSED)
    assert abs(finding.numbers["pair_cosine"]) < 0.15
    assert "labels forces=KEY" in finding.hint


def test_random_numbers_show_every_sign(good, rng):
    finding = next(iter(random_forces(with_model(normal(good, rng), good))))
    assert finding.verdict is Verdict.REFUSED
    assert abs(finding.numbers["model_cosine"]) < 0.1
    assert abs(finding.numbers["restoring_cosine"]) < 0.1
    assert 0.5 < finding.numbers["net_force_ratio"] < 1.6
    assert abs(finding.numbers["excess_kurtosis"]) < 0.4


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), count=st.integers(4, 8), scale=st.floats(0.2, 20.0))
def test_no_random_set_passes_and_no_real_one_is_refused(seed, count, scale):
    frames = copper(count, seed=seed)
    assert verdicts(as_set(frames)) == [("random forces", Verdict.FINE)]
    rng = np.random.default_rng(seed)
    spoilt = [relabelled(frame, forces=rng.normal(scale=scale, size=(len(frame), 3))) for frame in frames]
    assert verdicts(as_set(spoilt))[0] == ("random forces", Verdict.REFUSED)


def test_a_model_that_agrees_saves_forces_that_pairs_do_not_explain(good, rng):
    spoilt = shuffled(good, rng)
    (finding,) = random_forces(with_model(spoilt, spoilt))
    assert finding.verdict is Verdict.FINE


def test_few_frames_are_not_judged_and_a_model_is_asked_for():
    frame = copper(1, repeat=1)
    (finding,) = random_forces(as_set(frame))
    assert finding.verdict is Verdict.WARNING
    assert "only 4 atoms" in finding.text
    assert "--against" in finding.hint


def test_forces_near_a_minimum_are_not_judged(rng):
    still = [relabelled(frame, forces=lambda forces: 1e-3 * forces) for frame in copper(8)]
    (finding,) = random_forces(as_set(still))
    assert finding.verdict is Verdict.WARNING
    assert "only 0 atoms" in finding.text


def test_a_set_without_forces_has_no_such_finding(good):
    assert verdicts(as_set([relabelled(frame, forces=None) for frame in good])) == []


def test_single_frames_with_random_forces_are_named(good, rng):
    some = [*good, *copper(12, seed=50)]
    some[5] = normal(some[5:6], rng)[0]
    fine, odd = random_forces(as_set(some))
    assert fine.verdict is Verdict.FINE
    assert odd.verdict is Verdict.WARNING
    assert odd.frames == (as_set(some).called(5),)
    assert "train.extxyz frame 5 (f" in odd.frames[0]


def test_many_frames_with_random_forces_refuse_the_set(good, rng):
    some = [*copper(20, seed=50), *normal(good[:5], rng)]
    assert ("random forces", Verdict.REFUSED) in verdicts(as_set(some))


def test_a_frame_that_the_model_agrees_with_is_not_named(good, rng):
    some = [*good, *copper(12, seed=50)]
    some[5] = normal(some[5:6], rng)[0]
    assert verdicts(with_model(some, some)) == [("random forces", Verdict.FINE)]


def test_gradients_in_the_place_of_forces_are_refused_with_a_model_and_warned_of_without(good):
    turned = [relabelled(frame, forces=lambda forces: -forces) for frame in good]
    assert ("reversed forces", Verdict.REFUSED) in verdicts(with_model(turned, good))
    assert ("reversed forces", Verdict.WARNING) in verdicts(as_set(turned))


def test_zeros_that_fill_a_gap_are_refused_and_zeros_of_symmetry_are_not(good):
    filled = [relabelled(good[0], forces=np.zeros_like), *good[1:]]
    (zero, *_) = random_forces(as_set(filled))
    assert (zero.sign, zero.verdict, zero.frames) == ("zero forces", Verdict.REFUSED, (as_set(filled).called(0),))
    crystal = with_labels(bulk("Cu", cubic=True), Labels(-1.0, np.zeros((4, 3))))
    alone = with_labels(Atoms("Cu"), Labels(0.0, np.zeros((1, 3))))
    assert [sign for sign, _ in verdicts(as_set([crystal, alone, *good]))] == ["random forces"]


def test_molecules_and_mixtures_are_fitted(rng):
    from ase.build import molecule

    frames, forces = [], []
    for name in ("CH3CH2OH", "C6H6", "H2O", "LiF"):
        for seed in range(6):
            frame = molecule(name)
            frame.rattle(0.1, seed=seed)
            frames.append(frame)
            forces.append(5.0 * (molecule(name).positions - frame.positions))
    fitted = fit_pair_forces(frames, forces)
    assert fitted.mean() > 0.3
    assert abs(fit_pair_forces(frames, [rng.permutation(each) for each in forces]).mean()) < 0.2


def test_the_fit_does_not_change_under_rotation_and_reordering(good, rng):
    forces = [labels_of(frame).forces for frame in good]
    turned = [frame.copy() for frame in good]
    for frame in turned:
        frame.rotate(40, (1, 2, 3), rotate_cell=True)
    matrix = np.linalg.lstsq(good[0].cell.array, turned[0].cell.array)[0]
    before = fit_pair_forces(good, forces)
    after = fit_pair_forces(turned, [each @ matrix for each in forces])
    np.testing.assert_allclose(before.cosine, after.cosine, atol=1e-6)


def test_large_sets_are_looked_at_in_part(good, monkeypatch):
    from pfd.evaluate.data_gate import pair_forces

    monkeypatch.setattr(pair_forces, "MOST_ATOMS", 70)
    fitted = fit_pair_forces(good, [labels_of(frame).forces for frame in good])
    assert fitted.atoms == 70
    assert len(set(fitted.frame.tolist())) == 3


def test_many_elements_share_one_kind_of_pair(good, monkeypatch):
    from pfd.evaluate.data_gate import pair_forces

    mixed = [frame.copy() for frame in good]
    for frame in mixed:
        frame.numbers[:10] = range(21, 31)
    forces = [labels_of(frame).forces for frame in good]
    assert fit_pair_forces(mixed, forces).mean() > 0.3  # 11 elements make 66 kinds
    monkeypatch.setattr(pair_forces, "MOST_KINDS", 0)
    assert fit_pair_forces(good, forces).mean() > 0.9


@given(st.integers(0, 1000))
def test_net_ratio_is_zero_for_balanced_and_one_for_equal_forces(seed):
    forces = np.random.default_rng(seed).normal(size=(7, 3))
    assert net_ratio(forces - forces.mean(axis=0)) == pytest.approx(0.0, abs=1e-12)
    assert net_ratio(np.ones((1, 3))) == pytest.approx(1.0)
    assert net_ratio(np.zeros((4, 3))) == 0.0
