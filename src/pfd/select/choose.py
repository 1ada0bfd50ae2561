"""Choose frames worth a label within a hard budget: sanity gate, description, and one of the methods."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from pfd.errors import DataError
from pfd.frames import frame_id
from pfd.select.descriptor import Environments, described_bytes, environments_by_species
from pfd.select.gate import pass_gate
from pfd.select.greedy import farthest_points, greedy_cover, greedy_entropy
from pfd.select.settings import SelectSettings

if TYPE_CHECKING:
    from ase import Atoms

Report = Callable[[float, str], None]


@dataclass(frozen=True)
class Selection:
    """What was chosen, and what became of the rest.

    Attributes:
        indices: of the chosen candidates, in the order they were picked.
        gains: of each pick, the surprise of its environments when it was picked, nats (see ``greedy_entropy``);
            empty for methods that do not measure it.
        rejected: reason -> number of candidates that the gate turned away.
        candidates: how many there were.
        passed: how many the gate let through.
        insane: how many the gate turned away for what they are; the other rejected ones are known already, from the
            data or from another candidate. ``candidates - insane`` are the sane ones.
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
        reference: frames already in the data; empty and broken ones are left out of the comparison.
        settings: method, budget, descriptor and gate.
        seed: used by ``random`` and ``mixed`` only.
        progress: called with the fraction done and a text.

    Raises:
        DataError: if describing the frames would take more than ``memory_GB``.
    """
    reference = [frame for frame in reference if is_finite(frame)]
    gate = pass_gate(candidates, reference, settings.gate)
    ids = {index: frame_id(candidates[index]) for index in gate.indices}
    pool = sorted(gate.indices, key=lambda index: ids[index])
    positions, gains = _choose([candidates[index] for index in pool], reference, settings, seed, progress)
    indices = tuple(pool[position] for position in positions)
    return Selection(indices, tuple(gains), gate.rejected, len(candidates), len(pool), gate.insane)


def _choose(
    pool: Sequence[Atoms], reference: Sequence[Atoms], settings: SelectSettings, seed: int, progress: Report | None
) -> tuple[list[int], list[float]]:
    """Positions in the pool, and gains."""
    if not pool:
        return [], []
    drawn = [int(place) for place in np.random.default_rng(seed).permutation(len(pool))]
    if settings.method == "random":
        return drawn[: settings.max_frames], []
    groups = describe_frames([*pool, *reference], settings, progress)
    report = _part_of(progress, 0.5, 1.0)
    budget, bandwidth, least = settings.max_frames, settings.bandwidth_per_A, settings.min_gain_nats
    if settings.method == "farthest":
        return farthest_points(groups, len(pool), budget), []
    if settings.method == "msc":
        return greedy_cover(groups, len(pool), budget, bandwidth, least, report)
    first = drawn[: (min(budget, len(pool)) + 1) // 2] if settings.method == "mixed" else []
    return greedy_entropy(groups, len(pool), budget, bandwidth, settings.score, least, report, first)


def describe_frames(
    frames: Sequence[Atoms], settings: SelectSettings, progress: Report | None = None
) -> dict[int, Environments]:
    """The environments of all frames by species, if they fit into ``memory_GB``.

    Raises:
        DataError: if they do not.
    """
    # Beside the features in double precision, the kernel keeps them in single precision, and some rows twice.
    needed = 1.6 * described_bytes(frames, settings.k) / 1e9
    if needed > settings.memory_GB:
        raise DataError(
            f"describing {sum(len(frame) for frame in frames)} environments needs {needed:.1f} GB, "
            f"memory_GB allows {settings.memory_GB:g}",
            where=f"selection from {len(frames)} frames",
            hint=f"set select.memory_GB to {needed * 1.05:.1f} if the machine has it, thin the pool out, "
            "or choose method random, which needs none",
        )
    return environments_by_species(frames, settings.k, settings.cutoff_A, _part_of(progress, 0.0, 0.5))


def _part_of(progress: Report | None, begin: float, end: float) -> Report | None:
    if progress is None:
        return None
    return lambda fraction, text: progress(begin + fraction * (end - begin), text)


def is_finite(frame: Atoms) -> bool:
    """Whether a frame can be described: it has atoms, at finite places."""
    return len(frame) > 0 and bool(np.isfinite(frame.positions).all() and np.isfinite(frame.cell.array).all())
