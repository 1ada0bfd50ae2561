"""Pairs within a cutoff against a sum over images, in every periodicity and in skewed cells."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.data import covalent_radii
from hypothesis import given, settings
from hypothesis import strategies as st

from pfd.frames.neighbours import closest_contact, pairs_within

PERIODICITIES = list(itertools.product([False, True], repeat=3))


def brute_force(frame: Atoms, cutoff: float) -> list[tuple[int, int, np.ndarray]]:
    """All ordered pairs with their vectors, image by image."""
    heights = [0.0 if not flag else 1.0 / np.linalg.norm(row)
               for flag, row in zip(frame.pbc, frame.cell.complete().reciprocal().array, strict=True)]  # fmt: skip
    spread = np.ptp(frame.cell.complete().scaled_positions(frame.positions), axis=0)
    reach = [int(np.ceil(cutoff / h + s)) if h else 0 for h, s in zip(heights, spread, strict=True)]
    found = []
    for image in itertools.product(*(range(-n, n + 1) for n in reach)):
        shift = np.array(image) @ frame.cell.array
        for i, j in itertools.product(range(len(frame)), repeat=2):
            vector = frame.positions[j] + shift - frame.positions[i]
            if (i != j or any(image)) and np.linalg.norm(vector) < cutoff:
                found.append((i, j, vector))
    return found


def random_frame(seed: int, pbc: tuple[bool, ...], atoms: int = 5) -> Atoms:
    """Atoms in and around a skewed cell; unused cell vectors may be missing."""
    rng = np.random.default_rng(seed)
    cell = 3.0 * np.eye(3) + rng.uniform(-0.9, 0.9, (3, 3))
    positions = rng.uniform(-0.7, 1.7, (atoms, 3)) @ cell
    if seed % 2:
        cell[~np.array(pbc)] = 0.0
    return Atoms(f"Cu{atoms}", positions=positions, cell=cell, pbc=pbc)


@pytest.mark.parametrize("pbc", PERIODICITIES)
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("cutoff", [1.5, 4.2])
def test_as_brute_force(pbc, seed, cutoff):
    frame = random_frame(seed, pbc)
    expected = brute_force(frame, cutoff)
    found = pairs_within(frame, cutoff)
    mine = sorted((i, j, *np.round(vector, 6) + 0.0) for i, j, vector in expected)
    theirs = sorted(
        (int(i), int(j), *np.round(v, 6) + 0.0) for i, j, v in zip(found.first, found.second, found.vector, strict=True)
    )
    assert len(mine) == len(theirs)
    assert np.allclose(np.array(mine).reshape(-1, 5), np.array(theirs).reshape(-1, 5), atol=2e-6)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(PERIODICITIES), st.floats(0.5, 5.0))
def test_pairs_are_ordered_symmetric_and_inside(seed, pbc, cutoff):
    found = pairs_within(random_frame(seed, pbc, atoms=3), cutoff)
    assert (found.distance < cutoff).all()
    assert np.allclose(np.linalg.norm(found.vector, axis=1), found.distance)
    assert (np.diff(found.first) >= 0).all()
    same = np.diff(found.first) == 0
    assert (np.diff(found.distance)[same] >= 0).all()
    counts = np.zeros((3, 3), int)
    np.add.at(counts, (found.first, found.second), 1)
    assert (counts == counts.T).all()
    assert np.allclose(found.vector.sum(axis=0), 0.0, atol=1e-9)


def test_shells_of_copper():
    pairs = pairs_within(bulk("Cu", a=3.6), 3.7)
    assert len(pairs.distance) == 12 + 6
    assert pairs.distance[:12] == pytest.approx(3.6 / np.sqrt(2))
    assert pairs.distance[12:] == pytest.approx(3.6)


@pytest.mark.parametrize("atoms", [0, 1])
def test_nothing_near_nothing(atoms):
    assert pairs_within(Atoms(f"Cu{atoms}" if atoms else "", positions=np.zeros((atoms, 3))), 5.0).distance.size == 0


def test_closest_contact_is_relative_to_the_radii():
    bond = 0.8 * (covalent_radii[1] + covalent_radii[8])
    frame = Atoms("OHH", positions=[[0, 0, 0], [bond, 0, 0], [0, 0, 9.0]])
    assert closest_contact(frame) == pytest.approx(0.8)
    assert closest_contact(frame, up_to=0.7) == float("inf")
    assert closest_contact(Atoms()) == float("inf")


def test_closest_contact_sees_images():
    frame = Atoms("Cu", cell=[2.0, 9.0, 9.0], pbc=[True, False, False])
    assert closest_contact(frame) == pytest.approx(1.0 / covalent_radii[29])
    frame.pbc = False
    assert closest_contact(frame) == float("inf")


def test_a_cell_that_nobody_can_count_the_images_of_is_crowded_at_once() -> None:
    tiny = Atoms("Cu", cell=[1e-3] * 3, pbc=True)
    assert closest_contact(tiny) < 1e-3
    flat = Atoms("Cu", cell=[[5.0, 0, 0], [5.0, 1e-6, 0], [0, 0, 5.0]], pbc=True)
    assert closest_contact(flat, 0.6) < 0.2
