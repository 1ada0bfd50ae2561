"""Virials become stresses, with the sign and the order that ASE gives them."""

from __future__ import annotations

import ase.io
import numpy as np
import pytest
from ase.build import bulk, molecule
from ase.calculators.emt import EMT

from pfd.errors import DataError
from pfd.frames import labels_of, read_frames
from pfd.frames.outside import read_outside

KEYS = ["virial", "virials", "REF_virials"]


def compressed_copper():
    """A strained cell, its ASE stress, and its virial by the definition: minus the slope of E with strain."""
    frame = bulk("Cu", cubic=True)
    frame.set_cell(frame.cell.array @ (0.96 * np.eye(3) + 0.02 * np.eye(3, k=1)), scale_atoms=True)
    frame.rattle(0.05, seed=1)
    calculator = EMT()
    virial = np.zeros((3, 3))
    for i in range(3):
        for j in range(3):
            strain = np.zeros((3, 3))
            strain[i, j] += 1e-5
            strain[j, i] += 1e-5
            energies = []
            for sign in (1, -1):
                copy = frame.copy()
                copy.set_cell(frame.cell.array @ (np.eye(3) + sign * strain / 2), scale_atoms=True)
                copy.calc = calculator
                energies.append(copy.get_potential_energy())
            virial[i, j] = -(energies[0] - energies[1]) / 2e-5
    frame.calc = calculator
    return frame, frame.get_stress(), virial


@pytest.mark.parametrize("key", KEYS)
def test_the_slope_of_the_energy_gives_the_stress_of_ase(tmp_path, key):
    frame, stress, virial = compressed_copper()
    plain = frame.copy()
    plain.info |= {"energy": frame.get_potential_energy(), key: virial}
    plain.arrays["forces"] = frame.get_forces()
    path = tmp_path / "set.xyz"
    ase.io.write(path, plain, format="extxyz")
    found = read_outside(path)
    assert found.counts == {"frames": 1, "energy": 1, "forces": 1, "stress": 1}
    assert stress[0] < 0.0
    np.testing.assert_allclose(labels_of(found.frames[0]).stress, stress, rtol=1e-4, atol=1e-6)


def write(path, text, lattice='Lattice="2 0 0 0 2 0 0 0 2" '):
    path.write_text(f"1\n{lattice}energy=-1.0 {text} Properties=species:S:1:pos:R:3\nCu 0 0 0\n")
    return path


def test_six_numbers_are_taken_in_voigt_order(tmp_path):
    (frame,) = read_frames(write(tmp_path / "a.xyz", 'virials="8 16 24 2 4 6"'))
    np.testing.assert_allclose(labels_of(frame).stress, [-1, -2, -3, -0.25, -0.5, -0.75])


def test_a_key_that_the_input_names_and_that_says_virial_is_one(tmp_path):
    path = write(tmp_path / "a.xyz", 'dft_virial="8 0 0 0 16 0 0 0 24"')
    assert labels_of(read_frames(path)[0]).stress is None
    (frame,) = read_frames(path, {"stress": "dft_virial"})
    np.testing.assert_allclose(labels_of(frame).stress, [-1, -2, -3, 0, 0, 0])


def test_a_stress_that_is_there_goes_before_a_virial(tmp_path):
    (frame,) = read_frames(write(tmp_path / "a.xyz", 'stress="1 0 0 0 1 0 0 0 1" virial="8 0 0 0 8 0 0 0 8"'))
    np.testing.assert_allclose(labels_of(frame).stress, [1, 1, 1, 0, 0, 0])
    assert "virial" not in frame.info


def test_a_molecule_has_no_stress(tmp_path):
    water = molecule("H2O")
    water.info |= {"energy": -1.0, "virial": np.eye(3)}
    ase.io.write(tmp_path / "a.xyz", water, format="extxyz")
    assert labels_of(read_frames(tmp_path / "a.xyz")[0]).stress is None


@pytest.mark.parametrize("text", ['virials="1 2 3"', "virial=5.0", "virials=none"])
def test_what_is_no_virial_is_refused(tmp_path, text):
    with pytest.raises(DataError, match=r"virial|matrix") as raised:
        read_frames(write(tmp_path / "a.xyz", text))
    assert "a.xyz" in raised.value.where


def test_labels_of_wrong_shapes_are_refused(tmp_path):
    with pytest.raises(DataError, match="the stress is of shape"):
        read_frames(write(tmp_path / "a.xyz", 'REF_stress="1 2 3 4"'))
    with pytest.raises(DataError, match="the energy is no number"):
        read_frames(write(tmp_path / "b.xyz", "E=low"), {"energy": "E"})
