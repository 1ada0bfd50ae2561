"""The descriptor: equal to the published one, invariant, and aware of species."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule

from pfd.select.descriptor import describe, environments_by_species, frame_descriptors


def rattle(frame: Atoms, seed: int = 0) -> Atoms:
    frame = frame.copy()
    frame.positions += np.random.default_rng(seed).normal(size=frame.positions.shape) * 0.1
    return frame


@pytest.mark.filterwarnings("ignore::Warning:quests")  # numba's remarks on the reference's own code
@pytest.mark.filterwarnings("ignore:.*unsafe cast.*")
@pytest.mark.parametrize(
    "frame",
    [
        rattle(bulk("Si", cubic=True)),
        rattle(bulk("Si", cubic=True).repeat((1, 2, 3)), 1),
        rattle(bulk("Al").repeat(3), 2),
        rattle(bulk("Mo", cubic=True), 3),
        rattle(molecule("C60"), 4),
        rattle(Atoms("C5", positions=np.eye(5, 3) * 1.4 + np.arange(5)[:, None] * 0.5), 5),
    ],
    ids=["Si8", "Si48", "Al27-skewed", "Mo2", "C60", "C5"],
)
def test_one_element_equals_the_quests_package(frame: Atoms) -> None:
    quests = pytest.importorskip("quests.descriptor")
    theirs = quests.get_descriptors([frame], k=32, cutoff=5.0)
    np.testing.assert_allclose(describe(frame, 32, 5.0), theirs, rtol=0, atol=1e-10)


def test_invariant_under_rotation_translation_wrapping_and_order() -> None:
    frame = rattle(bulk("NaCl", "rocksalt", a=5.64, cubic=True))
    expected = describe(frame)
    moved = frame.copy()
    moved.rotate(37, (1, 2, 3), rotate_cell=True)
    moved.positions += [11.0, -3.0, 0.7]
    moved.wrap()
    np.testing.assert_allclose(describe(moved), expected, atol=1e-9)
    order = np.random.default_rng(1).permutation(len(frame))
    np.testing.assert_allclose(describe(frame[order]), expected[order], atol=1e-9)


def test_a_slab_is_periodic_in_its_plane_only() -> None:
    slab = bulk("Si", cubic=True).repeat((1, 1, 2))
    slab.pbc = (True, True, False)
    inside = describe(slab)[:, 0] > 0
    assert inside.all()
    assert not np.allclose(describe(slab), describe(bulk("Si", cubic=True).repeat((1, 1, 2))))
    lifted = slab.copy()
    lifted.cell[2] = 0.0
    np.testing.assert_allclose(describe(lifted), describe(slab), atol=1e-12)


def test_exchanging_neighbours_of_two_elements_changes_it() -> None:
    frame = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    shuffled = frame.copy()
    shuffled.numbers = np.random.default_rng(0).permutation(frame.numbers)
    mine, other = describe(frame), describe(shuffled)
    assert np.abs(np.sort(mine, axis=0) - np.sort(other, axis=0)).max() > 0.1


def test_it_is_continuous_where_neighbours_of_two_elements_change_places() -> None:
    def triple(difference: float) -> Atoms:
        return Atoms("SiCSi", positions=[[0, 0, 0], [2.0 + difference, 0, 0], [0, 2.0, 0]])

    before, after = describe(triple(-1e-7)), describe(triple(1e-7))
    assert np.abs(before - after).max() < 1e-6


def test_environments_are_kept_by_frame_and_species() -> None:
    frames = [rattle(bulk("NaCl", "rocksalt", a=5.64)), rattle(bulk("Na", cubic=True)), Atoms("Cl")]
    groups = environments_by_species(frames, 32, 5.0)
    assert sorted(groups) == [11, 17]
    assert [len(groups[11].of(frame)) for frame in range(3)] == [1, 2, 0]
    assert [len(groups[17].of(frame)) for frame in range(3)] == [1, 0, 1]
    np.testing.assert_array_equal(groups[11].of(1), describe(frames[1], species=[11, 17]))
    points = frame_descriptors(groups)
    assert points.shape == (3, 4 * 95)
    np.testing.assert_allclose(points[1, :95], describe(frames[1], species=[11, 17]).mean(axis=0))
    np.testing.assert_allclose(points[1, 190:], 0.0)


def perovskite(repeat: int = 2) -> Atoms:
    places = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
    return Atoms("SrTiO3", scaled_positions=places, cell=[3.905] * 3, pbc=True).repeat(repeat)


@pytest.mark.filterwarnings("ignore::Warning:quests")
@pytest.mark.filterwarnings("ignore:.*unsafe cast.*")
def test_a_slab_equals_the_quests_package_with_a_vacuum_beyond_the_cutoff() -> None:
    quests = pytest.importorskip("quests.descriptor")
    slab = rattle(bulk("Si", cubic=True).repeat((2, 1, 1)), 3)
    slab.center(vacuum=6.0, axis=2)
    theirs = quests.get_descriptors([slab], k=32, cutoff=5.0)
    slab.pbc = (True, True, False)
    np.testing.assert_allclose(describe(slab), theirs, rtol=0, atol=1e-10)


@pytest.mark.parametrize("k", [2, 5, 20, 32, 33])
def test_any_number_of_neighbours_is_the_definition(k: int) -> None:
    frame = rattle(bulk("Al", cubic=True), 4)
    big = frame.repeat(3)
    centre = 13 * 4
    np.testing.assert_allclose(describe(big)[centre], describe(frame)[0], atol=1e-10)
    vectors = big.get_distances(centre, range(len(big)), mic=True, vector=True)
    near = vectors[np.argsort(np.linalg.norm(vectors, axis=1))[1 : k + 1]]
    near = near[np.linalg.norm(near, axis=1) < 5.0]
    weight = (1 - np.linalg.norm(near, axis=1) ** 2 / 25) ** 2
    cross = np.zeros((k, k))
    for j in range(len(near)):
        for m in range(len(near)):
            if j != m:
                cross[j, m] = np.sqrt(weight[j] * weight[m]) / np.linalg.norm(near[j] - near[m])
    expected = np.zeros(2 * k - 1)
    expected[: len(near)] = weight / np.linalg.norm(near, axis=1)
    expected[k:] = -np.sort(-cross, axis=1).mean(axis=0)[:-1]
    np.testing.assert_allclose(describe(frame, k)[0], expected, atol=1e-10)


def test_large_and_small_cells_go_different_ways_to_the_same_numbers() -> None:
    frame = rattle(perovskite(), 1)
    big = frame.repeat(3)
    assert len(big) > 1000
    np.testing.assert_allclose(describe(big), np.tile(describe(frame), (27, 1)), atol=1e-10)


def test_it_tells_which_other_element_a_neighbour_is() -> None:
    frame = perovskite()
    swapped = frame.copy()
    swapped.numbers[[0, 1]] = swapped.numbers[[1, 0]]
    assert set(frame.numbers[[0, 1]]) == {38, 22}
    oxygen = frame.numbers == 8
    changed = np.abs(describe(frame) - describe(swapped))[oxygen].max(axis=1)
    assert (changed > 0.1).sum() == 15  # beside one of the two: 12 + 6 sites, 3 of them beside both


def test_a_full_swap_of_two_elements_leaves_the_set_of_environments() -> None:
    frame = rattle(bulk("NaCl", "rocksalt", a=5.64, cubic=True), 2)
    swapped = frame.copy()
    swapped.numbers = np.where(frame.numbers == 11, 17, 11)
    mine, other = describe(frame), describe(swapped)
    np.testing.assert_allclose(other, mine[:, np.r_[32:64, 0:32, 64:95]], atol=1e-12)


@pytest.mark.parametrize("frame", [Atoms(), Atoms("Ar"), Atoms("Ar", cell=[20.0] * 3, pbc=True)])
def test_without_neighbours_it_is_zero(frame: Atoms) -> None:
    assert describe(frame, species=[18]).shape == (len(frame), 63)
    assert not describe(frame, species=[18]).any()
