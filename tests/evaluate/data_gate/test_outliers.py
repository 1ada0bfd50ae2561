"""Single frames far from the rest, and how many independent frames a trajectory is worth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.evaluate.data_gate.conftest import as_set, copper, relabelled, with_model

from pfd.evaluate.data_gate.content import content
from pfd.evaluate.data_gate.correlated import correlated, statistical_inefficiency, trajectories
from pfd.evaluate.data_gate.finding import GateReport, Verdict
from pfd.evaluate.data_gate.outliers import outliers
from pfd.frames import labels_of, with_labels
from pfd.testing.toy_labeler import ToyLabeler, ToyLabelerSettings


def by_sign(found):
    return {finding.sign: finding for finding in found}


def test_a_good_set_has_none(good):
    assert list(outliers(as_set(good))) == []
    assert list(outliers(with_model(good, good))) == []


def test_a_large_force_is_named_with_its_share(good):
    def pushed(forces):
        forces = forces.copy()
        forces[:2] = [[400.0, 0, 0], [-400.0, 0, 0]]
        return forces

    more = [*good, *copper(8, seed=30)]
    more[3] = relabelled(more[3], forces=pushed)
    finding = by_sign(outliers(as_set(more)))["large forces"]
    assert finding.frames == (as_set(more).called(3),)
    assert finding.numbers["largest_eV_per_A"] == pytest.approx(400.0)
    assert finding.numbers["share"] > 0.9
    assert finding.verdict is Verdict.WARNING


def test_a_net_force_is_named(good):
    pushed = [relabelled(good[0], forces=lambda forces: forces + 1.0), *good[1:]]
    finding = by_sign(outliers(as_set(pushed)))["net force"]
    assert finding.frames == (as_set(pushed).called(0),)
    assert finding.numbers["largest_eV_per_A"] == pytest.approx(32 * np.sqrt(3.0))


@pytest.mark.parametrize(("with_it", "off_eV"), [(True, 0.2), (False, 2.0)])
def test_an_energy_off_the_line_is_named(good, with_it, off_eV):
    def raised(frame):
        return relabelled(frame, energy=lambda energy: energy + off_eV * len(frame))

    bad = [*good[:4], raised(good[4]), *good[5:]]
    finding = by_sign(outliers(with_model(bad, good) if with_it else as_set(bad)))["energy outliers"]
    assert finding.frames == (as_set(bad).called(4),)
    assert finding.numbers["largest_meV_per_atom"] == pytest.approx(1000 * off_eV, rel=0.2)


def test_few_frames_have_no_outliers(good):
    bad = [relabelled(good[0], energy=1e4), good[1]]
    assert "energy outliers" not in by_sign(outliers(as_set(bad)))


def test_contents_are_counted(good):
    magnetic = good[0].copy()
    magnetic.set_initial_magnetic_moments([1.0] * 32)
    frames = [*good, with_labels(magnetic, labels_of(good[0])), relabelled(good[1], forces=None, stress=None)]
    found = by_sign(content(as_set(frames)))
    assert found["content"].numbers == {
        "frames": 10, "energy": 10, "forces": 9, "stress": 9, "moments": 1, "compositions": 1,
    }  # fmt: skip
    assert "10 of Cu32" in found["content"].text
    assert found["missing labels"].frames == (as_set(frames).called(9),)
    assert "--labels forces=KEY" in found["missing labels"].hint


def test_one_energy_for_all_is_refused(good):
    same = [relabelled(frame, energy=0.0) for frame in good]
    assert by_sign(content(as_set(same)))["constant energy"].verdict is Verdict.REFUSED
    assert "constant energy" not in by_sign(content(as_set(good)))
    assert "constant energy" not in by_sign(content(as_set([good[0]] * 4)))


def test_two_levels_of_theory_are_refused(good):
    frames = [frame.copy() for frame in good]
    for frame, copy in zip(good, frames, strict=True):
        copy.calc = frame.calc
        copy.info["level_of_theory"] = "PBE"
    assert by_sign(content(as_set(frames)))["level of theory"].verdict is Verdict.FINE
    frames[2].info["level_of_theory"] = "SCAN"
    finding = by_sign(content(as_set(frames)))["level of theory"]
    assert finding.verdict is Verdict.REFUSED
    assert "PBE in 7, SCAN in 1" in finding.text


def slow(count=40, step_A=0.004):
    """Frames of a slow drift from one displaced crystal to another."""
    labeler = ToyLabeler(ToyLabelerSettings())
    first = copper(1, deviation_A=0.05)[0]
    direction = np.random.default_rng(2).normal(size=first.positions.shape)
    frames = []
    for number in range(count):
        frame = first.copy()
        frame.positions += step_A * number * direction
        frame.info.update(trajectory="drift", step=number)
        frames.append(with_labels(frame, labeler.run(frame, Path()).labels))
    return frames


def test_a_slow_trajectory_is_worth_few_frames_and_its_energies_are_the_work_of_its_forces():
    frames = slow()
    found = by_sign(correlated(as_set(frames)))
    assert found["autocorrelation"].verdict is Verdict.WARNING
    assert found["autocorrelation"].numbers["independent"] < 8
    assert found["energy and work"].verdict is Verdict.FINE
    assert found["energy and work"].numbers["slope"] == pytest.approx(1.0, abs=0.02)


def test_energies_that_are_not_the_work_of_the_forces_are_a_warning():
    off = [relabelled(frame, energy=lambda energy: energy / 27.2114) for frame in slow()]
    finding = by_sign(correlated(as_set(off)))["energy and work"]
    assert finding.verdict is Verdict.WARNING
    assert finding.numbers["slope"] == pytest.approx(1 / 27.2114, rel=0.02)


def test_independent_frames_are_worth_all_of_themselves():
    found = by_sign(correlated(as_set(copper(24))))
    assert found["autocorrelation"].numbers == {
        "frames": 24,
        "independent": pytest.approx(24, rel=0.25),
        "trajectories": 1,
    }
    assert found["autocorrelation"].verdict is Verdict.FINE


def test_a_trajectory_is_ordered_by_its_steps_and_others_are_kept_apart():
    frames = slow(6)
    other = copper(2, repeat=1)
    mixed = [frames[3], frames[0], *other, frames[5], frames[1]]
    assert trajectories(as_set(mixed)) == [[1, 5, 0, 4], [2, 3]]


@pytest.mark.parametrize("memory", [0.0, 0.5, 0.8])
def test_the_inefficiency_of_an_autoregressive_series(memory):
    found = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        series = np.zeros((1000, 3))
        for index in range(1, len(series)):
            series[index] = memory * series[index - 1] + rng.normal(size=3)
        found.append(statistical_inefficiency(series))
    assert np.mean([each[0] for each in found]) == pytest.approx((1 + memory) / (1 - memory), rel=0.15)
    assert np.mean([each[1] for each in found]) == pytest.approx(memory, abs=0.03)


def test_the_report_has_the_worst_verdict(good):
    findings = (*content(as_set(good)), *content(as_set([relabelled(frame, energy=0.0) for frame in good])))
    assert GateReport(findings=findings[:1]).exit_code == 0
    report = GateReport(findings=findings)
    assert (report.verdict, report.exit_code) == (Verdict.REFUSED, 2)
    assert len(report.of("content")) == 2


def both(frames, off_eV, **more):
    """Frames that say what the energy extrapolated to zero smearing is."""
    copies = [relabelled(frame) for frame in frames]
    for copy in copies:
        copy.info |= {"label_energy_sigma0_eV": labels_of(copy).energy + off_eV, **more}
    return copies


@pytest.mark.parametrize(("off_eV", "count", "verdict"), [(0.5, 8, "FINE"), (0.5, 5, "WARNING"), (0.001, 5, "FINE")])
def test_the_kind_of_the_energies_is_told_and_a_mixture_is_a_warning(good, off_eV, count, verdict):
    frames = [*both(good[:count], off_eV), *good[count:]]
    finding = by_sign(content(as_set(frames)))["energy convention"]
    assert finding.verdict == verdict
    assert finding.numbers["rms_meV_per_atom"] == pytest.approx(1000 * off_eV / 32)
    assert finding.numbers["frames"] == count
