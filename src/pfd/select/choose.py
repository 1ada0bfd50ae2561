"""Choose frames within a hard budget: exact greedy entropy, farthest point, or at random."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from pfd.frames import frame_id
from pfd.select.descriptor import Environments, FrameDescriptors, environments_by_species, frame_descriptors
from pfd.select.entropy import KernelPoints, log_kernel_sums
from pfd.select.gate import pass_gate
from pfd.select.settings import SelectSettings

if TYPE_CHECKING:
    from ase import Atoms

Report = Callable[[float, str], None]


@dataclass(frozen=True)
class Selection:
    """What was chosen, and what became of the rest.

    Attributes:
        indices: of the chosen candidates, in the order they were picked.
        gains: of each pick, the mean surprise of its environments when it was picked, nats (see ``greedy_entropy``);
            empty for methods that do not measure it.
        rejected: reason -> number of candidates that the gate turned away.
        candidates: how many there were.
        passed: how many the gate let through.
        insane: how many it turned away as no physical frames (the others that it turned away are not new).
    """

    indices: tuple[int, ...]
    gains: tuple[float, ...]
    rejected: dict[str, int] = field(default_factory=dict)
    candidates: int = 0
    passed: int = 0
    insane: int = 0


def select_frames(
    candidates: Sequence[Atoms],
    reference: Sequence[Atoms],
    settings: SelectSettings,
    seed: int,
    progress: Report | None = None,
) -> Selection:
    """Choose at most ``max_frames`` candidates that are worth a label, given the frames that have one.

    Nothing passing the gate, or nothing surprising enough, is a result: the selection is then empty. The chosen set
    does not depend on the order of the candidates: ties are broken by the frames' ids.

    Args:
        candidates: frames to choose from.
        reference: frames already in the data.
        settings: method, budget, descriptor and gate.
        seed: used by ``random`` only.
        progress: called with the fraction done and a text.
    """
    gate = pass_gate(candidates, reference, settings.gate)
    ids = {index: frame_id(candidates[index]) for index in gate.indices}
    pool = sorted(gate.indices, key=lambda index: ids[index])
    positions: list[int] = []
    gains: list[float] = []
    if pool and settings.method == "random":
        positions = [int(p) for p in np.random.default_rng(seed).permutation(len(pool))[: settings.max_frames]]
    elif pool:
        frames = [*(candidates[index] for index in pool), *reference]
        groups = environments_by_species(frames, settings.k, settings.cutoff_A, progress)
        if settings.method == "entropy":
            positions, gains = greedy_entropy(groups, len(pool), settings)
        else:
            positions = farthest_points(groups, len(pool), settings.max_frames)
    indices = tuple(pool[position] for position in positions)
    return Selection(indices, tuple(gains), gate.rejected, len(candidates), len(pool), gate.insane)


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
        best = int(np.argmax(distance)) if np.isfinite(distance).any() else _most_typical(points[:pool])
        picks.append(best)
        np.minimum(distance, np.linalg.norm(points[:pool] - points[best], axis=1), out=distance)
        distance[best] = -np.inf
    return picks


def _most_typical(points: FrameDescriptors) -> int:
    return int(np.argmin(np.linalg.norm(points - points.mean(axis=0), axis=1)))


def greedy_entropy(
    groups: dict[int, Environments], pool: int, settings: SelectSettings
) -> tuple[list[int], list[float]]:
    """Pick, again and again, the frame whose environments surprise most, given the reference and the picks so far.

    The gain of a frame is the mean over its environments of -log sum_y K(x, y), where y runs over the environments of
    the same central species. It only shrinks as frames are picked, so an old value is an upper bound, and only the
    frames on top of the heap are brought up to date (lazy greedy; the picks are those of the plain greedy).

    A frame with a species that is nowhere in the data surprises without bound; of several such frames the one nearest
    to the mean frame of the pool goes first, because the most extreme is seldom the best to begin with. In its
    gain, environments of the new species are compared with an isolated atom (a descriptor of zeros).

    Args:
        groups: environments by species; the first ``pool`` frames are candidates (in the order that breaks ties),
            the others the reference.
        pool: number of candidates.
        settings: budget, bandwidth and smallest gain.

    Returns:
        The picked frames, and the gain of each in nats.
    """
    surprise = _Surprise(groups, pool, settings)
    points = frame_descriptors(groups)[:pool]
    oddity = np.linalg.norm(points - points.mean(axis=0), axis=1)

    def entry(frame: int) -> tuple[bool, float, int, int]:
        gain, unseen = surprise.gain(frame)
        return (not unseen, float(oddity[frame]) if unseen else -gain, frame, surprise.picked)

    heap = [entry(frame) for frame in range(pool)]
    heapq.heapify(heap)
    picks: list[int] = []
    gains: list[float] = []
    while heap and len(picks) < settings.max_frames:
        *_, frame, picked = heap[0]
        if picked < surprise.picked:
            heapq.heapreplace(heap, entry(frame))
            continue
        gain, unseen = surprise.gain(frame)
        if settings.min_gain_nats is not None and gain < settings.min_gain_nats and not unseen:
            break
        heapq.heappop(heap)
        picks.append(frame)
        gains.append(gain)
        surprise.pick(frame)
    return picks, gains


class _Surprise:
    """Log kernel sums of all candidate environments over the reference and the picks, brought up to date on demand."""

    def __init__(self, groups: dict[int, Environments], pool: int, settings: SelectSettings) -> None:
        self._groups = groups
        self._isolated = {}
        self._points = {}
        self._sums = {}
        self._chosen = {}
        self._ends: dict[int, list[int]] = {number: [0] for number in groups}
        self._seen = np.zeros(pool, dtype=int)
        self.picked = 0
        for number, group in groups.items():
            points = KernelPoints(group.features, settings.bandwidth_per_A, group.features.mean(axis=0))
            last = int(group.start[pool])
            self._points[number] = points
            self._sums[number] = log_kernel_sums(points.left[:last], points.right(slice(last, None)))
            self._isolated[number] = -0.5 * ((group.features[:last] / settings.bandwidth_per_A) ** 2).sum(axis=1)
            largest = np.sort(np.diff(group.start[: pool + 1]))[-settings.max_frames :].sum()
            self._chosen[number] = np.empty((int(largest), points.left.shape[1]))

    def gain(self, frame: int) -> tuple[float, bool]:
        """Mean of -log kernel sum over a candidate's environments, nats; and whether a species of it is new."""
        total, atoms, unseen = 0.0, 0, False
        for number, group in self._groups.items():
            rows = slice(int(group.start[frame]), int(group.start[frame + 1]))
            if rows.start == rows.stop:
                continue
            ends = self._ends[number]
            fresh = self._chosen[number][ends[self._seen[frame]] : ends[-1]]
            sums = self._sums[number]
            if len(fresh):
                sums[rows] = np.logaddexp(sums[rows], log_kernel_sums(self._points[number].left[rows], fresh))
            new = bool(np.isneginf(sums[rows.start]))
            total -= float(self._isolated[number][rows].sum() if new else sums[rows].sum())
            atoms += rows.stop - rows.start
            unseen |= new
        self._seen[frame] = self.picked
        return total / atoms, unseen

    def pick(self, frame: int) -> None:
        """Add a candidate's environments to what the others are compared with."""
        for number, group in self._groups.items():
            rows = slice(int(group.start[frame]), int(group.start[frame + 1]))
            ends = self._ends[number]
            ends.append(ends[-1] + rows.stop - rows.start)
            self._chosen[number][ends[-2] : ends[-1]] = self._points[number].right(rows)
        self.picked += 1
