"""Errors by hand, their invariants, and what is said of predictions that are not there."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111
from hypothesis import given, settings
from hypothesis import strategies as st

from pfd.errors import DataError
from pfd.evaluate import ErrorReport, error_report
from pfd.frames import EnergyShift, Labels, with_labels
from pfd.units import GPA_PER_EV_PER_A3

VOIGT = np.arange(1.0, 7.0) * 0.01


def frame(symbols: str = "Si2", **info) -> Atoms:
    positions = np.arange(3 * len(Atoms(symbols))).reshape(-1, 3) * 0.9
    atoms = Atoms(symbols, positions=positions, cell=[5.0, 5.0, 5.0], pbc=True)
    atoms.info.update(info)
    return atoms


def random_set(count: int, seed: int, symbols: str = "SiO2"):
    random = np.random.default_rng(seed)
    labelled, predicted = [], []
    for index in range(count):
        atoms = frame(symbols, temperature_K=[300, 600.0][index % 2], group=f"g{index % 3}")
        labels = Labels(random.normal() * 3, random.normal(size=(len(atoms), 3)), random.normal(size=6) * 0.01)
        labelled.append(with_labels(atoms, labels))
        noise = random.normal(size=(len(atoms), 3)) * 0.1
        predicted.append(
            Labels(labels.energy + random.normal() * 0.02, labels.forces * 0.9 + noise, labels.stress * 1.1)
        )
    return labelled, predicted


def test_two_atoms_by_hand():
    label = Labels(-10.0, np.array([[1.0, 0, 0], [-1.0, 0, 0]]), VOIGT)
    guess = Labels(-10.4, np.array([[0.5, 0, 0], [-0.5, 0.3, 0]]), VOIGT + 0.01)
    report = error_report([with_labels(frame(), label)], [guess])
    assert report.frames == report.energy_frames == report.force_frames == report.stress_frames == 1
    assert report.energy_rmse_meV_per_atom == pytest.approx(200.0)
    assert report.energy_mae_meV_per_atom == pytest.approx(200.0)
    assert report.force_rmse_meV_per_A == pytest.approx(1000 * np.sqrt((0.25 + 0.25 + 0.09) / 6))
    assert report.force_mae_meV_per_A == pytest.approx(1000 * 1.3 / 6)
    assert report.force_rms_label_meV_per_A == pytest.approx(1000 * np.sqrt(2 / 6))
    assert report.force_rmse_relative == pytest.approx(np.sqrt(0.59 / 2))
    assert report.force_slope == pytest.approx(0.5)
    assert report.stress_rmse_GPa == pytest.approx(0.01 * GPA_PER_EV_PER_A3)
    assert report.force_rmse_interval is None  # one frame says nothing of its spread
    assert report.by_group == {}


def test_errors_by_depth_below_the_surfaces_of_slabs():
    slab = fcc111("Cu", size=(1, 1, 5), a=3.6, vacuum=8.0, periodic=True)
    forces = np.zeros((5, 3))
    wrong = np.array([[3.0, 0, 0], [0.2, 0, 0], [0.1, 0, 0], [0.2, 0, 0], [3.0, 0, 0]])
    labelled = [with_labels(slab, Labels(0.0, forces)), with_labels(bulk("Cu"), Labels(0.0, np.zeros((1, 3))))]
    report = error_report(labelled, [Labels(0.0, wrong), Labels(0.0, np.full((1, 3), 9.0))])
    assert {name: own.atoms for name, own in report.by_depth.items()} == {"0 to 2": 2, "2 to 4": 2, "4 to 6": 1}
    worst = [own.force_rmse_meV_per_A for own in report.by_depth.values()]
    assert worst == pytest.approx([1000 * each / np.sqrt(3.0) for each in (3.0, 0.2, 0.1)])
    assert error_report(labelled[1:], [Labels(0.0, np.zeros((1, 3)))]).by_depth == {}


def test_the_shift_mends_energies_and_nothing_else():
    frames = [frame("Si2"), frame("SiO")]
    energies = [-8.0, -7.0]
    labelled = [with_labels(f, Labels(e, np.ones((2, 3)))) for f, e in zip(frames, energies, strict=True)]
    predicted = [Labels(e - d, np.ones((2, 3))) for e, d in zip(energies, (2.0, 1.5), strict=True)]
    report = error_report(labelled, predicted, EnergyShift({"Si": 1.0, "O": 0.5}))
    assert report.energy_rmse_meV_per_atom == pytest.approx(0.0, abs=1e-9)
    assert report.unshifted_energy_rmse_meV_per_atom == pytest.approx(1000 * np.sqrt((1.0 + 0.75**2) / 2))
    assert report.unshifted_energy_mae_meV_per_atom == pytest.approx(875.0)
    assert report.force_rmse_meV_per_A == 0.0
    assert report.shift_eV == {"Si": 1.0, "O": 0.5}


def test_elements_and_groups_are_told_apart():
    cold = with_labels(frame("SiO", temperature_K=300), Labels(0.0, np.array([[1.0, 0, 0], [2.0, 0, 0]])))
    hot = with_labels(frame("SiO", temperature_K=1500.0), Labels(0.0, np.array([[3.0, 0, 0], [0, 0, 0]])))
    guess = Labels(0.0, np.array([[1.0, 0, 0], [0, 0, 0]]))
    report = error_report([cold, hot], [guess, guess])
    assert report.by_element["Si"].force_rmse_meV_per_A == pytest.approx(1000 * np.sqrt(4 / 6))
    assert report.by_element["Si"].force_rmse_relative == pytest.approx(np.sqrt(4 / 10))
    assert report.by_element["O"].force_mae_meV_per_A == pytest.approx(1000 * 2 / 6)
    assert report.by_element["O"].atoms == 2
    assert list(report.by_group["temperature_K"]) == ["300", "1500"]
    assert report.by_group["temperature_K"]["300"].force_rmse_meV_per_A == pytest.approx(1000 * np.sqrt(4 / 6))
    assert list(report.by_group) == ["temperature_K"]


def test_frames_that_state_no_condition_are_a_group_of_their_own():
    labels = Labels(0.0, np.ones((2, 3)))
    labelled = [with_labels(frame(temperature_K=300), labels), with_labels(frame(), labels)]
    report = error_report(labelled, [labels, labels])
    assert {key: errors.frames for key, errors in report.by_group["temperature_K"].items()} == {
        "300": 1,
        "not stated": 1,
    }


def test_missing_labels_leave_their_figures_out():
    report = error_report([with_labels(frame(), Labels(forces=np.ones((2, 3))))], [Labels(1.0, np.ones((2, 3)), VOIGT)])
    assert (report.energy_frames, report.force_frames, report.stress_frames) == (0, 1, 0)
    assert report.energy_rmse_meV_per_atom is None
    assert report.stress_rmse_GPa is None
    assert report.force_rmse_meV_per_A == 0.0


def test_stress_counts_on_bulk_frames_only():
    slab = frame()
    slab.set_cell([5.0, 5.0, 30.0])
    labelled = [with_labels(atoms, Labels(0.0, np.zeros((2, 3)), VOIGT)) for atoms in (frame(), slab)]
    guesses = [Labels(0.0, np.zeros((2, 3)), VOIGT), Labels(0.0, np.zeros((2, 3)), VOIGT + 9.0)]
    report = error_report(labelled, guesses)
    assert report.stress_frames == 1
    assert report.stress_rmse_GPa == 0.0
    assert report.force_rmse_relative is None  # all label forces are zero: nothing to compare with
    assert report.force_slope is None


@pytest.mark.parametrize("broken", [np.nan, np.inf, 1e306])
def test_predictions_that_are_not_finite_are_a_result(broken):
    labels = Labels(0.0, np.ones((2, 3)))
    labelled = [with_labels(frame(temperature_K=t), labels) for t in (300, 300, 600)]
    forces = np.ones((2, 3))
    forces[1, 2] = broken
    report = error_report(labelled, [labels, Labels(0.0, forces), labels])
    assert report.bad_forces == 1
    assert report.force_rmse_meV_per_A is None
    assert report.force_rmse_interval is None
    assert report.energy_rmse_meV_per_atom == 0.0
    assert report.by_group["temperature_K"]["300"].bad_forces == 1
    assert report.by_group["temperature_K"]["600"].force_rmse_meV_per_A == 0.0
    assert report.by_element["Si"].force_rmse_meV_per_A is None


def test_a_prediction_that_is_missing_is_a_bad_one():
    labelled = [with_labels(frame(), Labels(0.0, np.ones((2, 3)), VOIGT))]
    report = error_report(labelled, [Labels(None, None, None)])
    assert (report.bad_energies, report.bad_forces, report.bad_stresses) == (1, 1, 1)


def test_an_empty_set_is_a_report_without_figures():
    report = error_report([], [])
    assert report.frames == 0
    assert report.force_rmse_meV_per_A is None
    assert report.by_element == {}


def test_what_does_not_fit_is_refused():
    labels = Labels(0.0, np.ones((2, 3)))
    labelled = with_labels(frame(), labels)
    with pytest.raises(DataError, match="1 labelled frames stand beside 0"):
        error_report([labelled], [])
    with pytest.raises(DataError, match="shape"):
        error_report([labelled], [Labels(0.0, np.ones((3, 3)))])
    with pytest.raises(DataError, match="label is NaN"):
        error_report([with_labels(frame(), Labels(np.nan))], [labels])


def test_report_survives_json():
    report = error_report(*random_set(6, 0), EnergyShift({"Si": 0.1}))
    assert ErrorReport.model_validate_json(report.model_dump_json()) == report


def test_intervals_are_over_trajectories_and_say_where_there_are_too_few():
    labelled, predicted = random_set(15, 1)
    alone = error_report(labelled, predicted)
    assert alone.trajectories == 1  # of unknown origin
    assert "one trajectory" in alone.interval_note
    for index, labels_frame in enumerate(labelled):
        labels_frame.info["trajectory"] = f"run {index // 3}"
        labels_frame.info["temperature_K"] = 300.0 if index < 3 else 600.0
    five = error_report(labelled, predicted)
    assert (five.trajectories, five.interval_note) == (5, "")
    assert five.force_rmse_meV_per_A == alone.force_rmse_meV_per_A
    assert five.force_rmse_interval != alone.force_rmse_interval
    cold, hot = (five.by_group["temperature_K"][key] for key in ("300", "600"))
    assert (cold.trajectories, hot.trajectories) == (1, 4)
    assert "too narrow" in cold.interval_note
    assert hot.interval_note == ""
    assert "2 trajectories" in error_report(labelled[:6], predicted[:6]).interval_note


def test_errors_are_told_by_group_and_by_structure():
    labelled, predicted = random_set(4, 1)
    for index, labels_frame in enumerate(labelled):
        labels_frame.info |= {"group": f"s0-g{index % 2}", "structure": index // 3}
    report = error_report(labelled, predicted)
    assert {key: errors.frames for key, errors in report.by_group["group"].items()} == {"s0-g0": 2, "s0-g1": 2}
    assert {key: errors.frames for key, errors in report.by_group["structure"].items()} == {"0": 3, "1": 1}


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), count=st.integers(2, 7), factor=st.floats(0.1, 10))
def test_errors_scale_with_the_residual_and_ignore_order(seed, count, factor):
    labelled, predicted = random_set(count, seed)
    report = error_report(labelled, predicted)
    backwards = error_report(labelled[::-1], predicted[::-1])
    assert backwards.force_rmse_meV_per_A == pytest.approx(report.force_rmse_meV_per_A)
    assert backwards.force_slope == pytest.approx(report.force_slope)
    stretched = [
        Labels(p.energy, f.calc.results["forces"] + factor * (p.forces - f.calc.results["forces"]), p.stress)
        for f, p in zip(labelled, predicted, strict=True)
    ]
    scaled = error_report(labelled, stretched)
    assert scaled.force_rmse_meV_per_A == pytest.approx(factor * report.force_rmse_meV_per_A)
    assert scaled.force_mae_meV_per_A == pytest.approx(factor * report.force_mae_meV_per_A)
    assert report.force_mae_meV_per_A <= report.force_rmse_meV_per_A
    low, high = report.force_rmse_interval
    assert low <= high


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), count=st.integers(2, 7))
def test_parts_make_up_the_whole(seed, count):
    labelled, predicted = random_set(count, seed)
    report = error_report(labelled, predicted)
    for groups in report.by_group.values():
        assert sum(errors.frames for errors in groups.values()) == report.frames
        squares = sum(errors.frames * errors.force_rmse_meV_per_A**2 for errors in groups.values())
        assert squares / report.frames == pytest.approx(report.force_rmse_meV_per_A**2)
    atoms = sum(element.atoms for element in report.by_element.values())
    squares = sum(element.atoms * element.force_rmse_meV_per_A**2 for element in report.by_element.values())
    assert squares / atoms == pytest.approx(report.force_rmse_meV_per_A**2)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_force_rmse_does_not_turn_with_the_axes(seed):
    labelled, predicted = random_set(3, seed)
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
    turned = [with_labels(f, Labels(0.0, f.calc.results["forces"] @ turn)) for f in labelled]
    guesses = [Labels(0.0, p.forces @ turn) for p in predicted]
    before, after = error_report(labelled, predicted), error_report(turned, guesses)
    assert after.force_rmse_meV_per_A == pytest.approx(before.force_rmse_meV_per_A)
    assert after.force_slope == pytest.approx(before.force_slope)
