"""Greedy choice within a hard budget: the frame that scores best, given the reference and the picks so far."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from pfd.select.descriptor import Environments, FrameDescriptors, frame_descriptors
from pfd.select.surprise import PerEnvironment, PoolSurprise

Score = Literal["mean", "top", "per_cost"]
TOP_SHARE = 0.05
"""Part of a frame's environments that ``top`` looks at, at least one."""
Report = Callable[[float, str], None]
_COST_POWER = 2.0


def mean_score(values: PerEnvironment) -> float:
    """Mean surprise, nats."""
    return float(values.mean())


def top_score(values: PerEnvironment) -> float:
    """Mean surprise of the most surprising environments, nats."""
    count = max(1, int(np.ceil(TOP_SHARE * len(values))))
    return float(np.sort(values)[-count:].mean())


def cost_score(values: PerEnvironment) -> float:
    """Sum of the surprise by the estimated cost of a label, which grows with the square of the number of atoms."""
    return float(values.sum() / len(values) ** _COST_POWER)


_SCORES = {"mean": mean_score, "top": top_score, "per_cost": cost_score}


def greedy_entropy(
    groups: dict[int, Environments],
    pool: int,
    max_frames: int,
    bandwidth_per_A: float,
    score: Score = "mean",
    min_gain_nats: float | None = None,
    progress: Report | None = None,
    first: Sequence[int] = (),
) -> tuple[list[int], list[float]]:
    """Pick, again and again, the frame whose environments surprise most.

    The surprise of an environment x is -log sum_y K(x, y) over the environments y of the same central species in the
    reference and the picks so far. It only shrinks as frames are picked, so an old value is an upper bound, and only
    the frames on top of the heap are brought up to date (lazy greedy): first in single precision with a bound of the
    rounding error, and in double precision before a frame is picked. The picks are those of the plain definition.

    A frame with a species that is nowhere in the data surprises without bound; of several such frames the one nearest
    to the mean frame of the pool goes first, because the most extreme is seldom the best to begin with. In its
    gain, environments of the new species are compared with an isolated atom (a descriptor of zeros).

    Args:
        groups: environments by species; the first ``pool`` frames are candidates (in the order that breaks ties),
            the others the reference.
        pool: number of candidates.
        max_frames: budget.
        bandwidth_per_A: width of the kernel.
        score: what a frame's worth is: mean surprise, mean of the highest, or surprise by cost.
        min_gain_nats: picking ends where the gain of the best frame is below.
        progress: called with the fraction done and a text.
        first: candidates that are picked before any choice; they count in the budget.

    Returns:
        The picked frames, and the gain of each in nats: the mean surprise, or with ``top`` the mean of the highest.
    """
    surprise = PoolSurprise(groups, pool, bandwidth_per_A, max_frames)
    gain_of = top_score if score == "top" else mean_score
    worth = _Worth(_SCORES[score])
    return _greedy(surprise, groups, pool, max_frames, worth, gain_of, min_gain_nats, progress, first)


def greedy_cover(
    groups: dict[int, Environments],
    pool: int,
    max_frames: int,
    bandwidth_per_A: float,
    min_gain_nats: float | None = None,
    progress: Report | None = None,
) -> tuple[list[int], list[float]]:
    """Minimum set cover: highest surprise of any of a frame's environments, plus the entropy of the frame in itself.

    Arguments, the treatment of new species and results as in ``greedy_entropy``; gains are mean surprises.

    Source: Schwalbe-Koda et al., arXiv:2404.12367, and ``msc_conditional`` of their package quests.
    """
    surprise = PoolSurprise(groups, pool, bandwidth_per_A, max_frames)
    worth = _Worth(lambda values: float(values.max()), [surprise.own(frame) for frame in range(pool)])
    return _greedy(surprise, groups, pool, max_frames, worth, mean_score, min_gain_nats, progress)


class _Worth:
    """A score of a frame's surprise plus what the frame is worth in itself."""

    def __init__(self, score: Callable[[PerEnvironment], float], own: list[float] | None = None) -> None:
        self._score = score
        self._own = own

    def __call__(self, frame: int, values: PerEnvironment) -> float:
        return self._score(values) + (self._own[frame] if self._own else 0.0)


_Entry = tuple[bool, float, int, int, bool]


def _greedy(
    surprise: PoolSurprise,
    groups: dict[int, Environments],
    pool: int,
    max_frames: int,
    worth: _Worth,
    gain_of: Callable[[PerEnvironment], float],
    min_gain_nats: float | None,
    progress: Report | None,
    first: Sequence[int] = (),
) -> tuple[list[int], list[float]]:
    oddity = _oddity(groups, pool) if any(surprise.is_new(frame) for frame in range(pool)) else np.zeros(pool)

    def entry(frame: int) -> _Entry:
        """Not new, minus the upper bound, frame, picks that it knows of, whether the bound is the value."""
        if surprise.is_new(frame):
            return (False, float(oddity[frame]), frame, surprise.stages, True)
        if surprise.is_exact(frame) or surprise.is_fresh(frame):
            return (True, -worth(frame, surprise.exact(frame)), frame, surprise.stages, True)
        values, margin = surprise.bound(frame)
        return (True, -worth(frame, values + margin), frame, -1, False)

    picks: list[int] = []
    gains: list[float] = []
    for frame in first:
        picks.append(frame)
        gains.append(gain_of(surprise.exact(frame)))
        surprise.pick(frame)
    heap: list[_Entry] = [(False, -np.inf, frame, -1, False) for frame in range(pool) if frame not in set(picks)]
    while heap and len(picks) < max_frames:
        _, _, frame, stages, exact = heap[0]
        if not exact or stages < surprise.stages:
            heapq.heapreplace(heap, entry(frame))
            continue
        new = surprise.is_new(frame)
        gain = gain_of(surprise.exact(frame))
        if min_gain_nats is not None and gain < min_gain_nats and not new:
            break
        heapq.heappop(heap)
        picks.append(frame)
        gains.append(gain)
        surprise.pick(frame)
        if progress:
            progress(len(picks) / max_frames, f"picked {len(picks)} of {max_frames}, gain {gain:.2f} nats")
    return picks, gains


def farthest_points(groups: dict[int, Environments], pool: int, max_frames: int) -> list[int]:
    """Pick, again and again, the frame whose descriptor is farthest from all that are already in.

    The first ``pool`` frames are candidates, the others the reference; without a reference the first pick is the
    frame nearest to the mean of the pool. Ties go to the earlier frame.
    """
    points = frame_descriptors(groups)
    distance = np.full(pool, np.inf)
    for known in points[pool:]:
        np.minimum(distance, np.linalg.norm(points[:pool] - known, axis=1), out=distance)
    picks: list[int] = []
    while len(picks) < min(max_frames, pool):
        best = int(np.argmax(distance)) if np.isfinite(distance).any() else int(np.argmin(_distances(points[:pool])))
        picks.append(best)
        np.minimum(distance, np.linalg.norm(points[:pool] - points[best], axis=1), out=distance)
        distance[best] = -np.inf
    return picks


def _oddity(groups: dict[int, Environments], pool: int) -> np.ndarray:
    return _distances(frame_descriptors(groups)[:pool])


def _distances(points: FrameDescriptors) -> np.ndarray:
    """Of each frame from the mean frame."""
    return np.asarray(np.linalg.norm(points - points.mean(axis=0), axis=1))
