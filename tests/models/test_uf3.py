"""UF3: its descriptors against LAMMPS and finite differences, what it learns, and what its settings refuse."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from pydantic import ValidationError
from scipy.interpolate import BSpline
from tests.models.test_pod import frames, rms

from pfd.errors import SettingError
from pfd.frames import labels_of
from pfd.lammps.session import LammpsSession
from pfd.models.family import Model, write_model
from pfd.models.linear_potential import Descriptors
from pfd.models.uf3 import UF3, UF3FitSettings
from pfd.models.uf3_basis import TRIMMED, Splines, UF3Basis
from pfd.models.uf3_potential import UF3Potential

SMALL = UF3Basis(pair=9, leg=5, base=8)
ELEMENTS = [("Si",), ("C", "Si"), ("Ga", "N", "P")]


def potential(elements: tuple[str, ...], basis: UF3Basis = SMALL) -> UF3Potential:
    return UF3Potential(elements=elements, cutoff_A=5.0, closest_A=2.0, triple_cutoff_A=3.6, basis=basis)


def disordered(elements: tuple[str, ...], generator: np.random.Generator) -> Atoms:
    frame = bulk("Si", cubic=True, a=5.0).repeat((2, 1, 1))
    frame.symbols[:] = generator.choice(elements, len(frame))
    frame.positions += generator.normal(scale=0.15, size=frame.positions.shape)
    frame.set_cell(frame.cell.array @ (np.eye(3) + generator.normal(scale=0.03, size=(3, 3))), scale_atoms=True)
    return frame


@pytest.mark.lammps
@pytest.mark.parametrize("elements", ELEMENTS)
@pytest.mark.parametrize("periodic", [True, False])
def test_descriptors_give_what_the_pair_style_gives(elements, periodic, tmp_path):
    """Also of atoms that are closer than any that were trained on (closest_A)."""
    generator = np.random.default_rng(3)
    made, frame = potential(elements), disordered(elements, generator)
    frame.pbc = periodic
    frame.positions[1] = frame.positions[0] + [0.9, 0.3, 0.1]
    descriptors = made.descriptors(tmp_path)
    energy, forces = descriptors.of(frame)
    coefficients = 0.1 * generator.normal(size=len(energy))
    made.write_coefficients(tmp_path, coefficients)
    with LammpsSession(made.lammps_potential(tmp_path)) as session:
        session.place(frame)
        found = session.evaluate()
    assert energy @ coefficients == pytest.approx(found.energy, abs=1e-8)
    assert np.abs(forces @ coefficients - found.forces.ravel()).max() < 1e-8
    if periodic:
        stress = descriptors.stress(frame) @ coefficients
        assert np.abs(stress - found.stress).max() < 1e-6 * np.abs(found.stress).max()
    assert made.read_coefficients(tmp_path).tolist() == coefficients.tolist()


@pytest.mark.lammps
@pytest.mark.parametrize("lattice_A", [3.6, 5.0])
def test_neighbours_at_the_very_cutoff_are_looked_up_within_the_tables(lattice_A, tmp_path):
    """A simple cubic crystal: three atoms in a row are as far as both cutoffs of three bodies; LAMMPS crashed."""
    frame = Atoms("Si", cell=[lattice_A] * 3, pbc=True).repeat(3)
    made = potential(("Si",))
    descriptors = made.descriptors(tmp_path)
    energy, forces = descriptors.of(frame)
    coefficients = np.random.default_rng(5).normal(size=len(energy))
    made.write_coefficients(tmp_path, coefficients)
    with LammpsSession(made.lammps_potential(tmp_path)) as session:
        session.place(frame)
        found = session.evaluate()
    assert found.energy == pytest.approx(energy @ coefficients, abs=1e-8)
    assert np.abs(found.forces.ravel() - forces @ coefficients).max() < 1e-8


@pytest.mark.parametrize("elements", ELEMENTS)
def test_forces_and_virial_are_derivatives_of_the_energy(elements, tmp_path):
    frame = disordered(elements, np.random.default_rng(4))
    descriptors = potential(elements).descriptors(tmp_path)
    _, forces = descriptors.of(frame)
    for atom, axis in ((0, 0), (5, 1), (11, 2)):
        ends = []
        for step in (1e-5, -1e-5):
            moved = frame.copy()
            moved.positions[atom, axis] += step
            ends.append(descriptors.energy(moved))
        assert forces[3 * atom + axis] == pytest.approx((ends[1] - ends[0]) / 2e-5, abs=1e-6)
    assert np.allclose(descriptors.stress(frame), Descriptors.stress(descriptors, frame), atol=1e-7)
    assert np.abs(forces.reshape(len(frame), 3, -1).sum(axis=0)).max() < 1e-10


@pytest.mark.parametrize("from_zero", [True, False])
def test_the_splines_are_those_of_scipy(from_zero, tmp_path):
    """A dimer at all distances: its pair splines, and that the ones in use are all that differ from zero."""
    splines = Splines.between(2.0, 5.0, 9, from_zero=from_zero)
    every = [BSpline.basis_element(splines.knots[n : n + 5], extrapolate=False) for n in range(splines.total)]
    apart = np.linspace(2.0, 5.0, 50)
    live = [n for n, each in enumerate(every) if np.nan_to_num(np.abs(each(apart))).max() > 1e-12]
    assert live == list(range(splines.first, splines.first + splines.number + TRIMMED))
    assert bool(splines.knots[0] < 1e-9) is from_zero
    if from_zero:
        descriptors = potential(("Si",)).descriptors(tmp_path)
        for distance in (0.2, 1.9, 2.6, 4.2, 4.999):
            dimer = Atoms("Si2", [[0, 0, 0], [distance, 0, 0]])
            expected = [2.0 * np.nan_to_num(each(distance)) for each in every[splines.used]]
            assert descriptors.energy(dimer)[1:10] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("elements", "basis"), [(one, two) for one in ELEMENTS for two in (SMALL, UF3Basis())])
def test_the_number_of_coefficients(elements, basis, tmp_path):
    descriptors = potential(elements, basis).descriptors(tmp_path)
    assert len(descriptors.energy(disordered(elements, np.random.default_rng(0)))) == basis.count(len(elements))
    columns = [*(descriptors.columns_of_pair(*pair) for pair in descriptors.pairs())]
    columns += [descriptors.columns_of_triple(*triple) for triple in descriptors.triples()]
    used = np.concatenate([each.ravel() for each in columns])
    assert set(used) == set(range(len(elements), basis.count(len(elements))))  # none twice for other things, none free


@pytest.mark.lammps
@pytest.mark.parametrize(("two", "limit"), [(False, 0.1), (True, 0.3)])
def test_it_learns_and_its_pair_style_agrees(two, limit, tmp_path):
    settings = UF3FitSettings(basis=SMALL, cutoff_A=5.0, triple_cutoff_A=4.5)
    card, _ = UF3().fit(tmp_path, frames(50, 0, two=two), frames(6, 1, two=two), settings, seed=0)
    write_model(tmp_path, Model(card=card))
    assert card.parameters == UF3().coefficients(settings, 1 + two)
    test = frames(5, 2, two=two)
    predicted = UF3().predict(tmp_path, test)
    wrong = [found.forces - labels_of(frame).forces for found, frame in zip(predicted, test, strict=True)]
    assert rms(wrong) / rms([labels_of(frame).forces for frame in test]) < limit
    UF3().add_energy_shift(tmp_path, {"Si": 2.0, **({"C": -1.0} if two else {})})
    after = UF3().predict(tmp_path, test)
    for frame, one, other in zip(test, predicted, after, strict=True):
        silicon = frame.get_chemical_symbols().count("Si")
        assert other.energy - one.energy == pytest.approx(2.0 * silicon - (8 - silicon), abs=1e-8)
        assert other.forces == pytest.approx(one.forces, abs=1e-12)


def test_cutoffs_by_the_frames_and_those_that_cannot_be():
    silicon = [bulk("Si", cubic=True)]
    large, small = (UF3().potential_for(silicon, [], UF3FitSettings(size=size)) for size in ("M", "S"))
    assert (large.cutoff_A, large.triple_cutoff_A) == (pytest.approx(5.85, abs=0.05), pytest.approx(4.25, abs=0.05))
    assert small.triple_cutoff_A == pytest.approx(3.75, abs=0.05)  # three bodies of the second shell, at 3.84 Å, not
    with pytest.raises(ValidationError, match="beyond cutoff_A"):
        UF3FitSettings(cutoff_A=4.0, triple_cutoff_A=5.0)
    with pytest.raises(SettingError, match="not between the shortest distance"):
        UF3().potential_for(silicon, [], UF3FitSettings(triple_cutoff_A=2.0))
    narrow = UF3().potential_for(silicon, [], UF3FitSettings(cutoff_A=3.0))
    assert narrow.triple_cutoff_A == 3.0
