"""How much of what exploration found the data hold already, before and after a choice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pfd.select.choose import describe_frames, is_finite
from pfd.select.descriptor import Environments
from pfd.select.entropy import Kernel, log_kernel_sums
from pfd.select.gate import pass_gate
from pfd.select.settings import SelectSettings

if TYPE_CHECKING:
    from ase import Atoms

MOST_ENVIRONMENTS = 5000
"""Environments of the candidates that are looked at, in frames that are spread evenly: the share is then known to 1 %,
and with a hundred thousand environments of data it takes about a second."""


def coverage_of(
    candidates: Sequence[Atoms], before: Sequence[Atoms], chosen: Sequence[Atoms], settings: SelectSettings
) -> tuple[float, float] | None:
    """Part of the sane candidates' environments that the data hold, before and with the chosen frames.

    An environment is held if its surprise, -log of the sum of kernels over the data's environments of the same
    element, is not above zero.

    Args:
        candidates: what was chosen from.
        before: the frames in the data.
        chosen: the frames that join them.
        settings: descriptor, bandwidth and gate.

    Returns:
        None if no candidate is sane.

    Raises:
        DataError: if describing the frames would take more than ``memory_GB``.

    Source: Schwalbe-Koda et al., arXiv:2404.12367: overlap of two sets, dH(Y|X) <= 0.
    """
    pool = _spread(candidates)
    pool = [pool[index] for index in pass_gate(pool, [], settings.gate).indices]
    before = [frame for frame in before if is_finite(frame)]
    if not pool:
        return None
    groups = describe_frames([*pool, *before, *chosen], settings).values()
    first, second = len(pool), len(pool) + len(before)
    held = np.array([_held(group, first, second, settings.bandwidth_per_A) for group in groups]).sum(axis=0)
    return float(held[1] / held[0]), float(held[2] / held[0])


def _held(group: Environments, first: int, second: int, bandwidth_per_A: float) -> tuple[int, int, int]:
    """Environments of one element in the pool; how many of them the data hold; and how many with the chosen frames."""
    kernel = Kernel(group.features, bandwidth_per_A)
    pool = kernel.left(group.features[: group.start[first]]).astype(np.float32)
    known = kernel.right(group.features[group.start[first] : group.start[second]]).astype(np.float32)
    new = kernel.right(group.features[group.start[second] :]).astype(np.float32)
    before = log_kernel_sums(pool, known)
    after = np.logaddexp(before, log_kernel_sums(pool, new))
    return len(pool), int((before >= 0).sum()), int((after >= 0).sum())


def _spread(frames: Sequence[Atoms]) -> list[Atoms]:
    """Frames evenly spaced over all, with about ``MOST_ENVIRONMENTS`` atoms in them."""
    atoms = sum(len(frame) for frame in frames)
    count = len(frames) if atoms <= MOST_ENVIRONMENTS else max(1, len(frames) * MOST_ENVIRONMENTS // atoms)
    return [frames[index * len(frames) // count] for index in range(count)]
