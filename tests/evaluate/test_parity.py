"""Parity points: true to the data, thinned without hiding outliers."""

from __future__ import annotations

import json

import numpy as np
from ase import Atoms

from pfd.evaluate import parity_points
from pfd.frames import EnergyShift, Labels, with_labels


def cubes(count: int, atoms: int = 2):
    random = np.random.default_rng(0)
    frames, predicted = [], []
    for _ in range(count):
        frame = Atoms(f"Si{atoms}", positions=random.uniform(0, 5, (atoms, 3)), cell=[5.0, 5.0, 5.0], pbc=True)
        labels = Labels(float(random.normal()), random.normal(size=(atoms, 3)), random.normal(size=6) * 0.01)
        frames.append(with_labels(frame, labels))
        predicted.append(Labels(labels.energy, labels.forces + 0.01 * random.normal(size=(atoms, 3)), labels.stress))
    return frames, predicted


def test_few_points_are_all_there_in_order():
    frames, predicted = cubes(3)
    points = parity_points(frames, predicted)
    assert np.allclose(points.force_eV_per_A.label, np.concatenate([f.get_forces() for f in frames]).ravel(), rtol=1e-5)
    assert points.force_eV_per_A.total == 18
    assert len(points.stress_GPa.label) == 18
    assert np.isclose(np.mean(points.energy_meV_per_atom.label), 0, atol=1e-2)


def test_energies_share_one_origin_and_carry_the_shift():
    frames, predicted = cubes(4)
    moved = parity_points(frames, predicted, EnergyShift({"Si": 0.5})).energy_meV_per_atom
    assert np.allclose(np.subtract(moved.predicted, moved.label), 500, atol=1e-2)


def test_thinning_keeps_the_budget_the_outlier_and_every_direction():
    frames, predicted = cubes(400, atoms=4)
    predicted[123].forces[2, 1] = 77.0
    points = parity_points(frames, predicted, max_points=500).force_eV_per_A
    assert len(points.label) == len(points.predicted) == 500
    assert points.total == 4800
    assert 77.0 in points.predicted
    order = {
        round(value, 4): index for index, value in enumerate(np.concatenate([f.get_forces() for f in frames]).ravel())
    }
    found = [order[round(value, 4)] % 3 for value in points.label if round(value, 4) in order]
    assert min(np.bincount(found, minlength=3)) > 100
    assert points == parity_points(frames, predicted, max_points=500).force_eV_per_A


def test_frames_without_a_finite_prediction_are_counted():
    frames, predicted = cubes(3)
    predicted[1].forces[0, 0] = np.nan
    points = parity_points(frames, predicted).force_eV_per_A
    assert (points.total, points.left_out) == (12, 6)
    json.dumps(parity_points(frames, predicted).model_dump(mode="json"), allow_nan=False)


def test_nothing_labelled_is_no_plot():
    assert parity_points([], []).force_eV_per_A is None
    assert parity_points([Atoms("H", cell=[5, 5, 5], pbc=True)], [Labels(1.0)]).energy_meV_per_atom is None


def test_each_point_knows_its_frame_and_its_place_in_it():
    frames, predicted = cubes(40, atoms=4)
    predicted[3].forces[0, 0] = np.nan  # no point of this frame, and the others keep their numbers
    for number, frame in enumerate(frames):
        frame.info["id"] = f"f{number}"
    parity = parity_points(frames, predicted, max_points=100)
    assert parity.frames[17] == "f17"
    points = parity.force_eV_per_A
    assert 3 not in points.frame
    for label, frame, place in zip(points.label, points.frame, points.place, strict=True):
        assert np.isclose(label, frames[frame].get_forces().ravel()[place], rtol=1e-5)
    stress = parity_points(frames, predicted).stress_GPa
    assert [stress.place[:7], stress.frame[5:7]] == [(0, 1, 2, 3, 4, 5, 0), (0, 1)]
    assert parity.energy_meV_per_atom.frame == tuple(range(40))
    del frames[5].info["id"]
    assert parity_points(frames, predicted).frames == ()
