"""Lattices against crystallography: axes and constants that neither rotation nor the choice of a cell changes."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.cell import Cell
from ase.lattice import BCC, BCT, CUB, FCC, HEX, ORCC, ORCF, ORCI, TET

from pfd.evaluate.properties.lattice import lattice_of

OBVERSE = np.array([[2, 1, 1], [-1, 1, 1], [-1, -2, 1]]) / 3
"""The rhombohedral vectors in terms of the hexagonal ones (International Tables A, table 1.5.1.1)."""


def of(cell):
    return lattice_of(Atoms("H", cell=cell, pbc=True))


def rotations(count, seed=0):
    generator = np.random.default_rng(seed)
    for _ in range(count):
        rotation, _ = np.linalg.qr(generator.normal(size=(3, 3)))
        yield rotation * np.sign(np.linalg.det(rotation))


def other_cells(cell, seed=0):
    """The same lattice, in other cells and turned."""
    generator = np.random.default_rng(seed)
    for rotation in rotations(8, seed):
        change = np.eye(3)
        while abs(round(np.linalg.det(change))) != 1 or (change == np.eye(3)).all():
            change = generator.integers(-1, 2, (3, 3)).astype(float)
        yield change @ cell @ rotation, rotation


def assert_proper(rotation):
    assert rotation @ rotation.T == pytest.approx(np.eye(3), abs=1e-9)
    assert np.linalg.det(rotation) == pytest.approx(1.0)


@pytest.mark.parametrize(
    "lattice", [CUB(4), FCC(4), BCC(4), TET(3, 4), BCT(3, 4), BCT(4, 3)], ids=lambda each: each.name
)
def test_axes_of_cubic_and_tetragonal_cells(lattice):
    vectors = lattice.tocell().array
    for cell, turn in other_cells(vectors):
        found = of(cell)
        assert found.name == lattice.name
        assert found.constants_A == pytest.approx({key: value for key, value in lattice.vars().items() if key in "abc"})
        assert_proper(found.rotation)
        axes = turn @ found.rotation  # where the crystal's own a, b, c come to lie
        assert np.sort(np.abs(axes), axis=1) == pytest.approx(np.sort(np.eye(3), axis=1), abs=1e-6)
        if "c" in found.constants_A:
            assert abs(axes[2, 2]) == pytest.approx(1.0)


def test_a_hexagonal_cell_has_a_on_x_and_c_on_z():
    a, b, c = Cell.fromcellpar([3, 3, 5, 90, 90, 120]).array
    for rotation in rotations(4):
        for vectors in ([a, b, c], [c, a, b], [b, c, a], [a, b, -c]):
            found = of(np.array(vectors) @ rotation)
            assert found.name == "HEX"
            assert found.constants_A == pytest.approx({"a": 3.0, "c": 5.0})
            assert_proper(found.rotation)
            assert a @ rotation @ found.rotation == pytest.approx([3.0, 0, 0], abs=1e-9)
            assert np.abs(c @ rotation @ found.rotation) == pytest.approx([0, 0, 5.0], abs=1e-9)
    for cell, rotation in other_cells(HEX(3, 5).tocell().array):
        assert np.abs([0, 0, 5] @ rotation @ of(cell).rotation) == pytest.approx([0, 0, 5.0], abs=1e-6)


@pytest.mark.parametrize("c", [2.0, 4.0, 9.0])
def test_a_rhombohedral_cell_is_measured_as_its_hexagonal_one(c):
    hexagonal = Cell.fromcellpar([3, 3, c, 90, 90, 120]).array
    primitive = OBVERSE @ hexagonal
    wanted = of(hexagonal)
    assert wanted.rotation == pytest.approx(np.eye(3), abs=1e-9)
    threefold = [
        np.array([[np.cos(t), np.sin(t), 0], [-np.sin(t), np.cos(t), 0], [0, 0, 1]]) for t in (0, 2.0943951, 4.1887902)
    ]
    twofold = np.diag([1.0, -1, -1])  # about x = a, as every crystal with C14 and no C15 has it
    same = [turn @ other for turn in threefold for other in (np.eye(3), twofold)]
    swapped = primitive[[0, 2, 1]]  # of the other handedness
    for cell, rotation in [
        (primitive, np.eye(3)),
        (swapped, np.eye(3)),
        (-primitive, np.eye(3)),
        *other_cells(primitive),
    ]:
        found = of(cell)
        assert found.name == "RHL"
        assert found.constants_A == pytest.approx({"a": 3.0, "c": c})
        assert_proper(found.rotation)
        assert any(np.allclose(rotation @ found.rotation, each, atol=1e-6) for each in same)


def test_asymmetric_names_of_axes_are_the_cells():
    for lengths in ([10, 6, 4.8], [10, 4.8, 6], [4.8, 6, 10]):
        for rotation in rotations(3):
            cell = np.diag(lengths) @ rotation
            for hand in (1.0, -1.0):
                found = of(np.diag([1, 1, hand]) @ cell)
                assert found.name == "ORC"
                assert found.constants_A == pytest.approx(dict(zip("abc", lengths, strict=True)))
                assert_proper(found.rotation)
                assert np.abs(cell @ found.rotation) == pytest.approx(np.diag(lengths), abs=1e-9)


@pytest.mark.parametrize(
    ("name", "primitive"),
    [
        ("ORCC", [[0.5, -0.5, 0], [0.5, 0.5, 0], [0, 0, 1]]),
        ("ORCC", [[1, 0, 0], [0, 0.5, -0.5], [0, 0.5, 0.5]]),
        ("ORCI", [[-0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.5, 0.5, -0.5]]),
        ("ORCF", [[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]),
    ],
)
def test_primitive_cells_keep_the_names_of_the_conventional_axes(name, primitive):
    lengths = [10.0, 6.0, 4.8]
    for rotation in rotations(3):
        found = of(np.array(primitive) @ np.diag(lengths) @ rotation)
        assert found.name == name
        assert found.constants_A == pytest.approx({"a": 10.0, "b": 6.0, "c": 4.8})
        assert np.abs(rotation @ found.rotation) == pytest.approx(np.eye(3), abs=1e-9)


@pytest.mark.parametrize("lattice", [ORCC(3, 4, 5), ORCI(3, 4, 5), ORCF(3, 4, 5)], ids=lambda each: each.name)
def test_an_unusual_orthorhombic_cell_still_has_its_axes(lattice):
    for cell, rotation in other_cells(lattice.tocell().array, seed=3):
        found = of(cell)
        assert sorted(found.constants_A.values()) == pytest.approx([3.0, 4.0, 5.0])
        assert_proper(found.rotation)
        axes = np.abs(rotation @ found.rotation)
        assert np.sort(axes, axis=1) == pytest.approx(np.sort(np.eye(3), axis=1), abs=1e-6)
        for number, key in enumerate("abc"):
            assert found.constants_A[key] == pytest.approx([3.0, 4.0, 5.0][int(np.argmax(axes[:, number]))])


def test_monoclinic_and_triclinic_cells_are_only_turned_back():
    for parameters, name in (([5, 6, 7, 90, 100, 90], "MCL"), ([5, 6, 7, 75, 80, 100], "TRI")):
        cell = Cell.fromcellpar(parameters).array  # a along x, b in the plane xy: how a CIF file is read
        for rotation in rotations(3):
            found = of(cell @ rotation)
            assert found.name == name
            assert found.constants_A == pytest.approx({"a": 5.0, "b": 6.0, "c": 7.0})
            assert cell @ rotation @ found.rotation == pytest.approx(cell, abs=1e-9)
    conventional = Cell.fromcellpar([9, 6, 7, 90, 110, 90]).array
    primitive = np.array([[0.5, -0.5, 0], [0.5, 0.5, 0], [0, 0, 1]]) @ conventional
    for rotation in rotations(3):
        found = of(primitive @ rotation)
        assert found.name == "MCLC"
        assert found.constants_A == pytest.approx({"a": 9.0, "b": 6.0, "c": 7.0})
        assert conventional @ rotation @ found.rotation == pytest.approx(conventional, abs=1e-9)


def test_a_cell_that_a_model_has_relaxed_is_a_little_off():
    generator = np.random.default_rng(0)
    for lengths, angles in (([3, 3, 5], [90, 90, 120]), ([10, 6, 4.8], [90, 90, 90]), ([3, 3, 4], [90, 90, 90])):
        cell = Cell.fromcellpar([*lengths, *angles]).array
        off = cell @ (np.eye(3) + 5e-5 * generator.normal(size=(3, 3)))
        exact, found = of(cell), of(off)
        assert found.name == exact.name
        assert np.abs(found.rotation) == pytest.approx(np.abs(exact.rotation), abs=2e-3)
        assert_proper(found.rotation)
