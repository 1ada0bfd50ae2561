"""Elastic constants against published ones, against energies, and in turned crystals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk, make_supercell
from ase.calculators.emt import EMT

from pfd.errors import DataError
from pfd.evaluate.properties.elastic import Elastic, moduli, stiffness_of, strained
from pfd.evaluate.properties.lattice import turned
from pfd.evaluate.properties.relaxed import relaxed
from pfd.frames import Labels
from pfd.units import GPA_PER_EV_PER_A3
from pfd.voigt import from_voigt


@pytest.mark.lammps
def test_stillinger_weber_silicon_has_its_published_constants(sw_silicon):
    # Balamane, Halicioglu and Tiller, Phys. Rev. B 46, 2250 (1992), tell 161.6, 81.6, 60.3 and (clamped) 117.2 GPa with
    # energies scaled to a cohesive energy of 4.63 eV; the original's is 4.3364 eV, which divides them by 1.0677.
    values = Elastic(structure="x").measure(sw_silicon).values
    scale = 4.63 / 4.3364
    for name, wanted in (("C11", 161.6), ("C12", 81.6), ("C44", 60.3), ("C44_clamped", 117.2)):
        assert values[f"{name}_GPa"] * scale == pytest.approx(wanted, rel=0.003), name
    assert values["C11_clamped_GPa"] == pytest.approx(values["C11_GPa"], rel=1e-3)  # no ion may move in these strains
    assert values["bulk_modulus_GPa"] == pytest.approx((values["C11_GPa"] + 2 * values["C12_GPa"]) / 3, rel=1e-6)


def test_stresses_and_energies_give_the_same_constants(emt_copper):
    values = Elastic(structure="x").measure(emt_copper).values
    start = emt_copper.structure
    start.calc = EMT()
    start = relaxed(start, "cell", 1e-5)
    volume, energy = start.get_volume(), start.get_potential_energy()

    def curvature(voigt, size=0.002):
        energies = []
        for sign in (-1, 1):
            cell = start.copy()
            cell.set_cell(start.cell @ (np.eye(3) + sign * size * from_voigt(np.array(voigt))), scale_atoms=True)
            cell.calc = EMT()
            energies.append(cell.get_potential_energy())
        return (sum(energies) - 2 * energy) / size**2 / volume * GPA_PER_EV_PER_A3

    assert values["C11_GPa"] == pytest.approx(curvature([1.0, 0, 0, 0, 0, 0]), rel=0.01)
    both = curvature([1.0, 1.0, 0, 0, 0, 0])  # 2 (C11 + C12)
    assert values["C12_GPa"] == pytest.approx(both / 2 - values["C11_GPa"], rel=0.02)
    assert values["C44_GPa"] == pytest.approx(curvature([0, 0, 0, 0.5, 0, 0]), rel=0.01)  # gamma = 2 epsilon


def test_constants_refer_to_the_crystal_however_it_is_turned(emt_copper):
    wanted = Elastic(structure="x").measure(emt_copper).values
    rotation, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
    rotation *= np.sign(np.linalg.det(rotation))
    primitive = turned(bulk("Cu", "fcc", a=3.6), rotation)
    found = Elastic(structure="x").measure(replace(emt_copper, structures={"structure": primitive})).values
    for name in ("C11_GPa", "C12_GPa", "C44_GPa"):
        assert found[name] == pytest.approx(wanted[name], rel=0.005)


def test_a_hexagonal_crystal_has_all_constants_and_its_symmetry(emt_copper):
    job = replace(emt_copper, structures={"structure": bulk("Cu", "hcp", a=2.56, c=4.15)})
    values = Elastic(structure="x").measure(job).values
    assert values["C11_GPa"] == pytest.approx(values["C22_GPa"], rel=0.01)
    assert values["C66_GPa"] == pytest.approx((values["C11_GPa"] - values["C12_GPa"]) / 2, rel=0.02)
    assert values["C11_GPa"] != pytest.approx(values["C33_GPa"], rel=0.01)
    assert values["C66_clamped_GPa"] > values["C66_GPa"]  # the two atoms of the cell move


def test_a_trigonal_crystal_has_the_constants_of_its_hexagonal_setting_in_every_cell(emt_copper):
    """Copper that is a little longer along [111], against cubic copper's constants in these axes, by tensors."""
    cubic = Elastic(structure="x", cell="given").measure(emt_copper).values
    primitive = bulk("Cu", "fcc", a=3.6)
    along = np.ones(3) / np.sqrt(3)
    primitive.set_cell(primitive.cell.array @ (np.eye(3) + 0.004 * np.outer(along, along)), scale_atoms=True)
    setting = np.array([[1, -1, 0], [0, 1, -1], [1, 1, 1]])  # obverse: a and b at 120 degrees, c on the threefold axis
    hexagonal = make_supercell(primitive, setting)
    axes = np.array([[-1, 1, 0], [-1, -1, 2], [1, 1, 1]]) / np.sqrt([[2], [6], [3]])  # a, c x a and c of that setting
    wanted = _in_axes(cubic["C11_GPa"], cubic["C12_GPa"], cubic["C44_GPa"], axes)
    assert abs(wanted["C14_GPa"]) > 0.1 * cubic["C44_GPa"]
    rotation, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))
    rotation *= np.sign(np.linalg.det(rotation))
    swapped = make_supercell(primitive, [[1, 0, 0], [0, 0, 1], [0, 1, 0]])
    reduced = make_supercell(primitive, [[1, 0, 0], [1, 1, 0], [0, -1, 1]])
    for cell in (primitive, hexagonal, turned(primitive, rotation), turned(hexagonal, rotation), swapped, reduced):
        job = replace(emt_copper, structures={"structure": cell})
        found = Elastic(structure="x", cell="given").measure(job).values
        for name, value in wanted.items():
            assert found[name] == pytest.approx(value, abs=0.06 * cubic["C11_GPa"]), name
        assert found["C14_GPa"] == pytest.approx(wanted["C14_GPa"], rel=0.15)


def _in_axes(C11, C12, C44, axes):
    """Constants of a cubic crystal in other axes, the rows of a rotation (Nye, Physical Properties of Crystals)."""
    one = np.eye(3)
    tensor = C12 * np.einsum("ij,kl->ijkl", one, one)
    tensor += C44 * (np.einsum("ik,jl->ijkl", one, one) + np.einsum("il,jk->ijkl", one, one))
    tensor += (C11 - C12 - 2 * C44) * np.einsum("ai,aj,ak,al->ijkl", one, one, one, one)
    tensor = np.einsum("ai,bj,ck,dl,ijkl->abcd", axes, axes, axes, axes, tensor)
    voigt = [(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)]
    return {f"C{i + 1}{j + 1}_GPa": tensor[voigt[i] + voigt[j]] for i in range(6) for j in range(i, 6)}


def test_orthorhombic_constants_follow_the_axes_of_the_file(emt_copper):
    lengths = {"a": 3.72, "b": 3.6, "c": 3.5}
    start = bulk("Cu", "fcc", a=1.0, cubic=True)
    found = {}
    for order in ("abc", "cab", "acb"):  # the last is an odd permutation
        crystal = start.copy()
        crystal.set_cell(np.diag([lengths[key] for key in order]), scale_atoms=True)
        rotation, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))
        for cell in (crystal, turned(crystal, rotation * np.sign(np.linalg.det(rotation)))):
            values = (
                Elastic(structure="x", cell="given").measure(replace(emt_copper, structures={"structure": cell})).values
            )
            stiff = {key: values[f"C{place}{place}_GPa"] for place, key in enumerate(order, start=1)}
            found.setdefault("first", stiff)
            assert stiff == pytest.approx(found["first"], rel=1e-4)
    assert np.diff(sorted(found["first"].values())).min() > 1.0  # GPa; else any order would do


def test_labels_of_the_strained_cells_give_the_clamped_constants(emt_copper):
    settings = Elastic(structure="x", cell="given", reference="label")
    structure = emt_copper.structure
    cells = settings.cells(structure)
    labels = []
    for cell in cells:
        cell.calc = EMT()
        labels.append(Labels(cell.get_potential_energy(), cell.get_forces(), cell.get_stress()))
    wanted = settings.measure(emt_copper).values
    found = settings.of_labels(structure, cells, labels).values
    assert set(found) == {name for name in wanted if "clamped" in name}
    for name, value in found.items():
        assert value == pytest.approx(wanted[name], rel=1e-6)
    with pytest.raises(DataError, match="stresses"):
        settings.of_labels(structure, cells, [Labels(0.0), *labels[1:]])


def test_a_known_matrix_comes_back_and_asymmetry_is_told():
    generator = np.random.default_rng(0)
    matrix = generator.normal(size=(6, 6))
    matrix = matrix + matrix.T + 10 * np.eye(6)
    size = 0.01
    strains = [sign * size * np.eye(6)[component] for component in range(6) for sign in (-1, 1)]
    found, off = stiffness_of(np.array([matrix @ strain for strain in strains]), size)
    assert found == pytest.approx(matrix)
    assert off == pytest.approx(0.0, abs=1e-12)
    lopsided = matrix.copy()
    lopsided[0, 1] += 3.0
    _, off = stiffness_of(np.array([lopsided @ strain for strain in strains]), size)
    assert off == pytest.approx(3.0 / np.abs(lopsided).max())


@pytest.mark.parametrize(("c12", "told"), [(60.0, False), (120.0, True)])
def test_a_crystal_that_is_not_stable_is_told(c12, told, emt_copper):
    """Born's criterion of cubic crystals: C11 > C12."""
    settings = Elastic(structure="x", cell="given")
    cells = settings.cells(emt_copper.structure)
    stiffness = np.diag([100.0] * 3 + [50.0] * 3) + c12 * (np.pad(np.ones((3, 3)) - np.eye(3), (0, 3)))
    stiffness /= GPA_PER_EV_PER_A3
    labels = []
    for number, cell in enumerate(cells):
        strain = np.zeros(6)
        strain[number // 2] = settings.strain * (1 if number % 2 else -1)
        labels.append(Labels(0.0, np.zeros((len(cell), 3)), stiffness @ strain))
    notes = settings.of_labels(emt_copper.structure, cells, labels).notes
    assert any("not stable: the smallest eigenvalue of C_ij_clamped is -20 GPa" in note for note in notes) is told


def test_a_relaxation_that_goes_far_is_told(emt_copper):
    def notes(lattice_A):
        return (
            Elastic(structure="x").measure(replace(emt_copper, structures={"structure": bulk("Cu", a=lattice_A)})).notes
        )

    assert any("whose volume is" in note and "% off the given one's" in note for note in notes(3.85))
    assert not any("volume" in note for note in notes(3.6))


def test_shears_are_engineering_strains():
    cells = strained(bulk("Cu", "fcc", a=4.0, cubic=True), 0.02)
    assert len(cells) == 12
    sheared = cells[7].cell.array / 4.0 - np.eye(3)  # component yz, positive
    assert sheared[1, 2] == pytest.approx(0.01)
    assert sheared[2, 1] == pytest.approx(0.01)


def test_moduli_of_an_isotropic_solid():
    lame, shear = 50.0, 30.0
    matrix = np.diag([2 * shear] * 3 + [shear] * 3)
    matrix[:3, :3] += lame
    assert moduli(matrix) == pytest.approx((lame + 2 / 3 * shear, shear))
