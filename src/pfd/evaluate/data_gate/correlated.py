"""How many independent frames a trajectory is worth, by the autocorrelation of its labels."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

import numpy as np
from jaxtyping import Float

from pfd.evaluate.data_gate.finding import Finding, Verdict, named
from pfd.evaluate.data_gate.labelled_set import LabelledSet
from pfd.evaluate.data_gate.near_frames import TRAPEZOID_A, displacements, near_frames
from pfd.evaluate.data_gate.unit_slips import plausible
from pfd.frames import labels_of
from pfd.frames.split import trajectory_of

FEWEST_FRAMES = 10
"""A shorter piece has no autocorrelation to speak of."""
IN_ORDER_A = 1.0
"""RMS displacement between neighbours in a file up to which frames without an origin are taken for a trajectory."""
LITTLE = 0.25
"""Part of the frames that is independent below which it is worth a warning."""
FEWEST_WORKS = 5
"""Pairs of near frames from which energies are compared with work."""
WORK_ALIKE = 0.5
Series = Float[np.ndarray, "frames components"]


def correlated(labelled: LabelledSet) -> Iterator[Finding]:
    """Findings ``autocorrelation`` of a set's trajectories and ``energy and work`` of its near frames."""
    worth, total, texts = 0.0, 0, []
    for piece in trajectories(labelled):
        found = [statistical_inefficiency(series) for series in _series(labelled, piece)]
        if len(piece) < FEWEST_FRAMES or not found:
            continue
        inefficiency, first = max(found)
        worth += len(piece) / inefficiency
        total += len(piece)
        name = trajectory_of(labelled.frames[piece[0]]) or f"frames {piece[0]} to {piece[-1]}"
        texts.append(
            f"{name}: {len(piece)} with a lag-1 autocorrelation of {first:.2f}, worth {len(piece) / inefficiency:.0f}"
        )
    if total:
        little = worth < LITTLE * total
        yield Finding(
            sign="autocorrelation",
            verdict=Verdict.WARNING if little else Verdict.FINE,
            where=labelled.name,
            text=f"labels along trajectories: {total} frames are worth {worth:.0f} independent ones ({named(texts)})",
            hint="label fewer of them; never split such frames at random into training and test" if little else "",
            numbers={"frames": total, "independent": worth, "trajectories": len(texts)},
        )
    yield from _work(labelled)


def trajectories(labelled: LabelledSet) -> list[list[int]]:
    """Numbers of the frames of each trajectory, in order of their steps.

    Where frames do not say what trajectory they are of, neighbours in the file of the same atoms in the same order that
    are less than 1 Å (RMS) apart are taken for one.
    """
    named_pieces: dict[str, list[int]] = {}
    unnamed: list[list[int]] = []
    for is_named, group in groupby(range(len(labelled.frames)), lambda i: bool(trajectory_of(labelled.frames[i]))):
        for index in group:
            if is_named:
                named_pieces.setdefault(trajectory_of(labelled.frames[index]), []).append(index)
            elif unnamed and unnamed[-1][-1] == index - 1 and _follows(labelled, index):
                unnamed[-1].append(index)
            else:
                unnamed.append([index])
    ordered = [
        sorted(piece, key=lambda i: (int(labelled.frames[i].info.get("step", 0)), i)) for piece in named_pieces.values()
    ]
    return [*ordered, *unnamed]


def _follows(labelled: LabelledSet, index: int) -> bool:
    step = displacements(labelled, index - 1, index)
    return step is not None and float(np.sqrt((step**2).sum(axis=1).mean())) < IN_ORDER_A


def _series(labelled: LabelledSet, piece: list[int]) -> list[Series]:
    """What is followed along a trajectory: forces, and energies where the trajectory is stated.

    Frames that are only taken for one may be of several temperatures in turn, which energies would be correlated by.
    """
    labels = [labels_of(labelled.frames[index]) for index in piece]
    forces = [label.forces.ravel() for label in labels if label.forces is not None]
    energies = [
        [label.energy / len(labelled.frames[index])]
        for label, index in zip(labels, piece, strict=True)
        if label.energy is not None
    ]
    series = []
    if len(forces) == len(piece) and len({each.size for each in forces}) == 1:
        series.append(np.array(forces))
    if len(energies) == len(piece) and trajectory_of(labelled.frames[piece[0]]):
        series.append(np.array(energies))
    return [each for each in series if np.ptp(each, axis=0).any()]


def statistical_inefficiency(series: Series) -> tuple[float, float]:
    """The g = 1 + 2 sum over lags t of (1 - t/n) rho(t), up to the first rho below zero, and rho(1).

    n / g is the number of independent frames that give as sharp a mean; g is at least 1. rho is the autocorrelation
    summed over components; the mean of each is taken away before.

    Args:
        series: one row per frame, not all the same.

    Source: Chodera et al., J. Chem. Theory Comput. 3, 26 (2007), eqs. 10 to 12.
    """
    count = len(series)
    centred = series - series.mean(axis=0)
    variance = float((centred**2).sum()) / count
    total, first = 1.0, 0.0
    for lag in range(1, count):
        rho = float((centred[:-lag] * centred[lag:]).sum()) / ((count - lag) * variance)
        first = rho if lag == 1 else first
        if rho <= 0.0:
            break
        total += 2.0 * (1.0 - lag / count) * rho
    return total, first


def _work(labelled: LabelledSet) -> Iterator[Finding]:
    """Whether energies change by the work of the forces between near frames."""
    near = near_frames(labelled)
    if len(near.work) < FEWEST_WORKS or not near.energy_change.any() or not near.work.any():
        return
    alike = float(near.work @ near.energy_change / np.linalg.norm(near.work) / np.linalg.norm(near.energy_change))
    slope = float(near.work @ near.energy_change / (near.work @ near.work))
    fits = alike > WORK_ALIKE and plausible(slope)
    yield Finding(
        sign="energy and work",
        verdict=Verdict.FINE if fits else Verdict.WARNING,
        where=labelled.name,
        text=f"between {len(near.work)} pairs of frames less than {TRAPEZOID_A:g} Å apart, the energy changes by "
        f"{slope:.2f} times the work of the forces (cosine {alike:.2f})",
        hint="" if fits else "forces are minus the gradient of the energy: look at units, and at which energy is taken",
        numbers={"slope": slope, "cosine": alike, "pairs": len(near.work)},
    )
