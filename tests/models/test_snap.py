"""SNAP: fitted, checked against its pair style, and the number of its descriptors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from tests.models.test_pod import frames, rms

from pfd.errors import ModelError, SettingError
from pfd.frames import labels_of
from pfd.models.family import Model, write_model
from pfd.models.linear_potential import Descriptors
from pfd.models.snap import SNAP, SNAPFitSettings
from pfd.models.snap_potential import SNAPPotential

pytestmark = pytest.mark.lammps


def fit(folder: Path, *, two: bool, **settings: object) -> tuple[float, int]:
    """Force error relative to the RMS force on frames that were not trained on, and the number of coefficients."""
    card, _ = SNAP().fit(
        folder, frames(50, 0, two=two), frames(6, 1, two=two), SNAPFitSettings(cutoff_A=4.5, **settings), seed=0
    )
    write_model(folder, Model(card=card))
    test = frames(5, 2, two=two)
    predicted = SNAP().predict(folder, test)
    wrong = [p.forces - labels_of(frame).forces for p, frame in zip(predicted, test, strict=True)]
    return rms(wrong) / rms([labels_of(frame).forces for frame in test]), card.parameters


@pytest.mark.parametrize(
    ("two", "settings", "count", "limit"),
    [
        (False, {"size": "S"}, 1 + 30, 0.1),
        (False, {"twojmax": 4}, 1 + 14, 0.2),
        (True, {"twojmax": 4}, 2 * (1 + 14 * 8), 0.15),
    ],
)
def test_it_learns_and_its_pair_style_agrees(tmp_path, two, settings, count, limit):
    error, parameters = fit(tmp_path, two=two, **settings)
    assert parameters == count == SNAP().coefficients(SNAPFitSettings(**settings), 1 + two)
    assert error < limit


def test_products_are_descriptors_too(tmp_path):
    potential = SNAPPotential(elements=("Si",), cutoff_A=4.5, twojmax=2, quadratic=True)
    potential.write(tmp_path)
    with potential.descriptors(tmp_path) as descriptors:
        energy, forces = descriptors.of(bulk("Si", cubic=True))
    assert len(energy) == 1 + potential.count == 1 + 5 * 8 // 2
    assert forces.shape == (24, 21)
    assert np.abs(forces).max() < 1e-8  # a perfect crystal


@pytest.mark.parametrize("two", [False, True])
def test_its_own_virial_is_the_strain_derivative(tmp_path, two):
    potential = SNAPPotential(elements=("C", "Si") if two else ("Si",), cutoff_A=4.5, twojmax=4)
    potential.write(tmp_path)
    frame = frames(1, 0, two=two)[0]
    frame.rotate(40, (1, 2, 3), rotate_cell=True)  # LAMMPS turns it back
    with potential.descriptors(tmp_path) as descriptors:
        own, differences = descriptors.stress(frame), Descriptors.stress(descriptors, frame)
    assert np.abs(own).max() > 0.01
    assert np.allclose(own, differences, atol=1e-6 * np.abs(own).max())


def test_an_energy_shift_moves_the_energies_only(tmp_path):
    fit(tmp_path, two=True, twojmax=2)
    frame = frames(1, 5)[0]
    before = SNAP().predict(tmp_path, [frame])[0]
    SNAP().add_energy_shift(tmp_path, {"Si": 2.0, "C": -1.0})
    after = SNAP().predict(tmp_path, [frame])[0]
    silicon = frame.get_chemical_symbols().count("Si")
    assert after.energy - before.energy == pytest.approx(2.0 * silicon - (8 - silicon), abs=1e-9)
    assert after.forces == pytest.approx(before.forces, abs=1e-12)


def test_a_copy_gives_the_same_and_what_is_no_model_is_refused(tmp_path):
    first, copy, empty = tmp_path / "first", tmp_path / "copy", tmp_path / "empty"
    for folder in (first, copy, empty):
        folder.mkdir()
    fit(first, two=False, twojmax=2)
    SNAP().adopt(str(first), None, copy)
    frame = frames(1, 5, two=False)[0]
    one, two = (SNAP().predict(folder, [frame])[0] for folder in (first, copy))
    assert one.energy == two.energy
    with pytest.raises(ModelError, match=r"snap\.json is missing"):
        SNAP().adopt(str(empty), None, copy)


def test_too_many_descriptors_are_refused(tmp_path):
    with pytest.raises(SettingError, match="SNAP L of 2 elements has 194922 coefficients"):
        fit(tmp_path, two=True, size="L")
