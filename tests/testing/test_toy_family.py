"""The toys are honest physics in miniature: forces and stress are derivatives, and training lowers errors."""

from __future__ import annotations

import json

import numpy as np
import pytest
from ase.build import bulk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from pfd.errors import ModelError
from pfd.frames import Labels, labels_of, with_labels
from pfd.frames.frame import with_origin
from pfd.testing.toy_family import ToyFamily, ToyFineTuneSettings, ToyFitSettings
from pfd.testing.toy_labeler import ToyLabeler, ToyLabelerSettings
from pfd.testing.toy_potential import CUTOFF_A, MORSE_R0_A, design, evaluate, gaussians, morse

VOIGT = [(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)]
FAMILY = ToyFamily()


def copper(seed, size=1, displacement_A=0.15):
    """A sheared, rattled copper cell, so that nothing vanishes by symmetry."""
    atoms = bulk("Cu", cubic=True) * (size, 1, 1)
    random = np.random.default_rng(seed)
    atoms.set_cell(atoms.cell @ (np.eye(3) + 0.03 * random.normal(size=(3, 3))), scale_atoms=True)
    atoms.positions += displacement_A * random.normal(size=atoms.positions.shape)
    return with_origin(atoms)


def labelled(seeds, **options):
    labeler = ToyLabeler(ToyLabelerSettings(**options))
    return [with_labels(frame, labeler.run(frame, None).labels) for frame in map(copper, seeds)]


def force_rmse(folder, frames):
    """Root mean square difference of forces, eV/Å."""
    errors = []
    for frame in frames:
        copy = frame.copy()
        copy.calc = FAMILY.calculator(folder)
        errors.append(copy.get_forces() - labels_of(frame).forces)
    return float(np.sqrt(np.mean(np.concatenate(errors) ** 2)))


def energy(atoms, calculator):
    copy = atoms.copy()
    copy.calc = calculator
    return copy.get_potential_energy()


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    FAMILY.adopt("soft-copper", None, folder)
    return folder


# the potential


@pytest.mark.parametrize("functions", [gaussians(7), morse(), morse(0.7)], ids=["gaussians", "morse", "soft"])
def test_slopes_are_derivatives_and_vanish_smoothly_at_the_cutoff(functions):
    r, h = np.linspace(1.6, CUTOFF_A - 0.01, 60), 1e-5
    difference = (functions(r + h)[0] - functions(r - h)[0]) / (2 * h)
    np.testing.assert_allclose(functions(r)[1], difference, atol=1e-7)
    value, slope = functions(np.array([CUTOFF_A]))
    assert np.abs([value, slope]).max() < 1e-12


def test_the_morse_dimer_is_bound_near_the_tabulated_distance():
    r = np.linspace(2.0, 5.0, 3001)
    value = morse()(r)[0][:, 0]
    assert value.min() < 0
    assert abs(r[value.argmin()] - MORSE_R0_A) < 0.25  # the smooth cut-off draws it in


def test_forces_are_finite_differences_of_the_energy(model):
    atoms, calculator, h = copper(3), FAMILY.calculator(model), 1e-4
    atoms.calc = calculator
    forces = atoms.get_forces()
    assert np.abs(forces).max() > 0.1
    numeric = np.zeros_like(forces)
    for index in np.ndindex(forces.shape):
        ends = []
        for sign in (1, -1):
            moved = atoms.copy()
            moved.positions[index] += sign * h
            ends.append(energy(moved, calculator))
        numeric[index] = -(ends[0] - ends[1]) / (2 * h)
    np.testing.assert_allclose(forces, numeric, atol=1e-6)


def test_stress_is_the_strain_derivative_of_the_energy_per_volume(model):
    atoms, calculator, h = copper(4), FAMILY.calculator(model), 1e-5
    atoms.calc = calculator
    stress = atoms.get_stress()
    assert np.abs(stress).min() > 1e-4  # shear components too
    numeric = np.zeros(6)
    for component, (a, b) in enumerate(VOIGT):
        ends = []
        for sign in (1, -1):
            strain = np.zeros((3, 3))
            strain[a, b] += sign * h / 2
            strain[b, a] += sign * h / 2
            strained = atoms.copy()
            strained.set_cell(atoms.cell @ (np.eye(3) + strain), scale_atoms=True)
            ends.append(energy(strained, calculator))
        numeric[component] = (ends[0] - ends[1]) / (2 * h) / atoms.cell.volume
    np.testing.assert_allclose(stress, numeric, atol=1e-7)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_energy_and_forces_turn_and_permute_with_the_atoms(seed):
    atoms = copper(seed)
    calculator = labeler_calculator()
    atoms.calc = calculator
    before, forces = atoms.get_potential_energy(), atoms.get_forces().copy()
    rotation = Rotation.random(rng=np.random.default_rng(seed)).as_matrix()
    order = np.random.default_rng(seed).permutation(len(atoms))
    turned = atoms[order]
    turned.set_cell(turned.cell @ rotation.T)
    turned.positions = turned.positions @ rotation.T
    turned.calc = calculator
    assert turned.get_potential_energy() == pytest.approx(before, abs=1e-9)
    np.testing.assert_allclose(turned.get_forces(), forces[order] @ rotation.T, atol=1e-9)
    np.testing.assert_allclose(forces.sum(axis=0), 0.0, atol=1e-9)


def labeler_calculator():
    from pfd.testing.toy_potential import ToyCalculator

    return ToyCalculator(["Cu"], morse(), np.ones(1), {"Cu": -3.0})


def test_energy_is_extensive(model):
    atoms = copper(5)
    calculator = FAMILY.calculator(model)
    assert energy(atoms * (2, 1, 1), calculator) == pytest.approx(2 * energy(atoms, calculator), rel=1e-12)


def test_a_lone_atom_has_its_constant_and_no_forces(model):
    FAMILY.add_energy_shift(model, {"Cu": -1.5})
    atoms = copper(0)[[0]]
    atoms.set_cell(30 * np.eye(3))
    atoms.calc = FAMILY.calculator(model)
    assert atoms.get_potential_energy() == -1.5
    assert not atoms.get_forces().any()
    assert not atoms.get_stress().any()


# the family


def test_energy_shift_adds_per_atom_twice_if_asked_twice_and_leaves_forces_alone(model):
    atoms = copper(6)
    atoms.calc = FAMILY.calculator(model)
    before, forces = atoms.get_potential_energy(), atoms.get_forces().copy()
    for _ in range(2):
        FAMILY.add_energy_shift(model, {"Cu": 0.25})
    atoms.calc = FAMILY.calculator(model)
    assert atoms.get_potential_energy() == pytest.approx(before + 2 * 0.25 * len(atoms), abs=1e-12)
    np.testing.assert_array_equal(atoms.get_forces(), forces)


def test_fine_tuning_lowers_the_error_on_frames_it_has_not_seen(model):
    train, unseen = labelled(range(4)), labelled(range(50, 54))
    before = force_rmse(model, unseen)
    report = FAMILY.fine_tune(model, train, unseen, ToyFineTuneSettings(), seed=0)
    assert force_rmse(model, unseen) < 0.3 * before
    first, last = report.curve[0], report.curve[-1]
    assert last.loss < first.loss
    assert first.valid_force_rmse_eV_per_A == pytest.approx(before, rel=1e-9)
    assert last.valid_force_rmse_eV_per_A == pytest.approx(force_rmse(model, unseen), rel=1e-9)


def test_a_strong_pull_keeps_the_pre_trained_coefficients(model):
    before = json.loads((model / "toy.json").read_text())["coefficients"]
    FAMILY.fine_tune(model, labelled(range(2)), [], ToyFineTuneSettings(ridge=1e12), seed=0)
    after = json.loads((model / "toy.json").read_text())["coefficients"]
    np.testing.assert_allclose(after, before, atol=1e-6)


def test_a_fit_from_scratch_learns_and_is_the_same_bytes_each_time(tmp_path):
    train, unseen = labelled(range(6)), labelled(range(50, 53))
    texts = []
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        card, _ = FAMILY.fit(folder, train, [], ToyFitSettings(), seed=1)
        texts.append((folder / "toy.json").read_bytes())
    assert texts[0] == texts[1]
    assert card.elements == ("Cu",)
    assert card.parameters == 12
    scale = np.sqrt(np.mean(np.concatenate([labels_of(frame).forces for frame in unseen]) ** 2))
    assert force_rmse(folder, unseen) < 0.2 * scale


def test_a_saved_model_is_adopted_again_with_the_same_energies(model, tmp_path):
    again = tmp_path / "again"
    again.mkdir()
    card = FAMILY.adopt(str(model / "toy.json"), None, again)
    assert card.elements == ("Cu",)
    assert energy(copper(1), FAMILY.calculator(again)) == energy(copper(1), FAMILY.calculator(model))


@pytest.mark.parametrize(("source", "head"), [("hard-copper", None), ("soft-copper", "pbe")])
def test_unknown_sources_and_heads_are_refused(tmp_path, source, head):
    with pytest.raises(ModelError):
        FAMILY.adopt(source, head, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_elements_that_the_model_does_not_know_are_refused(model):
    frame = bulk("Ag", cubic=True)
    frame.rattle(0.1, seed=0)
    foreign = with_labels(with_origin(frame), Labels(-1.0, np.zeros((len(frame), 3))))
    with pytest.raises(ModelError, match="Ag"):
        FAMILY.fine_tune(model, [foreign], [], ToyFineTuneSettings(), seed=0)


# the labeler


def test_labels_differ_between_levels_by_their_constant_only():
    (low,), (high,) = labelled([0], constant_eV=-3.0), labelled([0], constant_eV=-1.0)
    assert labels_of(high).energy - labels_of(low).energy == pytest.approx(2.0 * len(low), abs=1e-12)
    np.testing.assert_array_equal(labels_of(high).forces, labels_of(low).forces)
    levels = {ToyLabeler(ToyLabelerSettings(constant_eV=value)).level_of_theory() for value in (-3.0, -1.0)}
    assert len(levels) == 2


@pytest.mark.parametrize(("fraction", "low", "high"), [(0.0, 0, 0), (0.3, 6, 34), (1.0, 60, 60)])
def test_rejections_come_in_the_asked_fraction_and_for_the_same_frames_each_time(fraction, low, high):
    labeler = ToyLabeler(ToyLabelerSettings(reject_fraction=fraction))
    first, again = ([labeler.run(copper(seed), None).converged for seed in range(60)] for _ in range(2))
    assert first == again
    assert low <= first.count(False) <= high


@given(st.integers(0, 2**31))
def test_the_quick_evaluation_is_that_of_the_design(seed):
    random = np.random.default_rng(seed)
    frame = bulk("NaCl", "rocksalt", a=5.6, cubic=True)
    frame.positions += random.normal(0, 0.2, (len(frame), 3))
    frame.pbc = random.integers(0, 2, 3).astype(bool)
    functions = gaussians(4)
    coefficients = random.normal(size=3 * 4)
    slow = design(frame, ("Cl", "Na"), functions).labels(coefficients)
    quick = evaluate(frame, ("Cl", "Na"), functions, coefficients)
    assert quick.energy == pytest.approx(slow.energy)
    np.testing.assert_allclose(quick.forces, slow.forces, atol=1e-12)
    np.testing.assert_allclose(quick.stress, slow.stress, atol=1e-14)
