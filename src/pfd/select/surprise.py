"""How much the frames of a pool surprise, given the data so far: bounds in single precision, values in double."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from pfd.select.descriptor import Environments
from pfd.select.entropy import Kernel, log_kernel_sums, single_precision_error

_FIRST_SHARE = 256
_GROWTH = 4
PerEnvironment = Float[np.ndarray, "environments"]


@dataclass
class _Species:
    """One central species: the candidates' environments, and those of the data they are compared with.

    Attributes:
        group: all environments; those of the candidates come first.
        kernel: of this species.
        left: the candidates' environments in single precision.
        logs: of each candidate's environment, log kernel sum over the part of the data it was compared with.
        data: the data in double precision, with room for the picks.
        coarse: the same in single precision.
        ends: how many rows of the data each stage holds, the last for the data so far.
        largest: largest half square in the data.
    """

    group: Environments
    kernel: Kernel
    left: np.ndarray
    logs: np.ndarray
    data: np.ndarray
    coarse: np.ndarray
    ends: list[int]
    largest: float = 0.0

    def rows(self, frame: int) -> slice:
        return slice(int(self.group.start[frame]), int(self.group.start[frame + 1]))

    def append(self, rows: np.ndarray) -> None:
        """Add environments to the data as one more stage."""
        begin, end = self.ends[-1], self.ends[-1] + len(rows)
        self.data[begin:end] = self.coarse[begin:end] = rows
        self.largest = max(self.largest, -float(rows[:, -1].min(initial=0.0)))
        self.ends.append(end)


class PoolSurprise:
    """Log kernel sums of the candidates' environments over the reference and the picks, brought up to date on demand.

    The data come in stages: growing shares of the reference (in an order that mixes its frames), then each pick. A
    frame that was compared with the first stages only surprises at most as much as it did then, so most frames of a
    large pool never meet the whole of a large reference.

    Args:
        groups: environments by species; the first ``pool`` frames are candidates, the others the reference.
        pool: number of candidates.
        bandwidth_per_A: width of the kernel.
        max_picks: most frames that will be picked.
    """

    def __init__(self, groups: dict[int, Environments], pool: int, bandwidth_per_A: float, max_picks: int) -> None:
        most = max((len(group.features) - int(group.start[pool]) for group in groups.values()), default=0)
        self._reference_stages = 0
        share = _FIRST_SHARE
        shares = []
        while share < most:
            shares.append(share / most)
            share *= _GROWTH
        shares += [1.0] if most else []
        self._reference_stages = len(shares)
        self._species = {
            number: _prepared(group, pool, bandwidth_per_A, max_picks, shares) for number, group in groups.items()
        }
        self._stage = np.zeros(pool, dtype=int)
        self._exact: dict[int, tuple[int, dict[int, PerEnvironment]]] = {}
        self.stages = len(shares)

    def is_new(self, frame: int) -> bool:
        """Whether a species of the frame is nowhere in the data."""
        return any(not part.ends[-1] and part.rows(frame).start < part.rows(frame).stop for part in self._parts())

    def is_fresh(self, frame: int) -> bool:
        """Whether the frame's bound knows all data."""
        return bool(self._stage[frame] == self.stages)

    def is_exact(self, frame: int) -> bool:
        """Whether the frame's value was ever computed in double precision: to go on with that is cheap."""
        return frame in self._exact

    def bound(self, frame: int) -> tuple[PerEnvironment, float]:
        """Compare with one more stage: surprise of each environment, nats, and how much more it may be at most."""
        begin = int(self._stage[frame])
        end = begin + 1 if begin < self._reference_stages else self.stages
        values, margin = [], 0.0
        for part in self._parts():
            rows = part.rows(frame)
            if rows.start == rows.stop:
                continue
            fresh = part.coarse[part.ends[begin] : part.ends[end]]
            if len(fresh):
                part.logs[rows] = np.logaddexp(part.logs[rows], log_kernel_sums(part.left[rows], fresh))
            margin = max(margin, float(single_precision_error(part.left[rows], part.largest).max()))
            values.append(-part.logs[rows])
        self._stage[frame] = end
        return np.concatenate(values), margin

    def exact(self, frame: int) -> PerEnvironment:
        """Surprise of each environment given all data, nats; environments of a new species meet an isolated atom."""
        stage, known = self._exact.get(frame, (0, {}))
        values = []
        logs: dict[int, PerEnvironment] = {}
        for number, part in self._species.items():
            rows = part.rows(frame)
            if rows.start == rows.stop:
                continue
            features = part.group.features[rows]
            logs[number] = known.get(number, np.full(len(features), -np.inf))
            fresh = part.data[part.ends[stage] : part.ends[-1]]
            if len(fresh):
                logs[number] = np.logaddexp(logs[number], log_kernel_sums(part.kernel.left(features), fresh))
            if part.ends[-1]:
                values.append(-logs[number])
            else:
                values.append(0.5 * ((features / part.kernel.bandwidth_per_A) ** 2).sum(axis=1))
        self._exact[frame] = (self.stages, logs)
        return np.concatenate(values)

    def own(self, frame: int) -> float:
        """Entropy of the frame's environments among themselves, mean of -log(sum_y K(x, y) / count), nats."""
        values = []
        for part in self._parts():
            features = part.group.of(frame)
            if len(features):
                sums = log_kernel_sums(part.kernel.left(features), part.kernel.right(features))
                values.append(np.log(len(features)) - sums)
        return float(np.concatenate(values).mean())

    def pick(self, frame: int) -> None:
        """Add a candidate's environments to the data."""
        for part in self._parts():
            part.append(part.kernel.right(part.group.of(frame)))
        self._exact.pop(frame, None)
        self.stages += 1

    def _parts(self) -> list[_Species]:
        return list(self._species.values())


def _prepared(group: Environments, pool: int, bandwidth_per_A: float, max_picks: int, shares: list[float]) -> _Species:
    last = int(group.start[pool])
    kernel = Kernel(group.features, bandwidth_per_A)
    left = np.empty((last, kernel.width), dtype=np.float32)
    for first in range(0, last, 4096):
        rows = slice(first, min(first + 4096, last))
        left[rows] = kernel.left(group.features[rows])
    reference = group.features[last:][np.random.default_rng(0).permutation(len(group.features) - last)]
    room = len(reference) + int(np.sort(np.diff(group.start[: pool + 1]))[-max_picks:].sum())
    part = _Species(
        group=group,
        kernel=kernel,
        left=left,
        logs=np.full(last, -np.inf),
        data=np.empty((room, kernel.width)),
        coarse=np.empty((room, kernel.width), dtype=np.float32),
        ends=[0],
    )
    for share in shares:
        part.append(kernel.right(reference[part.ends[-1] : int(np.ceil(share * len(reference)))]))
    return part
