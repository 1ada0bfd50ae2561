"""Splits without leakage, and the finding of leaks."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from hypothesis import given, settings
from hypothesis import strategies as st

from pfd.errors import DataError
from pfd.frames import with_origin
from pfd.frames.fingerprint import fingerprint, near_pairs, overlap
from pfd.frames.split import split_by_trajectory, split_for_validation, split_pool, trajectory_of


def numbered(sizes: list[int]) -> list[Atoms]:
    frames = []
    for run, size in enumerate(sizes):
        for step in range(size):
            frame = Atoms("Si", positions=[[run, step, 0.0]])
            frames.append(with_origin(frame, trajectory=f"run{run}", step=step * 10))
    return frames


@settings(max_examples=80, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 6), min_size=2, max_size=8),
    fraction=st.floats(0.01, 0.9),
    seed=st.integers(0, 100),
    order=st.randoms(use_true_random=False),
)
def test_no_trajectory_on_both_sides(sizes: list[int], fraction: float, seed: int, order: object) -> None:
    frames = numbered(sizes)
    try:
        train, held = split_by_trajectory(frames, fraction, seed)
    except DataError:
        assert round(fraction * len(frames)) >= len(frames)
        return
    assert train
    assert held
    assert {trajectory_of(frame) for frame in train}.isdisjoint(trajectory_of(frame) for frame in held)
    assert len(train) + len(held) == len(frames)
    assert len(held) <= max(1, round(fraction * len(frames)), min(sizes))
    shuffled = list(frames)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    _, again = split_by_trajectory(shuffled, fraction, seed)
    assert {frame.info["id"] for frame in again} == {frame.info["id"] for frame in held}


def test_about_the_fraction_is_held_out() -> None:
    _, held = split_by_trajectory(numbered([5] * 20), 0.2, 0)
    assert len(held) == 20
    others = {tuple(frame.info["id"] for frame in split_by_trajectory(numbered([5] * 20), 0.2, s)[1]) for s in range(5)}
    assert len(others) > 1


def test_parents_bind_like_trajectories() -> None:
    frames = [with_origin(Atoms("Si", positions=[[i, 0, 0]]), parent=f"f{i % 3}") for i in range(12)]
    train, held = split_by_trajectory(frames, 0.4, 0)
    assert {frame.info["parent"] for frame in train}.isdisjoint(frame.info["parent"] for frame in held)


@pytest.mark.parametrize("known", [True, False])
def test_one_trajectory_is_cut_into_blocks_with_a_gap(known: bool) -> None:
    frames = numbered([40])
    if not known:
        for frame in frames:
            frame.info.pop("trajectory")
    mixed = [frames[index] for index in np.random.default_rng(0).permutation(40)]
    train, held = split_by_trajectory(mixed, 0.25, 0)
    assert sorted(frame.info["step"] for frame in held) == list(range(300, 400, 10))
    assert max(frame.info["step"] for frame in train) == 270
    assert len(train) == 28
    assert sum(len(part) for part in split_by_trajectory(mixed, 0.25, 0, gap=0.0)) == 40


def sorted_by_kind(sizes: dict[str, int]) -> list[Atoms]:
    kinds = [kind for kind, size in sizes.items() for _ in range(size)]
    return [
        with_origin(Atoms("Si", positions=[[step, 0.0, 0.0]]), trajectory="file", step=step, group=kind)
        for step, kind in enumerate(kinds)
    ]


def test_a_sorted_pool_is_tested_on_each_of_its_kinds() -> None:
    sizes = {"vacancy": 57, "surface": 12, "hot": 90, "strained": 55}
    frames = sorted_by_kind(sizes)
    train, held = split_pool(frames, 0.2, 0)
    for kind, size in sizes.items():
        tested = [frame.info["step"] for frame in held if frame.info["group"] == kind]
        learnt = [frame.info["step"] for frame in train if frame.info["group"] == kind]
        assert 0.1 * size < len(tested) <= 0.25 * size
        assert len(learnt) > 0.7 * size
        assert min(learnt) < min(tested)
        assert touching(train, held, kind) == 0
    assert len(held) + len(train) >= 0.9 * len(frames)
    hot = [frame.info["step"] for frame in held if frame.info["group"] == "hot"]
    assert sum(np.diff(hot) > 1) == 1  # two blocks: a gap on each side of more would cost more than a twentieth
    shuffled = [frames[index] for index in np.random.default_rng(0).permutation(len(frames))]
    assert {id(frame) for frame in split_pool(shuffled, 0.2, 0)[1]} == {id(frame) for frame in held}


def touching(train: list[Atoms], held: list[Atoms], kind: str) -> int:
    """Held-out frames of a group beside one of it that is learnt from."""
    learnt = {frame.info["step"] for frame in train if frame.info["group"] == kind}
    tested = {frame.info["step"] for frame in held if frame.info["group"] == kind}
    return sum(step - 1 in learnt or step + 1 in learnt for step in tested)


@pytest.mark.parametrize("size", [100, 214, 1000])
def test_a_long_pool_is_tested_along_it_with_gaps_on_both_sides(size: int) -> None:
    train, held = split_pool(sorted_by_kind({"": size}), 0.2, 0)
    steps = np.array([frame.info["step"] for frame in held])
    assert 0.18 * size <= len(held) <= 0.22 * size
    assert len(train) + len(held) >= 0.92 * size
    assert touching(train, held, "") == 0
    assert (np.diff(steps) > 1).sum() == (2 if size == 100 else 4)


@pytest.mark.parametrize("sizes", [[2] * 200 + [5], [2] * 200, [3] * 200, [4] * 100, [1] * 30, [5] * 40 + [60]])
def test_many_small_kinds_are_divided_together(sizes: list[int]) -> None:
    frames = sorted_by_kind({str(number): size for number, size in enumerate(sizes)})
    train, held = split_pool(frames, 0.2, 0)
    assert 0.15 * len(frames) <= len(held) <= 0.25 * len(frames)
    assert len(train) >= 0.65 * len(frames)


@settings(max_examples=100, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 60), min_size=1, max_size=12),
    fraction=st.floats(0.05, 0.8),
    seed=st.integers(0, 2**31),
)
def test_any_pool_has_two_sides(sizes: list[int], fraction: float, seed: int) -> None:
    frames = sorted_by_kind({str(number): size for number, size in enumerate(sizes)})
    try:
        train, held = split_pool(frames, fraction, seed)
    except DataError:
        assert round(fraction * len(frames)) >= len(frames) or len(frames) == 1
        return
    assert train
    assert held
    assert {id(frame) for frame in train}.isdisjoint(id(frame) for frame in held)
    assert abs(len(held) - fraction * len(frames)) <= 1 + 2.5 * len(sizes)
    assert len(train) + len(held) >= 0.9 * len(frames) - 2 * len(sizes)


def test_seeds_hold_out_other_blocks_of_a_pool() -> None:
    frames = sorted_by_kind({"hot": 90, "strained": 55})
    sides = [split_pool(frames, 0.2, seed) for seed in (0, 0, 1, 2)]
    held = [{id(frame) for frame in side[1]} for side in sides]
    assert held[0] == held[1]
    assert len(set(map(frozenset, held))) == 3
    assert len({len(side) for side in held}) == 1
    assert all(touching(*side, kind) == 0 for side in sides for kind in ("hot", "strained"))


@pytest.mark.parametrize("size", [10, 25, 40])
def test_a_group_of_one_block_is_tested_on_its_end(size: int) -> None:
    frames = sorted_by_kind({"": size})
    train, held = split_pool(frames, 0.2, 0)
    assert held == frames[-round(0.2 * size) :]
    assert train == frames[: len(train)]
    assert len(frames) - len(train) - len(held) == max(1, round(0.05 * size))
    assert split_pool(frames, 0.2, 1) == (train, held)


def test_frames_added_to_one_group_leave_the_blocks_of_the_others() -> None:
    frames = sorted_by_kind({"hot": 90, "strained": 55, "cold": 60})
    grown = [*frames, *(frame.copy() for frame in frames[:40])]
    before, after = ({id(frame) for frame in split_pool(each, 0.2, 0)[1]} for each in (frames, grown))
    others = {id(frame) for frame in frames[90:]}
    assert before & others == after & others


@pytest.mark.parametrize(("size", "where"), [(3, -1), (5, -1), (10, -1), (40, -1), (40, 0), (120, 30), (120, 60)])
def test_an_element_of_one_frame_is_learnt(size: int, where: int) -> None:
    for seed in range(20):
        frames = sorted_by_kind({"": size})
        frames[where].symbols[0] = "Ge"
        train, held = split_pool(frames, 0.2, seed)
        assert frames[where] in train
        assert held
        assert len(held) >= 0.2 * size - 2


def test_a_pool_of_trajectories_is_divided_by_them() -> None:
    frames = numbered([5] * 8)
    assert split_pool(frames, 0.3, 1) == split_by_trajectory(frames, 0.3, 1)


def test_two_frames_are_just_enough() -> None:
    train, held = split_by_trajectory(numbered([2]), 0.1, 0)
    assert (len(train), len(held)) == (1, 1)


@pytest.mark.parametrize(("count", "fraction"), [(10, 0.99), (10, 1.0), (10, 0.0), (10, -1.0), (1, 0.2), (0, 0.2)])
def test_a_side_without_frames_is_an_error(count: int, fraction: float) -> None:
    with pytest.raises(DataError, match="leaves no frame") as error:
        split_by_trajectory(numbered([count]), fraction, 0)
    assert "bring more frames" in error.value.hint


def rattled(seed: int) -> Atoms:
    frame = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    frame.positions += np.random.default_rng(seed).normal(size=(8, 3)) * 0.1
    return frame


def test_overlap_finds_equal_and_moved_frames() -> None:
    first = [rattled(seed) for seed in range(5)]
    moved = first[2].copy()
    moved.rotate(20, (1, 1, 0), rotate_cell=True)
    moved.positions += 3.3
    moved.wrap()
    moved = moved[np.random.default_rng(0).permutation(8)]
    second = [rattled(9), first[4].copy(), moved]
    found = overlap(first, second)
    ids = [with_origin(frame).info["id"] for frame in [first[4], first[2], moved]]
    assert [(entry.frame, entry.twin, entry.exact) for entry in found] == [
        (ids[0], ids[0], True),
        (ids[2], ids[1], False),
    ]
    assert len(overlap(first, second, near=0.0)) == 1
    assert overlap([], second) == []


def test_fingerprints_tell_small_changes_and_elements_apart() -> None:
    frame = rattled(0)
    nudged = frame.copy()
    nudged.positions[3, 1] += 0.02
    swapped = frame.copy()
    swapped.numbers = swapped.numbers[[1, 0, 2, 3, 4, 5, 6, 7]]
    assert np.abs(fingerprint(frame) - fingerprint(nudged)).max() > 1e-3
    assert np.abs(fingerprint(frame) - fingerprint(swapped)).max() > 1e-3
    tiny = frame.copy()
    tiny.positions[3, 1] += 1e-6
    assert near_pairs([frame, nudged, rattled(1), tiny]) == [(0, 3)]


def test_two_long_trajectories_do_not_give_half_of_their_labels_to_validation() -> None:
    frames = numbered([20, 20])
    train, held = split_for_validation(frames, 0.1, 0)
    assert len(train) == 36
    assert [frame.info["step"] for frame in held] == [160, 170, 180, 190]
    assert len({trajectory_of(frame) for frame in held}) == 1


def test_validation_takes_whole_trajectories_where_they_are_small_enough() -> None:
    frames = numbered([5] * 10)
    assert split_for_validation(frames, 0.1, 3) == split_by_trajectory(frames, 0.1, 3)
    assert len(split_for_validation(frames, 0.1, 3)[1]) == 5


def dotted(sizes: list[int], *dopants: tuple[int, str]) -> list[Atoms]:
    """Silicon, but for one atom of each frame of some trajectories."""
    frames = numbered(sizes)
    for run, symbol in dopants:
        for frame in frames:
            if trajectory_of(frame) == f"run{run}":
                frame.symbols[0] = symbol
    return frames


@pytest.mark.parametrize("seed", range(8))
def test_the_only_frames_of_an_element_are_learnt_from(seed: int) -> None:
    drawn = split_by_trajectory(numbered([2, 2, 2, 2]), 0.25, seed)[1]
    run = int(trajectory_of(drawn[0])[3:])
    frames = dotted([2, 2, 2, 2], (run, "Ge"))  # the one that would be held out
    train, held = split_for_validation(frames, 0.25, seed)
    assert len(held) == 2
    assert {symbol for frame in held for symbol in frame.symbols} == {"Si"}
    assert {trajectory_of(frame) for frame in train}.isdisjoint(trajectory_of(frame) for frame in held)
    _, known = split_for_validation(frames, 0.25, seed, learnt=[Atoms("Ge")])
    assert {trajectory_of(frame) for frame in known} == {f"run{run}"}


@pytest.mark.parametrize("seed", range(8))
def test_a_pool_of_trajectories_learns_every_element(seed: int) -> None:
    drawn = split_pool(numbered([5] * 8), 0.2, seed)[1]
    frames = dotted([5] * 8, (int(trajectory_of(drawn[0])[3:]), "Ge"))  # the one that would be held out
    train, held = split_pool(frames, 0.2, seed)
    assert {symbol for frame in train for symbol in frame.symbols} == {"Si", "Ge"}
    assert len(held) == 5
    each = dotted([4, 6, 4], (0, "B"), (1, "C"), (2, "N"))  # there is none without: the smallest
    assert len(split_by_trajectory(each, 0.3, seed)[1]) == 4


def test_rare_elements_leave_something_to_validate_with() -> None:
    frames = dotted([20, 2, 2], (1, "Ge"), (2, "Ge"))
    for seed in range(6):
        assert len(split_for_validation(frames, 0.1, seed)[1]) == 2
    each = dotted([6] * 5, *((run, symbol) for run, symbol in enumerate(("B", "C", "N", "P", "As"))))
    train, held = split_for_validation(each, 0.2, 0)
    assert [frame.info["step"] for frame in held] == [30, 40, 50]  # the second half of one
    assert len({symbol for frame in train for symbol in frame.symbols}) == 5
    assert split_for_validation(dotted([1] * 3, (0, "B"), (1, "C"), (2, "N")), 0.3, 0)[1] == []


def test_the_cut_knows_no_order_of_frames() -> None:
    frames = numbered([9, 9, 9])
    cuts = set()
    for seed in range(10):
        held = [{frame.info["id"] for frame in split_for_validation(f, 0.1, seed)[1]} for f in (frames, frames[::-1])]
        assert held[0] == held[1]
        assert len(held[0]) == 3
        cuts.add(tuple(sorted(held[0])))
    assert len(cuts) == 3
