import importlib.metadata

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from hypothesis import given, settings
from hypothesis import strategies as st

from pfd.errors import DataError, MissingError, ModelError, TaskFailed
from pfd.lammps.box import box_of
from pfd.lammps.calculator import LammpsCalculator
from pfd.lammps.session import LammpsPotential, LammpsSession, load_mpi

LENNARD_JONES = LammpsPotential("lj/cut 5.0", ("1 1 0.3 2.1", "1 2 0.2 2.3", "2 2 0.1 2.0"), ("Si", "C"))
STRAINS = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
entries = st.floats(-4.0, 4.0, allow_nan=False)


def rattled(frame: Atoms, amount: float = 0.1) -> Atoms:
    frame = frame.copy()
    frame.positions += np.random.default_rng(7).normal(scale=amount, size=frame.positions.shape)
    return frame


@pytest.fixture
def crystal() -> Atoms:
    """A triclinic two-element cell, smaller than the cutoff."""
    frame = rattled(bulk("SiC", "zincblende", a=4.4).repeat((1, 2, 1)))
    frame.set_cell(frame.cell.array @ [[1.05, 0.1, 0.0], [0.0, 0.98, 0.2], [0.1, 0.0, 1.03]], scale_atoms=True)
    return frame


@given(st.lists(entries, min_size=9, max_size=9), st.tuples(*[st.booleans()] * 3))
def test_box_is_the_rotated_cell(numbers, pbc):
    cell = np.array(numbers).reshape(3, 3) + 9.0 * np.eye(3)
    frame = Atoms("Si2", positions=[[0, 0, 0], [1, 2, 3]], cell=cell, pbc=pbc)
    box = box_of(frame)
    assert np.allclose(box.rotation @ box.rotation.T, np.eye(3))
    assert (np.triu(box.cell, 1) == 0).all()
    assert (np.diag(box.cell) > 0).all()
    periodic = np.flatnonzero(frame.pbc)
    assert np.allclose(box.restored(box.cell)[periodic], cell[periodic])
    inside = (box.wrapped(frame) - box.origin) @ np.linalg.inv(box.cell)
    assert (inside > -1e-9).all()
    assert (inside < 1 + 1e-9).all()


def test_flat_cell_is_refused():
    with pytest.raises(DataError, match="do not span"):
        box_of(Atoms("Si", cell=[[1, 0, 0], [2, 0, 0], [0, 0, 1]], pbc=True))


def test_missing_mpi_library_names_the_command(monkeypatch, tmp_path):
    def nothing(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.files", nothing)
    monkeypatch.setattr("pfd.lammps.session.MPI_LIBRARY", "libmpi-of-nobody.so")
    with pytest.raises(MissingError, match="pip install"):
        load_mpi()


@pytest.mark.lammps
def test_forces_and_stress_are_the_gradients_of_the_energy(crystal):
    step = 1e-4
    with LammpsSession(LENNARD_JONES) as session:

        def energy(frame):
            session.place(frame)
            return session.evaluate().energy

        session.place(crystal)
        found = session.evaluate()
        forces = np.zeros((len(crystal), 3))
        for atom, axis in np.ndindex(*forces.shape):
            ends = [crystal.copy(), crystal.copy()]
            for sign, frame in zip((1, -1), ends, strict=True):
                frame.positions[atom, axis] += sign * step
            forces[atom, axis] = -(energy(ends[0]) - energy(ends[1])) / (2 * step)
        stress = np.zeros(6)
        for index, (i, j) in enumerate(STRAINS):
            ends = [crystal.copy(), crystal.copy()]
            for sign, frame in zip((1, -1), ends, strict=True):
                strain = np.eye(3)
                strain[i, j] += sign * step / 2
                strain[j, i] += sign * step / 2
                frame.set_cell(frame.cell.array @ strain, scale_atoms=True)
            stress[index] = (energy(ends[0]) - energy(ends[1])) / (2 * step * crystal.get_volume())
    assert np.abs(found.forces).max() > 0.1
    assert np.allclose(found.forces, forces, atol=1e-5)
    assert np.allclose(found.stress, stress, atol=1e-6)


@pytest.mark.lammps
def test_rotation_turns_forces_and_stress(crystal):
    turned = crystal.copy()
    turned.rotate(40, (1, 2, 3), rotate_cell=True)
    rotation = np.linalg.solve(crystal.cell.array, turned.cell.array).T
    first, second = LammpsCalculator(LENNARD_JONES), LammpsCalculator(LENNARD_JONES)
    crystal.calc, turned.calc = first, second
    assert turned.get_potential_energy() == pytest.approx(crystal.get_potential_energy(), abs=1e-9)
    assert np.allclose(turned.get_forces(), crystal.get_forces() @ rotation.T, atol=1e-9)
    expected = rotation @ crystal.get_stress(voigt=False) @ rotation.T
    assert np.allclose(turned.get_stress(voigt=False), expected, atol=1e-9)


@pytest.mark.lammps
def test_left_handed_cell(crystal):
    swapped = crystal.copy()
    swapped.set_cell(crystal.cell.array[[1, 0, 2]])
    with LammpsSession(LENNARD_JONES) as session:
        session.place(crystal)
        one = session.evaluate()
        session.place(swapped)
        other = session.evaluate()
    assert one.energy == pytest.approx(other.energy, abs=1e-9)
    assert np.allclose(one.forces, other.forces, atol=1e-9)
    assert np.allclose(one.stress, other.stress, atol=1e-9)


@pytest.mark.lammps
def test_permuted_and_wrapped_atoms_are_the_same_crystal(crystal):
    order = np.random.default_rng(0).permutation(len(crystal))
    other = crystal[order]
    other.positions += np.array([[1, -2, 3]] * len(other)) @ other.cell.array
    with LammpsSession(LENNARD_JONES) as session:
        session.place(crystal)
        one = session.evaluate()
        session.place(other)
        two = session.evaluate()
        assert np.allclose(session.snapshot().positions, other.positions, atol=1e-9)
    assert two.energy == pytest.approx(one.energy, abs=1e-9)
    assert np.allclose(two.forces, one.forces[order], atol=1e-9)


@pytest.mark.lammps
@settings(max_examples=15, deadline=None)
@given(pbc=st.tuples(*[st.booleans()] * 3), angle=st.floats(0, 180))
def test_a_used_session_answers_like_a_new_one(pbc, angle):
    frame = rattled(bulk("Si", cubic=True))
    frame.pbc = pbc
    frame.rotate(angle, (1, 1, 0), rotate_cell=True)
    other = frame.copy()
    other.set_cell(frame.cell.array @ (np.eye(3) + 0.1 * np.eye(3)[[1, 2, 0]]), scale_atoms=True)
    with LammpsSession(LENNARD_JONES) as used, LammpsSession(LENNARD_JONES) as new:
        used.place(other)
        used.evaluate()
        used.place(frame)
        new.place(frame)
        one, two = used.evaluate(), new.evaluate()
        assert np.allclose(used.snapshot().positions, frame.positions, atol=1e-9)
        assert np.allclose(used.snapshot().cell.array, frame.cell.array, atol=1e-9)
    assert one.energy == pytest.approx(two.energy, abs=1e-9)
    assert np.allclose(one.forces, two.forces, atol=1e-9)
    assert np.allclose(one.stress, two.stress, atol=1e-9)


@pytest.mark.lammps
def test_nothing_is_left_in_the_working_folder(tmp_path, monkeypatch, crystal, capfd):
    monkeypatch.chdir(tmp_path)
    crystal.calc = LammpsCalculator(LENNARD_JONES)
    crystal.get_forces()
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr().out == ""


@pytest.mark.lammps
def test_molecule_without_a_cell_has_no_stress():
    atoms = molecule("C2H6")
    potential = LammpsPotential("lj/cut 5.0", ("* * 0.01 1.5",), ("C", "H"))
    with LammpsSession(potential) as session:
        session.place(atoms)
        found = session.evaluate()
    assert found.stress is None
    assert np.allclose(found.forces.sum(axis=0), 0, atol=1e-10)


@pytest.mark.lammps
def test_mistakes_are_named(crystal):
    with LammpsSession(LENNARD_JONES) as session:
        with pytest.raises(TaskFailed, match="no frame"):
            session.results()
        with pytest.raises(TaskFailed, match="Unknown command"):
            session.command("walk 10")
        crystal.symbols[0] = "Ge"
        with pytest.raises(ModelError, match="Ge"):
            session.place(crystal)
        crystal.symbols[:] = "Si"
        crystal.set_masses([1.0] * 2 + [2.0] * (len(crystal) - 2))
        with pytest.raises(DataError, match="different masses"):
            session.place(crystal)
