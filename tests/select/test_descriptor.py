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
    np.testing.assert_array_equal(groups[11].of(1), describe(frames[1]))
    points = frame_descriptors(groups)
    assert points.shape == (3, 4 * 63)
    np.testing.assert_allclose(points[1, :63], describe(frames[1]).mean(axis=0))
    np.testing.assert_allclose(points[1, 126:], 0.0)
