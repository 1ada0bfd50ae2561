"""Where a model's training set ends: how much the environments of a frame surprise it, against a calibrated limit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pfd.errors import DataError
from pfd.select.choose import Report, describe_frames
from pfd.select.descriptor import Environments
from pfd.select.entropy import Kernel, log_kernel_sums
from pfd.select.settings import SelectSettings
from pfd.select.surprise import PerEnvironment

if TYPE_CHECKING:
    from ase import Atoms

INSIDE = 0.99
"""Part of the training environments that count as inside when the frame that they are of is left out of the set."""
CALIBRATED = 200
"""Most training frames that the limit is measured on, spread evenly over the set."""


@dataclass(frozen=True)
class FrameDomain:
    """One frame against a training set.

    Attributes:
        mean_nats: mean surprise of its environments.
        largest_nats: surprise of the most surprising one.
        worst_atom: which atom that is of.
        outside: part of its environments that surprise more than the limit of their element.
    """

    mean_nats: float
    largest_nats: float
    worst_atom: int
    outside: float


@dataclass(frozen=True)
class Domain:
    """Frames against a training set.

    Attributes:
        frames: one entry per frame, in order.
        limits_nats: atomic number -> the surprise that ``INSIDE`` of the training environments of that element do not
            reach when their own frame is left out. An element that no two training frames have is not among them:
            where it is learnt from one frame, or none, nothing tells what is near, and it is always outside.
        once: atomic numbers that one training frame alone has.
    """

    frames: tuple[FrameDomain, ...]
    limits_nats: dict[int, float]
    once: tuple[int, ...]


def domain_of(
    frames: Sequence[Atoms], train: Sequence[Atoms], settings: SelectSettings, progress: Report | None = None
) -> Domain:
    """How far the environments of frames lie from those of a training set.

    Surprise is -log of the sum of Gaussian kernels over the training environments of the same element; the limit is
    calibrated by leaving out one training frame at a time, so a set of few or of very different frames has a wide one.

    Args:
        frames: a trajectory, or any frames.
        train: what the model was trained on; labels play no part.
        settings: descriptor and bandwidth.
        progress: called with the fraction done and a text.

    Raises:
        DataError: if there are fewer than two training frames, or no frame, or their description takes too much memory.

    Source of the surprise: Schwalbe-Koda et al., arXiv:2404.12367, differential entropy dH(Y|X).
    """
    if len(train) < 2:
        raise DataError(f"{len(train)} training frames give no limit", where="domain", hint="name the whole set")
    if not frames:
        raise DataError("there is no frame", where="domain", hint="name a file of frames")
    groups = describe_frames([*frames, *train], settings, progress)
    surprise = [np.full(len(frame), np.inf) for frame in frames]
    limits: dict[int, float] = {}
    once = []
    for number, group in groups.items():
        _score_element(group, number, frames, settings.bandwidth_per_A, surprise)
        having = np.count_nonzero(np.diff(group.start[len(frames) :]))
        if having == 1:
            once.append(number)
        elif having:
            limits[number] = _limit(group, len(frames), settings.bandwidth_per_A)
    found = tuple(_of_frame(frame, own, limits) for frame, own in zip(frames, surprise, strict=True))
    return Domain(found, limits, tuple(once))


def _score_element(
    group: Environments, number: int, frames: Sequence[Atoms], bandwidth_per_A: float, surprise: list[PerEnvironment]
) -> None:
    """Write the surprise of all environments of one element."""
    known = group.features[group.start[len(frames)] :]
    if not len(known):
        return
    kernel = Kernel(group.features, bandwidth_per_A)
    data = kernel.right(known)
    for index, frame in enumerate(frames):
        own = group.of(index)
        if len(own):
            surprise[index][frame.numbers == number] = -log_kernel_sums(kernel.left(own), data)


def _limit(group: Environments, first: int, bandwidth_per_A: float) -> float:
    """The limit of one element: training frames begin with number ``first``; each is held against all others."""
    kernel = Kernel(group.features, bandwidth_per_A)
    begin, count = int(group.start[first]), len(group.start) - 1 - first
    data = kernel.right(group.features[begin:])
    values = []
    for index in sorted({int(each) for each in np.linspace(0, count - 1, min(CALIBRATED, count)).round()}):
        rows = slice(int(group.start[first + index]) - begin, int(group.start[first + index + 1]) - begin)
        own = kernel.left(group.of(first + index))
        sums = np.logaddexp(log_kernel_sums(own, data[: rows.start]), log_kernel_sums(own, data[rows.stop :]))
        values.append(-sums)
    return float(np.quantile(np.concatenate(values), INSIDE))


def _of_frame(frame: Atoms, surprise: PerEnvironment, limits: dict[int, float]) -> FrameDomain:
    allowed = np.array([limits.get(int(number), -np.inf) for number in frame.numbers])
    return FrameDomain(
        mean_nats=float(surprise.mean()),
        largest_nats=float(surprise.max()),
        worst_atom=int(surprise.argmax()),
        outside=float((surprise > allowed).mean()),
    )
