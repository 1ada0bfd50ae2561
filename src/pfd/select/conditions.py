"""Selection with a share for every condition: surprising frames are mostly hot, and cold or strained ones count too."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from pfd.select.choose import Report, Selection, select_frames
from pfd.select.settings import SelectSettings

if TYPE_CHECKING:
    from ase import Atoms


Condition = tuple[float, float, str]
MOST_GROUPS = 12
"""Of more groups a pool has none with a share: each costs a description of what is known, and so many are no kinds."""
NO_CONDITION: Condition = (-math.inf, -math.inf, "")


def condition_of(frame: Atoms) -> Condition:
    """The temperature (K) and pressure (GPa) that a frame was made at, minus infinity where it does not say.

    Of a frame that says neither, also its group: in a pool the kind that the file names, or the pool itself.
    """
    temperature, pressure = (float(frame.info.get(key, -math.inf)) for key in ("temperature_K", "pressure_GPa"))
    unnamed = max(temperature, pressure) == -math.inf
    return temperature, pressure, str(frame.info.get("group", "")) if unnamed else ""


def select_by_condition(
    candidates: Sequence[Atoms],
    reference: Sequence[Atoms],
    settings: SelectSettings,
    seed: int,
    progress: Report | None = None,
) -> Selection:
    """Choose first ``min_per_condition`` frames of each condition, then the rest from all candidates.

    Convergence is judged at every condition that was asked for, on frames chosen here: a condition without any could
    never be judged. Frames without temperature and pressure, as in pools, have the share of their group; without a
    group they only take part in the rest. The budget ``max_frames`` holds for all picks together. Where it is too
    small, temperatures and pressures get equal shares of it, the coldest first, and groups equal shares of what they
    leave; more than ``MOST_GROUPS`` groups, or more than there is left for, have none.

    Args:
        candidates: frames to choose from.
        reference: frames already in the data.
        settings: method, budget, share of each condition, descriptor and gate.
        seed: used by ``random`` only.
        progress: called with the fraction done and a text.
    """
    named = {condition_of(frame) for frame in candidates}
    shares = _shares(named, settings)
    if len(named) < 2 or not shares:
        return select_frames(candidates, reference, settings, seed, progress)
    indices: list[int] = []
    gains: list[float] = []
    for condition, share in shares.items():
        own = [index for index, frame in enumerate(candidates) if condition_of(frame) == condition]
        known = [*reference, *(candidates[index] for index in indices)]
        part = select_frames([candidates[index] for index in own], known, _limited(settings, share), seed)
        indices += [own[index] for index in part.indices]
        gains += part.gains
    known = [*reference, *(candidates[index] for index in indices)]
    rest = [index for index in range(len(candidates)) if index not in set(indices)]
    left = settings.max_frames - len(indices)
    others = select_frames(
        [candidates[index] for index in rest], known, _limited(settings, max(1, left)), seed, progress
    )
    chosen = tuple(rest[index] for index in others.indices[:left])
    return Selection(
        indices=(*indices, *chosen),
        gains=(*gains, *others.gains[:left]),
        rejected=dict(Counter(others.rejected)),
        candidates=len(candidates),
        passed=others.passed + len(indices),
        insane=others.insane,
    )


def _shares(named: Collection[Condition], settings: SelectSettings) -> dict[Condition, int]:
    """Condition -> frames of it that are taken first; those that get none are not there."""
    left = settings.max_frames
    shares: dict[Condition, int] = {}
    groups = sorted(each for each in named if each[2])
    made_at = sorted(each for each in named if each != NO_CONDITION and not each[2])
    for kind in (made_at, groups if len(groups) <= MOST_GROUPS else []):
        share = min(settings.min_per_condition, left // max(1, len(kind)))
        if share:
            shares |= dict.fromkeys(kind, share)
            left -= share * len(kind)
    return shares


def _limited(settings: SelectSettings, frames: int) -> SelectSettings:
    return settings.model_copy(update={"max_frames": frames})
