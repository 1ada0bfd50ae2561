"""Split frames into training and held-out sets so that no trajectory stands on both sides."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pfd.digests import derive_seed
from pfd.errors import DataError

if TYPE_CHECKING:
    from ase import Atoms


GAP = 0.05
"""Part of a trajectory that was cut in two that goes to neither side."""
MOST_BLOCKS, LEAST_FOR_A_GAP = 5, 10
"""Held-out blocks of each group of a pool; frames of a group below which none is spared for a gap."""


def trajectory_of(frame: Atoms) -> str:
    """What a frame must not be separated from: its trajectory, else its parent, else ``""`` (origin unknown)."""
    return str(frame.info.get("trajectory") or frame.info.get("parent") or "")


def follow_trajectories(
    frames: Sequence[Atoms], train: Sequence[Atoms], held: Sequence[Atoms]
) -> tuple[list[Atoms], list[Atoms], list[Atoms]]:
    """Send frames to the side that their trajectory is on.

    Of a trajectory that was cut in two, what lies before the first held-out step is learnt from, the rest held out; of
    one that is on both sides without a cut, all is learnt from.

    Args:
        frames: new ones.
        train: frames that are learnt from.
        held: frames that are held out.

    Returns:
        Those to learn from, those to hold out, and those of trajectories on neither side or of unknown origin, each in
        the order given.
    """
    learnt, kept = _steps(train), _steps(held)
    to_train, to_held, unknown = [], [], []
    for frame in frames:
        name = trajectory_of(frame)
        if not name or not (name in learnt or name in kept):
            unknown.append(frame)
        elif name in kept and (name not in learnt or max(learnt[name]) < min(kept[name]) <= _step(frame)):
            to_held.append(frame)
        else:
            to_train.append(frame)
    return to_train, to_held, unknown


def _steps(frames: Sequence[Atoms]) -> dict[str, set[int]]:
    """Trajectory -> steps of its frames."""
    steps: dict[str, set[int]] = defaultdict(set)
    for frame in frames:
        steps[trajectory_of(frame)].add(_step(frame))
    return steps


def _step(frame: Atoms) -> int:
    return int(frame.info.get("step", 0))


def split_by_trajectory(
    frames: Sequence[Atoms], fraction: float, seed: int, gap: float = GAP
) -> tuple[list[Atoms], list[Atoms]]:
    """Hold out about a fraction of the frames, as whole trajectories.

    Trajectories are drawn in a seeded order and held out while they fit the fraction; if none fits, the smallest is.
    One that holds the only frames of an element is learnt from, unless every one does. Frames of unknown origin count
    as one trajectory. If there is only one trajectory in all, its last frames (by MD step, else in the order given)
    are held out as one block, and ``gap`` of the frames, at least one, are left out before it, because they resemble
    both sides (none if there are only two frames).

    Args:
        frames: the frames, with ``info["trajectory"]`` or ``info["parent"]``.
        fraction: of the frames to hold out, above 0 and below 1.
        seed: the same seed and frames, in any order, give the same split.
        gap: fraction of a single trajectory that goes to neither side; 0 for none.

    Returns:
        The frames to learn from and those held out, each in the order given.

    Raises:
        DataError: if one side would hold no frame.
    """
    target, members = _target(frames, fraction), _members(frames)
    if len(members) == 1:
        return _split_one(frames, target, gap)
    held = _draw_trajectories(members, frames, target, seed)
    train = [frame for frame in frames if trajectory_of(frame) not in held]
    return train, [frame for frame in frames if trajectory_of(frame) in held]


def split_pool(frames: Sequence[Atoms], fraction: float, seed: int) -> tuple[list[Atoms], list[Atoms]]:
    """Divide a pool: by whole trajectories (see ``split_by_trajectory``), and a single one by blocks all along it.

    A file without origins counts as one trajectory. Files that people bring are often sorted (defects first, strained
    cells last), and the end of such a file is no sample of it: each group of frames (``info["group"]``) is cut into
    equal stretches, at most five, and a block somewhere in each stretch is held out; of a group of one stretch (less
    than about 50 frames) its end, whatever the seed, so that a gap on one side is enough. ``GAP`` of a group goes to
    neither side, beside its blocks. Groups too small to be cut are divided together, in the order of the file. The
    first frame of a group that is cut is always learnt from. So is the first frame of an element that would otherwise
    only be tested on.

    Args:
        frames: the frames, in the order of the file where they have no step.
        fraction: of the frames to hold out, above 0 and below 1.
        seed: draws whole trajectories, or where each block lies; frames that are added to one group leave the blocks
            of the others.

    Returns:
        The frames to learn from and those held out, each in the order given.

    Raises:
        DataError: if one side would hold no frame.
    """
    if len(_members(frames)) > 1:
        return split_by_trajectory(frames, fraction, seed)
    _target(frames, fraction)
    order = sorted(range(len(frames)), key=lambda index: (_step(frames[index]), index))
    groups: dict[str, list[int]] = defaultdict(list)
    for index in order:
        groups[str(frames[index].info.get("group", ""))].append(index)
    small = {name for name, own in groups.items() if fraction * len(own) < 1 or len(own) < 2}
    together = [index for index in order if str(frames[index].info.get("group", "")) in small]
    parts = {name: own for name, own in groups.items() if name not in small}
    learnt, held = _blocks(together, fraction, seed) if together else ([], [])
    for name, part in parts.items():
        of_part = _blocks(part, fraction, derive_seed(seed, name))
        learnt += of_part[0]
        held += of_part[1]
    known = {symbol for index in learnt for symbol in set(frames[index].symbols)}
    for index in order:
        if not known.issuperset(frames[index].symbols):
            known |= set(frames[index].symbols)
            learnt.append(index)
            held = [other for other in held if other != index]
    if not held:  # of very few frames
        wanted = max(1, min(len(frames) - 1, round(fraction * len(frames))))
        held = _last_that_others_resemble(frames, order, wanted) or order[-wanted:]
        learnt = [index for index in order if index not in held]
    return [frames[index] for index in sorted(learnt)], [frames[index] for index in sorted(held)]


def _last_that_others_resemble(frames: Sequence[Atoms], order: Sequence[int], wanted: int) -> list[int]:
    """The last frames whose elements are all in others too, so many or fewer."""
    left = Counter(symbol for frame in frames for symbol in set(frame.symbols))
    held: list[int] = []
    for index in reversed(order):
        symbols = set(frames[index].symbols)
        if len(held) < wanted and all(left[symbol] > 1 for symbol in symbols):
            held.append(index)
            left -= Counter(symbols)
    return held


def _blocks(part: Sequence[int], fraction: float, seed: int) -> tuple[list[int], list[int]]:
    """The members to learn from and those held out: blocks at drawn places of equal stretches, a single one at the end.

    Between two blocks is a member to learn from, if there is room.
    """
    gap = round(GAP * len(part))
    blocks = max(1, min(MOST_BLOCKS, (gap + 1) // 2))
    # spared on each side of each block; beside a single one there is one side
    beside = max(gap // (2 * blocks) if blocks > 1 else gap, int(len(part) >= LEAST_FOR_A_GAP))
    draws = np.random.default_rng(seed)
    learnt, held = np.ones(len(part), dtype=bool), np.zeros(len(part), dtype=bool)
    for stretch in np.array_split(np.arange(len(part)), blocks):
        wanted = min(round(fraction * len(stretch)), len(stretch) - 1)
        if wanted:
            last = len(stretch) - wanted
            first = int(stretch[0]) + (int(draws.integers(min(2 * beside + 1, last), last + 1)) if blocks > 1 else last)
            held[first : first + wanted] = True
            learnt[max(0, first - beside) : first + wanted + beside] = False
    members = np.array(part)
    return members[learnt].tolist(), members[held].tolist()


def _target(frames: Sequence[Atoms], fraction: float) -> int:
    """How many frames to hold out.

    Raises:
        DataError: if one side would hold no frame.
    """
    total = len(frames)
    target = max(1, round(fraction * total))
    if not 0 < fraction < 1 or target >= total:
        raise DataError(
            f"holding out the fraction {fraction:g} of {total} frames leaves no frame on one side",
            where="split",
            hint="choose a fraction between 0 and 1 that leaves a training frame, or bring more frames",
        )
    return target


def _members(frames: Sequence[Atoms]) -> dict[str, list[Atoms]]:
    """Trajectory -> its frames."""
    members: dict[str, list[Atoms]] = defaultdict(list)
    for frame in frames:
        members[trajectory_of(frame)].append(frame)
    return members


def _drawn_order(names: Iterable[str], seed: int) -> list[str]:
    ordered = sorted(names)
    return [ordered[index] for index in np.random.default_rng(seed).permutation(len(ordered))]


def split_for_validation(
    frames: Sequence[Atoms], fraction: float, seed: int, learnt: Sequence[Atoms] = ()
) -> tuple[list[Atoms], list[Atoms]]:
    """Hold out about a fraction of labelled frames, as whole trajectories where that does not cost too many of them.

    Trajectories are drawn as by ``split_by_trajectory``, but none that holds the only frames of an element. Where none
    fits, the smallest is held out if it has no more than twice as many frames as are wanted, and else the last frames
    of the longest, without a gap, which would waste labels that are paid for.

    Args:
        frames: the frames, with ``info["trajectory"]`` or ``info["parent"]``.
        fraction: of the frames to hold out, above 0 and below 1.
        seed: the same seed and frames, in any order, give the same split.
        learnt: frames that are learnt from already.

    Returns:
        The frames to learn from and those held out, each in the order given; none is held out where every trajectory
        holds the only frames of an element up to its end.

    Raises:
        DataError: if the fraction leaves no frame on one side.
    """
    target, members = _target(frames, fraction), _members(frames)
    order = _drawn_order(members, seed)
    held = _Held(frames, learnt)
    for name in order:
        if len(held) + len(members[name]) <= target:
            held.take(members[name])
    by_size = sorted(order, key=lambda name: len(members[name]))
    for name in by_size:
        if not held and len(members[name]) <= 2 * target:
            held.take(members[name])
    for name in reversed(by_size):
        size = len(members[name])
        if not held and size > 1:
            held.take(_split_one(members[name], target if target < size else size // 2, gap=0.0)[1])
    return held.others(frames), held.of(frames)


class _Held:
    """Frames that are held out, without the only ones of an element.

    Args:
        frames: what there is to hold out.
        learnt: what is learnt from in any case.
    """

    def __init__(self, frames: Sequence[Atoms], learnt: Sequence[Atoms]) -> None:
        self._left = Counter(symbol for frame in [*frames, *learnt] for symbol in set(frame.symbols))
        self._most = len(frames) - 1
        self._taken: set[int] = set()

    def __len__(self) -> int:
        return len(self._taken)

    def take(self, frames: Sequence[Atoms]) -> None:
        """Hold these out, unless an element, or every frame, would be gone with them."""
        gone = Counter(symbol for frame in frames for symbol in set(frame.symbols))
        if len(self) + len(frames) <= self._most and all(self._left[symbol] > count for symbol, count in gone.items()):
            self._left -= gone
            self._taken |= {id(frame) for frame in frames}

    def of(self, frames: Sequence[Atoms]) -> list[Atoms]:
        """Those of the frames that are held out."""
        return [frame for frame in frames if id(frame) in self._taken]

    def others(self, frames: Sequence[Atoms]) -> list[Atoms]:
        """Those that are not."""
        return [frame for frame in frames if id(frame) not in self._taken]


def _draw_trajectories(members: dict[str, list[Atoms]], frames: Sequence[Atoms], target: int, seed: int) -> set[str]:
    order, held = _drawn_order(members, seed), _Held(frames, ())
    for name in order:
        if len(held) + len(members[name]) <= target:
            held.take(members[name])
    by_size = sorted(order, key=lambda name: len(members[name]))
    for name in by_size:
        if not held:
            held.take(members[name])
    return {trajectory_of(frame) for frame in held.of(frames)} or {by_size[0]}


def _split_one(frames: Sequence[Atoms], target: int, gap: float) -> tuple[list[Atoms], list[Atoms]]:
    total = len(frames)
    order = sorted(range(total), key=lambda index: (_step(frames[index]), index))
    between = min(max(1, round(gap * total)), total - target - 1) if gap > 0 else 0
    train, held = sorted(order[: total - target - between]), sorted(order[-target:])
    return [frames[index] for index in train], [frames[index] for index in held]


def part_of(frames: Sequence[Atoms], share: float, seed: int) -> list[Atoms]:
    """A random part of the frames, in their order, at least one; the first frame of each element is always in it."""
    order = np.random.default_rng(seed).permutation(len(frames))
    taken = {int(index) for index in order[: max(1, min(len(frames) - 1, round(share * len(frames))))]}
    known: set[str] = set()
    for index, frame in enumerate(frames):
        symbols = set(frame.get_chemical_symbols())
        if symbols - known:
            taken.add(index)
            known |= symbols
    return [frames[index] for index in sorted(taken)]
