"""Single frames far from the rest of a set: forces beyond a robust limit, energies off the line of the others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from pfd.evaluate.data_gate.against_model import residual, robust_shift
from pfd.evaluate.data_gate.finding import Finding, Verdict, named
from pfd.evaluate.data_gate.labelled_set import LabelledSet
from pfd.evaluate.data_gate.random_forces import NET_RANDOM_ABOVE, net_ratio
from pfd.frames import Labels, labels_of
from pfd.wording import counted

TIMES_TYPICAL = 4.0
"""Largest force of a frame over the 99th percentile of all atoms' forces from which it is named; the largest in a
good set was 2.8 (silicon)."""
LOWEST_LIMIT_EV_PER_A = 5.0
DEVIATIONS = 10.0
"""Robust standard deviations (1.4826 times the median deviation) from which an energy is named."""
SMALLEST_EV_PER_ATOM = {True: 0.05, False: 0.5}
"""With a model, and without one: residuals below this are never named."""
FEWEST = 8
"""Frames from which a median is one."""


def outliers(labelled: LabelledSet) -> Iterator[Finding]:
    """Findings ``large forces``, ``net force`` and ``energy outliers`` of a set."""
    yield from _large_forces(labelled)
    yield from _net_forces(labelled)
    yield from _energies(labelled)


def _large_forces(labelled: LabelledSet) -> Iterator[Finding]:
    sizes = {index: np.linalg.norm(forces, axis=1) for index, _, forces in labelled.forces()}
    if len(sizes) < FEWEST:
        return
    squared = sum(float((size**2).sum()) for size in sizes.values())
    typical = float(np.percentile(np.concatenate(list(sizes.values())), 99.0))
    limit = max(TIMES_TYPICAL * typical, LOWEST_LIMIT_EV_PER_A)
    large = {index: float(size.max()) for index, size in sizes.items() if size.max() > limit}
    if large:
        share = sum(float((sizes[index] ** 2).sum()) for index in large) / squared
        frames = [f"{labelled.short(index)}: {value:.1f} eV/Å" for index, value in large.items()]
        yield _finding(
            labelled,
            "large forces",
            f"{counted(len(frames), 'frame')} with a force above {limit:.1f} eV/Å ({TIMES_TYPICAL:g} times the 99th "
            f"percentile), {100 * share:.0f} % of the summed squared force: {named(frames)}",
            "look at them: few such frames own the fit and every RMSE; leave out what no simulation will meet",
            {"frames": len(frames), "limit_eV_per_A": limit, "largest_eV_per_A": max(large.values()), "share": share},
            list(large),
        )


def _net_forces(labelled: LabelledSet) -> Iterator[Finding]:
    found = {index: net_ratio(forces) for index, _, forces in labelled.forces() if len(forces) > 1}
    net = {i: ratio for i, ratio in found.items() if ratio > NET_RANDOM_ABOVE and not labelled.frames[i].constraints}
    large = {i: float(np.linalg.norm(_forces(labelled, i).sum(axis=0))) for i in net}
    large = {i: value for i, value in large.items() if value > 0.1}
    if large:
        frames = [f"{labelled.short(index)}: {value:.2f} eV/Å" for index, value in large.items()]
        yield _finding(
            labelled,
            "net force",
            f"{counted(len(frames), 'frame')} with a net force above {NET_RANDOM_ABOVE:g} of the root of the summed "
            f"squared forces: {named(frames)}",
            "forces add up to zero without an external field: a coarse grid, missing atoms, or no labels of this frame",
            {"frames": len(frames), "largest_eV_per_A": max(large.values())},
            list(large),
        )


def _forces(labelled: LabelledSet, index: int) -> Any:
    return labels_of(labelled.frames[index]).forces


def _energies(labelled: LabelledSet) -> Iterator[Finding]:
    """Residuals after the shift, against the model, or without one against the mean energy of each element."""
    compared = {index: prediction for index, _, labels, prediction in labelled.compared() if labels.energy is not None}
    with_model = bool(compared)
    if not with_model:
        there = [index for index, frame in enumerate(labelled.frames) if labels_of(frame).energy is not None]
        compared = {index: Labels(0.0) for index in there}
    if len(compared) < FEWEST:
        return
    frames = [labelled.frames[index] for index in compared]
    predictions = list(compared.values())
    shift = robust_shift(frames, predictions)
    residuals = np.array([residual(frame, p, shift) for frame, p in zip(frames, predictions, strict=True)])
    off = np.abs(residuals - np.median(residuals))
    limit = max(DEVIATIONS * 1.4826 * float(np.median(off)), SMALLEST_EV_PER_ATOM[with_model])
    odd = [index for index, value in zip(compared, off, strict=True) if value > limit]
    if odd:
        texts = [
            f"{labelled.short(i)}: {value:.3f} eV/atom" for i, value in zip(compared, off, strict=True) if i in odd
        ]
        against = f"the energies of {labelled.model}" if with_model else "the mean energy of the elements"
        yield _finding(
            labelled,
            "energy outliers",
            f"{counted(len(odd), 'energy', 'energies')} more than {1000 * limit:.0f} meV/atom off {against}, "
            f"after the shift: {named(texts)}",
            "no convergence, another magnetic state, or another reference: label them anew or leave them out",
            {"frames": len(odd), "limit_meV_per_atom": 1000 * limit, "largest_meV_per_atom": 1000 * float(off.max())},
            odd,
        )


def _finding(
    labelled: LabelledSet, sign: str, text: str, hint: str, numbers: dict[str, float], frames: list[int]
) -> Finding:
    return Finding(
        sign=sign,
        verdict=Verdict.WARNING,
        where=labelled.name,
        text=text,
        hint=hint,
        numbers=numbers,
        frames=tuple(labelled.called(index) for index in frames),
    )
