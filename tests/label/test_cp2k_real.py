"""CP2K for real, on two hydrogen molecules in a small cell, and on what is smaller."""

import numpy as np
import pytest
from ase import Atoms

from pfd.errors import InputError, LabelRejected, TransientError
from pfd.label.judge import label_frame
from pfd.label.labeler import make_labeler
from pfd.voigt import from_voigt

pytestmark = pytest.mark.cp2k
GAMMA, MESH = 9.0, 0.9
"""Distances of k-points, 1/Å, that give Gamma alone and 2 x 2 x 2 points for ``hydrogen``."""


def cp2k(**settings):
    return make_labeler(
        {
            "method": "cp2k",
            "basis_sets": {"H": "DZVP-MOLOPT-SR-GTH"},
            "cutoff_Ry": 240.0,
            "rel_cutoff_Ry": 40.0,
            "kspacing_per_A": GAMMA,
            "wall_time": "5min",
        }
        | settings
    )


def hydrogen():
    positions = [[0.1, 0, 0], [0.85, 0.05, 0], [1.9, 2.0, 1.8], [2.0, 2.1, 2.55]]
    return Atoms("HHHH", positions=positions, cell=[4, 4.2, 3.8], pbc=True)


def energy(labeler, frame, folder):
    return label_frame(labeler, frame, folder).energy


def direction(rows, seed=0):
    chosen = np.random.default_rng(seed).normal(size=(rows, 3))
    return chosen / np.linalg.norm(chosen)


def slope_of_positions(labeler, frame, along, folder, step=0.005):
    """dE/ds along a displacement of all atoms, eV/Å, by central differences."""
    energies = []
    for sign in (1, -1):
        moved = frame.copy()
        moved.positions += sign * step * along
        energies.append(energy(labeler, moved, folder / f"moved{sign}"))
    return (energies[0] - energies[1]) / (2 * step)


def slope_of_strain(labeler, frame, strain, folder, step=0.002):
    """dE/de / V along a strain, eV/Å^3, by central differences."""
    energies = []
    for sign in (1, -1):
        strained = frame.copy()
        strained.set_cell(frame.cell.array @ (np.eye(3) + sign * step * strain), scale_atoms=True)
        energies.append(energy(labeler, strained, folder / f"strained{sign}"))
    return (energies[0] - energies[1]) / (2 * step * frame.get_volume())


@pytest.mark.slow
def test_forces_and_stress_are_the_gradient_of_the_energy_with_its_entropy(tmp_path):
    labeler = cp2k(kspacing_per_A=MESH, electronic_temperature_K=20000, eps_scf=1e-8)
    frame, along, strain = hydrogen(), direction(4), direction(3, seed=1)
    strain = (strain + strain.T) / 2
    outcome = labeler.run(frame, tmp_path / "middle")
    labels = outcome.labels
    assert outcome.extra["energy_sigma0_eV"] - labels.energy > 1.0
    force = float((labels.forces * along).sum())
    assert force == pytest.approx(-slope_of_positions(labeler, frame, along, tmp_path), abs=3e-4)
    assert abs(force) > 0.02
    stress = float((from_voigt(labels.stress) * strain).sum())
    assert stress == pytest.approx(slope_of_strain(labeler, frame, strain, tmp_path), abs=5e-6)
    assert abs(stress) > 0.002


def test_a_coarse_grid_is_rejected_by_its_net_force(tmp_path):
    with pytest.raises(LabelRejected, match=r"the forces sum to \d\.?\d* eV/Å per atom(.|\n)*higher cutoffs"):
        label_frame(cp2k(cutoff_Ry=120), hydrogen(), tmp_path / "coarse")


@pytest.mark.slow
def test_an_unconverged_frame_climbs_the_ladder_or_is_rejected(tmp_path):
    plain = cp2k(eps_scf=1e-7).run(hydrogen(), tmp_path / "plain")
    assert plain.notes == {}
    ladder = cp2k(eps_scf=1e-7, max_scf_steps=plain.scf_steps - 1).run(hydrogen(), tmp_path / "ladder")
    assert int(ladder.notes["tries"]) > 1
    assert ladder.labels.energy == pytest.approx(plain.labels.energy, abs=1e-4)
    np.testing.assert_allclose(ladder.labels.forces, plain.labels.forces, atol=2e-3)
    with pytest.raises(LabelRejected, match=r"did not converge in 3 SCF steps(.|\n)*max_scf_steps \(3\)"):
        cp2k(max_scf_steps=3, ladder=False).run(hydrogen(), tmp_path / "once")
    text = (tmp_path / "once" / "try-1" / "cp2k.out").read_text()
    assert "SCF run NOT converged" in text


def test_its_own_message_about_the_input_is_quoted(tmp_path):
    labeler = cp2k(sections={"FORCE_EVAL": {"DFT": {"SCF": {"NO_SUCH_KEY": 1}}}})
    with pytest.raises(InputError, match="CP2K: found an unknown keyword NO_SUCH_KEY in section SCF"):
        labeler.run(hydrogen(), tmp_path / "key")
    broken = tmp_path / "BROKEN"
    broken.write_text("H GTH-PBE-q1 GTH-PBE\n    1\n    0.2 2 -4.18\n")
    with pytest.raises(InputError, match=r"CP2K: \w+"):
        cp2k(potential_files=(str(broken),)).run(hydrogen(), tmp_path / "potential")


def test_atoms_on_top_of_each_other_reject_the_frame_only(tmp_path):
    frame = hydrogen()
    frame.positions[1] = frame.positions[0]
    with pytest.raises(LabelRejected, match="CP2K: GEOMETRY wrong"):
        label_frame(cp2k(), frame, tmp_path / "overlap")


def test_what_ends_it_from_outside_is_transient(tmp_path):
    with pytest.raises(TransientError, match="time limit"):
        cp2k(wall_time=0.5).run(hydrogen(), tmp_path / "late")
    program = tmp_path / "cp2k-that-is-killed"
    program.write_text('#!/bin/sh\ncp2k.psmp "$@" &\nsleep 0.5\nkill -9 $!\nwait $!\n')
    program.chmod(0o755)
    with pytest.raises(TransientError, match="killed"):
        cp2k(command=str(program), data_dir=cp2k()._data).run(hydrogen(), tmp_path / "killed")


@pytest.mark.slow
def test_turning_the_frame_turns_the_forces(tmp_path):
    frame = hydrogen()
    turned = frame.copy()
    turned.rotate(90, "z", rotate_cell=True)
    labels = label_frame(cp2k(), frame, tmp_path / "a")
    other = label_frame(cp2k(), turned, tmp_path / "b")
    rotation = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]])
    np.testing.assert_allclose(other.forces, labels.forces @ rotation.T, atol=2e-3)
    assert other.energy == pytest.approx(labels.energy, abs=1e-4)


@pytest.mark.slow
def test_the_mesh_has_gamma_so_that_a_supercell_at_gamma_is_the_same(tmp_path):
    frame = Atoms("HH", positions=[[0.1, 0, 0], [0.85, 0.05, 0]], cell=[3.0, 3.0, 3.0], pbc=True)
    folded = label_frame(cp2k(kspacing_per_A=2.0, cutoff_Ry=300), frame, tmp_path / "mesh")
    assert "MACDONALD 2 2 2 0.25 0.25 0.25" in (tmp_path / "mesh" / "try-1" / "cp2k.inp").read_text()
    large = label_frame(cp2k(cutoff_Ry=300), frame * (2, 2, 2), tmp_path / "supercell")
    assert folded.energy == pytest.approx(large.energy / 8, abs=2e-4)
    np.testing.assert_allclose(folded.forces, large.forces[:2], atol=2e-3)
    np.testing.assert_allclose(folded.stress, large.stress, atol=5e-5)


def test_charge_and_spin_are_kept_and_moments_come_back(tmp_path):
    box = Atoms("HH", positions=[[0, 0, 0], [0, 0, 0.8]], cell=[6, 6, 8])
    neutral = label_frame(cp2k(), box, tmp_path / "neutral")
    assert neutral.stress is None
    triplet = box.copy()
    triplet.info["spin"] = 3
    triplet.set_initial_magnetic_moments([-1.0, -1.0])
    outcome = cp2k().run(triplet, tmp_path / "triplet")
    assert outcome.extra["total_magmom"] == pytest.approx(-2.0, abs=1e-3)
    np.testing.assert_allclose(outcome.extra["local_magmoms"], [-1.0, -1.0], atol=1e-3)
    assert outcome.labels.energy > neutral.energy + 5.0
    ion = box.copy()
    ion.info |= {"charge": 1, "spin": 2}
    ionisation = energy(cp2k(), ion, tmp_path / "ion") - neutral.energy
    assert 14.0 < ionisation < 18.0  # 15.4 eV, adiabatically


@pytest.mark.slow
def test_a_molecule_does_not_feel_its_images(tmp_path):
    ion = Atoms("HH", positions=[[0, 0, 0], [0, 0, 0.9]], cell=[7, 7, 8])
    ion.info |= {"charge": 1, "spin": 2}
    energies = [energy(cp2k(), ion, tmp_path / "small")]
    ion.set_cell([9, 9, 10])
    energies.append(energy(cp2k(), ion, tmp_path / "large"))
    assert energies[1] == pytest.approx(energies[0], abs=0.02)


HEXAGONAL = Atoms("HH", cell=[[2.5, 0, 0], [1.25, 2.165, 0], [0, 0, 9]], pbc=(True, True, False))
CHAIN = Atoms("HH", cell=[8, 8.5, 2.5], pbc=(False, False, True))


@pytest.mark.slow
@pytest.mark.parametrize("frame", [HEXAGONAL, CHAIN], ids=["slab", "wire"])
def test_forces_are_the_gradient_of_the_energy_where_a_frame_is_open(frame, tmp_path):
    frame = frame.copy()
    frame.positions = [[0, 0, 0], [0.3, 0.4, 0.5]]
    labeler = cp2k(kspacing_per_A=2.0 if frame.pbc[0] else GAMMA, eps_scf=1e-8)
    labels = label_frame(labeler, frame, tmp_path / "middle")
    assert labels.stress is None
    along = direction(2)
    force = float((labels.forces * along).sum())
    assert force == pytest.approx(-slope_of_positions(labeler, frame, along, tmp_path), abs=1e-3)
    assert abs(force) > 0.02


@pytest.mark.slow
def test_dispersion_and_plus_u_change_the_energy(tmp_path):
    plain = energy(cp2k(), hydrogen(), tmp_path / "plain")
    dispersed = energy(cp2k(d3=True), hydrogen(), tmp_path / "d3")
    assert -0.5 < dispersed - plain < -0.005
    corrected = label_frame(cp2k(hubbard={"H": {"orbital": "s", "U_eV": 3.0}}), hydrogen(), tmp_path / "u")
    assert corrected.energy > plain + 0.1
    assert corrected.stress is None
