"""tblite's labels are consistent, its failures are told apart, and small periodic cells are refused."""

import sys

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule

from pfd.errors import InputError, LabelRejected, MissingError
from pfd.label.judge import label_frame
from pfd.label.labeler import make_labeler


def tblite(**settings):
    return make_labeler({"method": "tblite"} | settings)


def water() -> Atoms:
    frame = molecule("H2O")
    frame.rattle(0.05, seed=3)
    return frame


def diamond() -> Atoms:
    frame = bulk("C", cubic=True)
    frame.rattle(0.03, seed=3)
    return frame


def test_level_of_theory_names_only_what_changes_the_physics():
    assert tblite().level_of_theory() == "GFN1-xTB"
    assert tblite(max_scf_steps=9, mixer_damping=0.1, min_cell_A=0).level_of_theory() == "GFN1-xTB"
    hot = tblite(hamiltonian="IPEA1-xTB", electronic_temperature_K=1000, accuracy=0.1)
    assert hot.level_of_theory() == "IPEA1-xTB, electronic temperature 1000 K, accuracy 0.1"


def test_a_missing_package_names_its_installation(monkeypatch, tmp_path):
    monkeypatch.setattr("pfd.plugins.find_spec", lambda name: None)
    with pytest.raises(MissingError, match="pip install"):
        tblite().run(water(), tmp_path)


@pytest.mark.tblite
@pytest.mark.parametrize("frame", [water(), diamond()], ids=["molecule", "crystal"])
def test_forces_are_the_gradient_of_the_energy(frame, tmp_path):
    labeler = tblite(min_cell_A=0, accuracy=0.01, electronic_temperature_K=3000)
    labels = label_frame(labeler, frame, tmp_path)
    step = 1e-3
    energies = []
    for sign in (1, -1):
        moved = frame.copy()
        moved.positions[1, 0] += sign * step
        energies.append(label_frame(labeler, moved, tmp_path).energy)
    assert labels.forces[1, 0] == pytest.approx(-(energies[0] - energies[1]) / (2 * step), abs=2e-4)
    assert abs(labels.forces[1, 0]) > 0.01


@pytest.mark.tblite
def test_stress_is_the_derivative_with_respect_to_strain(tmp_path):
    frame = diamond()
    labeler = tblite(min_cell_A=0, accuracy=0.01)
    stress = label_frame(labeler, frame, tmp_path).stress
    for voigt, (row, column) in {0: (0, 0), 3: (1, 2), 5: (0, 1)}.items():
        energies = []
        for sign in (1, -1):
            strain = np.eye(3)
            strain[row, column] += sign * 1e-3 / 2
            strain[column, row] += sign * 1e-3 / 2
            strained = frame.copy()
            strained.set_cell(frame.cell.array @ strain, scale_atoms=True)
            energies.append(label_frame(labeler, strained, tmp_path).energy)
        expected = (energies[0] - energies[1]) / (2e-3 * frame.get_volume())
        assert stress[voigt] == pytest.approx(expected, abs=2e-5)
    assert np.abs(stress[:3]).max() > 1e-3


@pytest.mark.tblite
def test_charge_and_spin_are_honoured(tmp_path):
    neutral = label_frame(tblite(), water(), tmp_path).energy
    states = {}
    for charge, spin in ((0, 1), (0, 3), (1, 2)):
        frame = water()
        frame.info |= {"charge": charge, "spin": spin}
        states[charge, spin] = label_frame(tblite(), frame, tmp_path).energy
    assert states[0, 1] == pytest.approx(neutral, abs=1e-6)
    assert states[0, 3] > neutral + 1.0
    assert states[1, 2] > neutral + 5.0


@pytest.mark.tblite
def test_failures_are_told_apart(tmp_path):
    with pytest.raises(LabelRejected, match=r"not converged in 2 cycles(.|\n)*max_scf_steps \(2\)"):
        tblite(max_scf_steps=2).run(water(), tmp_path)
    impossible = water()
    impossible.info["spin"] = 2
    with pytest.raises(InputError, match="not compatible"):
        tblite().run(impossible, tmp_path)
    with pytest.raises(InputError, match="No support for elements"):
        tblite().run(Atoms("Rf"), tmp_path)
    with pytest.raises(LabelRejected, match="Too close"):
        tblite().run(Atoms("H2", positions=np.zeros((2, 3))), tmp_path)


@pytest.mark.tblite
def test_small_periodic_cells_are_rejected_and_molecules_are_not(tmp_path):
    with pytest.raises(LabelRejected, match=r"Gamma only(.|\n)*min_cell_A \(7\)"):
        tblite().run(diamond(), tmp_path)
    with pytest.raises(InputError, match="Gamma only"):
        tblite().check([diamond(), diamond()])
    tblite().check([diamond(), water()])
    skewed = bulk("C") * (4, 4, 4)  # vectors of 10 Å, faces 8.2 Å apart
    tblite(min_cell_A=8.0).check([skewed])
    with pytest.raises(InputError, match=r"8\.24 Å thick"):
        tblite(min_cell_A=9.0).check([skewed])


@pytest.mark.tblite
def test_it_is_silent(tmp_path, capfd):
    tblite(min_cell_A=0).run(diamond(), tmp_path)
    sys.stdout.flush()
    assert capfd.readouterr() == ("", "")
