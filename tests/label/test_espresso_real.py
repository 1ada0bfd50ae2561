"""pw.x for real, on two silicon atoms with the LDA pseudopotential of Debian's quantum-espresso-data."""

from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk

from pfd.errors import InputError, LabelRejected, TransientError
from pfd.label.judge import label_frame
from pfd.label.labeler import make_labeler
from pfd.voigt import from_voigt

PSEUDO_DIR = Path("/usr/share/espresso/pseudo")
pytestmark = [
    pytest.mark.espresso,
    pytest.mark.skipif(not (PSEUDO_DIR / "Si.pz-vbc.UPF").is_file(), reason="quantum-espresso-data is not installed"),
]


def espresso(**settings):
    return make_labeler(
        {
            "method": "espresso",
            "pseudo_dir": str(PSEUDO_DIR),
            "pseudopotentials": {"Si": "Si.pz-vbc.UPF"},
            "ecutwfc_Ry": 16.0,
            "kspacing_per_A": 1.2,
        }
        | settings
    )


def silicon():
    frame = bulk("Si")
    frame.positions[1] += [0.05, 0.02, -0.03]
    return frame


def test_forces_are_the_gradient_of_the_energy(tmp_path):
    labeler = espresso(conv_thr_Ry=1e-11, degauss_Ry=0.03)
    labels = label_frame(labeler, silicon(), tmp_path / "middle")
    step = 0.01
    energies = []
    for name, sign in (("plus", 1), ("minus", -1)):
        moved = silicon()
        moved.positions[1, 0] += sign * step
        energies.append(label_frame(labeler, moved, tmp_path / name).energy)
    assert labels.forces[1, 0] == pytest.approx(-(energies[0] - energies[1]) / (2 * step), abs=2e-3)
    assert abs(labels.forces[1, 0]) > 0.1
    assert labels.level_of_theory.startswith("pw.x PZ, ecutwfc 16 Ry")


@pytest.mark.slow
def test_stress_is_the_derivative_of_the_energy_with_respect_to_strain(tmp_path):
    """The strain keeps the volume to first order, and so almost the number of plane waves: there is no Pulay stress."""
    labeler = espresso(conv_thr_Ry=1e-12, degauss_Ry=0.03, ecutwfc_Ry=40.0)
    strain, step = np.array([[0.6, 0.3, -0.2], [0.3, -0.4, 0.4], [-0.2, 0.4, -0.2]]), 0.004
    energies = []
    for name, sign in (("plus", 1), ("minus", -1)):
        strained = silicon()
        strained.set_cell(strained.cell.array @ (np.eye(3) + sign * step * strain), scale_atoms=True)
        energies.append(label_frame(labeler, strained, tmp_path / name).energy)
    labels = label_frame(labeler, silicon(), tmp_path / "middle")
    slope = (energies[0] - energies[1]) / (2 * step * silicon().get_volume())
    stress = float((from_voigt(labels.stress) * strain).sum())
    assert stress == pytest.approx(slope, rel=0.02)
    assert abs(stress) > 0.002


def test_stress_has_the_sign_of_tension(tmp_path):
    pressed, pulled = silicon(), silicon()
    pressed.set_cell(pressed.cell * 0.9, scale_atoms=True)
    pulled.set_cell(pulled.cell * 1.1, scale_atoms=True)
    assert label_frame(espresso(), pressed, tmp_path / "pressed").stress[:3].mean() < -0.05
    assert label_frame(espresso(), pulled, tmp_path / "pulled").stress[:3].mean() > 0.02


def test_turning_the_frame_turns_the_forces(tmp_path):
    frame = silicon()
    turned = frame.copy()
    turned.rotate(90, "z", rotate_cell=True)
    labels = label_frame(espresso(conv_thr_Ry=1e-10), frame, tmp_path / "a")
    other = label_frame(espresso(conv_thr_Ry=1e-10), turned, tmp_path / "b")
    rotation = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]])
    np.testing.assert_allclose(other.forces, labels.forces @ rotation.T, atol=1e-3)
    assert other.energy == pytest.approx(labels.energy, abs=1e-5)


def test_an_unconverged_frame_climbs_the_ladder_or_is_rejected(tmp_path):
    outcome = espresso(max_scf_steps=5).run(silicon(), tmp_path / "ladder")
    assert outcome.converged
    assert int(outcome.notes["tries"]) > 1
    with pytest.raises(LabelRejected, match=r"did not converge in 2 SCF steps(.|\n)*max_scf_steps \(2\)"):
        espresso(max_scf_steps=2, ladder=False).run(silicon(), tmp_path / "once")


def test_the_ladder_does_not_change_the_label(tmp_path):
    plain = espresso(conv_thr_Ry=1e-10).run(silicon(), tmp_path / "plain").labels
    ladder = espresso(conv_thr_Ry=1e-10, max_scf_steps=6).run(silicon(), tmp_path / "ladder").labels
    assert ladder.energy == pytest.approx(plain.energy, abs=1e-6)
    np.testing.assert_allclose(ladder.forces, plain.forces, atol=1e-4)


def test_a_key_it_does_not_know_is_an_input_error_in_its_own_words(tmp_path):
    labeler = espresso(namelists={"system": {"no_such_key": 1}})
    with pytest.raises(InputError, match="no_such_key"):
        labeler.run(silicon(), tmp_path / "scratch")


def test_out_of_time_is_transient(tmp_path):
    with pytest.raises(TransientError, match="time limit"):
        espresso(wall_time=0.1, ecutwfc_Ry=60.0, kspacing_per_A=0.2).run(silicon(), tmp_path / "scratch")


def test_charge_spin_and_a_slab_run(tmp_path):
    frame = silicon()
    frame.info |= {"charge": 1, "spin": 2}
    frame.set_initial_magnetic_moments([1.0, 0.0])
    assert (
        label_frame(espresso(accept={"magnetic_state": "flag"}), frame, tmp_path / "ion").energy
        > label_frame(espresso(), silicon(), tmp_path / "neutral").energy - 20.0
    )
    slab = silicon()
    slab.pbc = (True, True, False)
    assert label_frame(espresso(), slab, tmp_path / "slab").stress is None
