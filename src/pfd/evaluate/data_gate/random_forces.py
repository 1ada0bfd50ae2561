"""Forces that look random, reversed or left empty: several signs, each measured by itself, and one verdict."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pfd.evaluate.data_gate.finding import Finding, Verdict, named
from pfd.evaluate.data_gate.labelled_set import FORCE_THAT_COUNTS_EV_PER_A, LabelledSet, counts
from pfd.evaluate.data_gate.near_frames import near_frames
from pfd.evaluate.data_gate.pair_forces import PairForces, fit_pair_forces, pair_features

FEWEST_ATOMS = 100
"""Atoms with a force that counts from which pair forces can tell: the mean cosine of random ones is 0 +- 0.06."""
REVERSED = "reversed forces"
"""The sign of a finding that forces point the wrong way."""
FEWEST_COMPONENTS = 3 * FEWEST_ATOMS
RANDOM_BELOW = 0.15
"""Mean cosine with pair forces below which forces do not follow the structure; good sets have 0.66 and more."""
REAL_ABOVE = 0.3
CERTAIN = 6.0
"""Standard deviations of a mean cosine from which even few atoms tell that forces are real."""
FEWEST_IN_FRAME = 30
FRAME_BELOW = 0.25
"""A frame of 30 such atoms with a lower mean cosine is named: random ones are above it once in a hundred times."""
FRAMES_REFUSED = 0.1
"""Part of the frames that may be named before the set is refused."""
UNLIKE_MODEL_BELOW, LIKE_MODEL_ABOVE = 0.2, 0.5
NET_RANDOM_ABOVE = 0.3
"""Net force over the root of the summed squared forces: about 1 for independent ones."""
RESTORING_REAL_ABOVE, RESTORING_RANDOM_BELOW = 0.2, 0.1
ASYMMETRIC = 0.05
"""Pair features (of order 1) that sum to more than this leave an atom without the symmetry that forbids a force."""
Says = Literal["random", "real", "reversed", "nothing"]


@dataclass(frozen=True)
class Sign:
    """One sign.

    Attributes:
        name: of the number.
        value: the number, dimensionless.
        says: what it is a sign of.
        text: for people.
    """

    name: str
    value: float
    says: Says
    text: str


def random_forces(labelled: LabelledSet) -> Iterator[Finding]:
    """Findings ``random forces``, ``zero forces`` and ``reversed forces`` of a set; none of a set without forces.

    The set is refused if pair forces do not explain the directions of its forces, or if two of the other signs are
    those of random numbers, and nothing says that they are real: neither a model, nor atoms that are pulled back from
    where they go. Net force and Gaussian kurtosis never prove that forces are real, and alone never that they are not.
    """
    entries = list(labelled.forces())
    if not entries:
        return
    yield from _zero_forces(labelled)
    fitted = fit_pair_forces([frame for _, frame, _ in entries], [forces for _, _, forces in entries])
    pairs = _pair_sign(fitted)
    found = [pairs, _model_sign(labelled), _restoring_sign(labelled), _net_sign(labelled), _kurtosis_sign(labelled)]
    signs = [sign for sign in found if sign is not None]
    verdict = _verdict(labelled.name, signs, refused=pairs.says == "random")
    yield verdict
    if verdict.verdict is Verdict.REFUSED:
        return
    says = [sign.says for sign in signs]
    if "reversed" in says:
        by_model = any(sign.says == "reversed" and sign.name == "model_cosine" for sign in signs)
        yield Finding(
            sign=REVERSED,
            verdict=Verdict.REFUSED if by_model else Verdict.WARNING,
            where=labelled.name,
            text="forces that point the wrong way: " + "; ".join(s.text for s in signs if s.says == "reversed"),
            hint="forces are minus the gradient of the energy: change their sign, if they are its gradient",
        )
    if "real" in says:
        yield from _odd_frames(labelled, fitted, [index for index, _, _ in entries])


def _verdict(where: str, signs: list[Sign], *, refused: bool) -> Finding:
    says = [sign.says for sign in signs]
    told = "; ".join(sign.text for sign in signs)
    numbers = {sign.name: sign.value for sign in signs}
    if "real" not in says and (refused or says.count("random") > 1):
        verdict, text = Verdict.REFUSED, f"the forces have no relation to the structures: {told}"
        hint = (
            "see how the file was made: random numbers, forces of other frames or of another order of the atoms; "
            "or another key holds the forces (--labels forces=KEY)"
        )
    elif "real" in says:
        verdict, text, hint = Verdict.FINE, f"the forces belong to the structures: {told}", ""
    else:
        verdict, text = Verdict.WARNING, f"not enough to tell whether the forces belong to the structures: {told}"
        hint = "compare with a model (--against)"
    return Finding(sign="random forces", verdict=verdict, where=where, text=text, hint=hint, numbers=numbers)


def _pair_sign(fitted: PairForces) -> Sign:
    value = fitted.mean()
    text = f"pair forces give their directions with a mean cosine of {value:.2f} ({fitted.atoms} atoms)"
    if value > REAL_ABOVE and value * math.sqrt(3.0 * fitted.atoms) > CERTAIN:
        return Sign("pair_cosine", value, "real", text)
    if fitted.atoms < FEWEST_ATOMS:
        few = f"only {fitted.atoms} atoms have a force above {FORCE_THAT_COUNTS_EV_PER_A:g} eV/Å"
        return Sign("pair_cosine", value, "nothing", few)
    return Sign("pair_cosine", value, "random" if value < RANDOM_BELOW else "nothing", text)


def _model_sign(labelled: LabelledSet) -> Sign | None:
    """Cosine between the forces of the model and the labels, over all components."""
    cross, own, other, atoms = 0.0, 0.0, 0.0, 0
    for _, _, labels, prediction in labelled.compared():
        if labels.forces is not None and prediction.forces is not None and counts(labels.forces):
            cross += float((labels.forces * prediction.forces).sum())
            own += float((labels.forces**2).sum())
            other += float((prediction.forces**2).sum())
            atoms += len(labels.forces)
    if atoms < FEWEST_IN_FRAME or own * other == 0.0:
        return None
    value = cross / math.sqrt(own * other)
    return Sign(
        "model_cosine", value, _says(value, UNLIKE_MODEL_BELOW, LIKE_MODEL_ABOVE), f"with the model's {value:.2f}"
    )


def _restoring_sign(labelled: LabelledSet) -> Sign | None:
    near = near_frames(labelled)
    if near.components.sum() < FEWEST_COMPONENTS:
        return None
    value = near.mean_restoring()
    text = f"between {len(near.restoring)} pairs of near frames they pull back with a cosine of {value:.2f}"
    return Sign("restoring_cosine", value, _says(value, RESTORING_RANDOM_BELOW, RESTORING_REAL_ABOVE), text)


def _net_sign(labelled: LabelledSet) -> Sign | None:
    ratios = [net_ratio(forces) for _, _, forces in labelled.forces() if counts(forces)]
    if not ratios:
        return None
    value = float(np.median(ratios))
    text = f"net force over root of summed squares {value:.2g} (median of frames; 1 for independent forces)"
    return Sign("net_force_ratio", value, "random" if value > NET_RANDOM_ABOVE else "nothing", text)


def net_ratio(forces: np.ndarray) -> float:
    """|sum of forces| over the root of the sum of squares: 0 for real forces, about 1 for independent ones."""
    size = float(np.sqrt((forces**2).sum()))
    return float(np.linalg.norm(forces.sum(axis=0))) / size if size else 0.0


def _kurtosis_sign(labelled: LabelledSet) -> Sign | None:
    """Excess kurtosis of the components, each frame scaled to unit variance: 0 for normal random numbers."""
    scaled = [forces.ravel() / np.sqrt((forces**2).mean()) for _, _, forces in labelled.forces() if counts(forces)]
    numbers = np.concatenate(scaled) if scaled else np.empty(0)
    if numbers.size < FEWEST_COMPONENTS:
        return None
    value = float((numbers**4).mean() / (numbers**2).mean() ** 2 - 3.0)
    normal = abs(value) < 3.0 * math.sqrt(24.0 / numbers.size)
    text = f"excess kurtosis {value:.2f} (0 for normal random numbers)"
    return Sign("excess_kurtosis", value, "random" if normal else "nothing", text)


def _says(value: float, random_below: float, real_above: float) -> Says:
    if value > real_above:
        return "real"
    if value < -real_above:
        return "reversed"
    return "random" if abs(value) < random_below else "nothing"


def _zero_forces(labelled: LabelledSet) -> Iterator[Finding]:
    """Forces that are exactly zero where no symmetry asks for it: somebody filled a gap."""
    one_kind = np.empty(0, dtype=np.int64)
    empty = [
        index
        for index, frame, forces in labelled.forces()
        if not forces.any() and len(frame) > 1 and np.abs(pair_features(frame, one_kind)).max() > ASYMMETRIC
    ]
    if empty:
        yield Finding(
            sign="zero forces",
            verdict=Verdict.REFUSED,
            where=labelled.name,
            text=f"forces are exactly zero in {len(empty)} frames whose symmetry does not ask for it: "
            + named([labelled.short(index) for index in empty]),
            hint="leave these frames out, or label them anew: zeros that fill a gap are learnt as forces",
            numbers={"frames": len(empty)},
            frames=tuple(labelled.called(index) for index in empty),
        )


def _odd_frames(labelled: LabelledSet, fitted: PairForces, places: list[int]) -> Iterator[Finding]:
    """Single frames whose forces have no relation to their structure, in a set whose forces do."""
    of_frames = {places[entry]: value for entry, value in fitted.of_frames(FEWEST_IN_FRAME).items()}
    alike = {
        index: _cosine(labels.forces, prediction.forces)
        for index, _, labels, prediction in labelled.compared()
        if labels.forces is not None and prediction.forces is not None
    }
    odd = [i for i, value in sorted(of_frames.items()) if value < FRAME_BELOW and alike.get(i, 0.0) < LIKE_MODEL_ABOVE]
    if odd:
        frames = tuple(labelled.called(index) for index in odd)
        yield Finding(
            sign="random forces",
            verdict=Verdict.REFUSED if len(odd) > FRAMES_REFUSED * len(of_frames) else Verdict.WARNING,
            where=labelled.name,
            text=f"forces of {len(odd)} of {len(of_frames)} frames have no relation to their structure: "
            + named([labelled.short(index) for index in odd]),
            hint="leave these frames out, or label them anew",
            numbers={"frames": len(odd), "lowest_cosine": min(of_frames[index] for index in odd)},
            frames=frames,
        )


def _cosine(first: np.ndarray, second: np.ndarray) -> float:
    return float((first * second).sum()) / max(float(np.linalg.norm(first) * np.linalg.norm(second)), 1e-12)
