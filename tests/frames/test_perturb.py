"""Perturbed copies: the formula, its bounds, its seeds, constraints and periodicity."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111, molecule
from ase.constraints import FixAtoms, FixCartesian
from hypothesis import given, settings
from hypothesis import strategies as st

from pfd.errors import SettingError
from pfd.frames import Labels, frame_id, labels_of, with_labels
from pfd.frames.perturb import perturb, repeated


def test_strain_keeps_fractional_coordinates_and_is_symmetric() -> None:
    frame = bulk("Si").repeat(2)
    copies = perturb(frame, 20, displacement_A=0.0, strain=0.05, seed=1)
    for copy in copies:
        np.testing.assert_allclose(
            copy.get_scaled_positions(wrap=False), frame.get_scaled_positions(wrap=False), atol=1e-12
        )
        change = np.linalg.solve(frame.cell.array, copy.cell.array) - np.eye(3)
        np.testing.assert_allclose(change, change.T, atol=1e-12)
        limit = 0.025 + 0.025 * np.eye(3)
        assert (np.abs(change) <= limit + 1e-12).all()
        assert np.abs(change).max() > 1e-4


@pytest.mark.parametrize("style", ["normal", "uniform", "const"])
def test_lengths_of_displacements(style: Any) -> None:
    frame = bulk("Si", cubic=True).repeat(4)
    copy = perturb(frame, 1, displacement_A=0.2, strain=0.0, style=style, seed=2)[0]
    lengths = np.linalg.norm(copy.positions - frame.positions, axis=1)
    if style == "normal":
        assert np.sqrt(np.mean(lengths**2)) == pytest.approx(0.2, rel=0.1)
    elif style == "uniform":
        assert lengths.max() <= 0.2
        assert np.mean((lengths / 0.2) ** 3) == pytest.approx(0.5, abs=0.06)
    else:
        np.testing.assert_allclose(lengths, 0.2)
    assert np.abs((copy.positions - frame.positions).mean(axis=0)).max() < 0.04


@settings(max_examples=30, deadline=None)
@given(count=st.integers(0, 4), fraction=st.floats(0.05, 1.0), strain=st.floats(0, 0.2), seed=st.integers(0, 2**31 - 1))
def test_count_fraction_and_seed(count: int, fraction: float, strain: float, seed: int) -> None:
    frame = bulk("Si", cubic=True)
    copies = perturb(frame, count, displacement_A=0.1, strain=strain, fraction=fraction, seed=seed)
    again = perturb(frame, count, displacement_A=0.1, strain=strain, fraction=fraction, seed=seed)
    assert [copy.info["id"] for copy in copies] == [copy.info["id"] for copy in again]
    assert len({copy.info["id"] for copy in copies}) == len(copies) == count
    for copy in copies:
        moved = np.abs(copy.get_scaled_positions(wrap=False) - frame.get_scaled_positions(wrap=False)).max(axis=1)
        assert (moved > 1e-10).sum() == max(1, round(fraction * 8))


def test_constraints_hold() -> None:
    frame = bulk("Cu", cubic=True).repeat(2)
    frame.set_constraint([FixAtoms([0, 1]), FixCartesian(2, mask=(True, False, False))])
    copy = perturb(frame, 1, displacement_A=0.3, strain=0.0, seed=3)[0]
    change = copy.positions - frame.positions
    assert (change[:2] == 0).all()
    assert change[2, 0] == 0
    assert (change[2, 1:] != 0).all()
    assert (change[3:] != 0).all()
    strained = perturb(frame, 1, displacement_A=0.3, strain=0.05, seed=3)[0]
    np.testing.assert_allclose(strained.get_scaled_positions()[:2], frame.get_scaled_positions()[:2], atol=1e-12)
    assert len(strained.constraints) == 2


def test_a_slab_is_strained_in_its_plane_and_a_molecule_not_at_all() -> None:
    slab = fcc111("Al", (2, 2, 3), vacuum=8.0)
    slab.pbc = (True, True, False)
    copy = perturb(slab, 1, displacement_A=0.0, strain=0.1, seed=0)[0]
    np.testing.assert_allclose(copy.positions[:, 2], slab.positions[:, 2], atol=1e-12)
    np.testing.assert_allclose(copy.cell[2], slab.cell[2], atol=1e-12)
    assert np.abs(copy.cell.array[:2] - slab.cell.array[:2]).max() > 0.01
    water = molecule("H2O")
    np.testing.assert_array_equal(perturb(water, 1, displacement_A=0.0, strain=0.1)[0].positions, water.positions)


def test_origin_is_recorded_and_labels_are_dropped() -> None:
    frame = with_labels(bulk("Si"), Labels(-1.0, np.zeros((2, 3)), None, "PBE"))
    before = frame.positions.copy()
    copy = perturb(frame, 1, displacement_A=0.1, strain=0.01, supercell=(2, 1, 1))[0]
    assert copy.info["parent"] == frame_id(frame)
    assert copy.info["id"] == frame_id(copy)
    assert len(copy) == 4
    assert labels_of(copy) == Labels()
    np.testing.assert_array_equal(frame.positions, before)


def test_charge_and_spin_grow_with_the_supercell() -> None:
    frame = bulk("Fe")
    frame.info.update(charge=1, spin=3)
    frame.set_initial_magnetic_moments([2.2])
    large = repeated(frame, (2, 2, 1))
    assert (large.info["charge"], large.info["spin"]) == (4, 9)
    assert large.get_initial_magnetic_moments().tolist() == [2.2] * 4


@pytest.mark.parametrize(
    "wrong",
    [{"count": -1}, {"displacement_A": -0.1}, {"strain": 0.5}, {"strain": -0.1}, {"fraction": 0.0}],
)
def test_arguments_out_of_range(wrong: dict[str, Any]) -> None:
    arguments = {"count": 1, "displacement_A": 0.1, "strain": 0.0} | wrong
    with pytest.raises(SettingError, match=next(iter(wrong))):
        perturb(bulk("Si"), **arguments)


@pytest.mark.parametrize("supercell", [(0, 1, 1), (1, 1, 2)])
def test_a_supercell_must_fit(supercell: tuple[int, int, int]) -> None:
    frame = Atoms("Si", cell=[3, 3, 3], pbc=(True, True, False))
    with pytest.raises(SettingError, match="supercell"):
        repeated(frame, supercell)
