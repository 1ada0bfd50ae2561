"""Sign, unit, normalisation and order of the components of stress labels, told by a model's stress."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from jaxtyping import Float

from pfd.evaluate.data_gate.against_model import cosine
from pfd.evaluate.data_gate.finding import Finding, Verdict
from pfd.evaluate.data_gate.labelled_set import LabelledSet
from pfd.evaluate.data_gate.unit_slips import STRESS_UNITS, plausible
from pfd.frames import trainable_stress
from pfd.units import GPA_PER_EV_PER_A3
from pfd.wording import counted

ALIKE = 0.7
FEWEST_FRAMES = 3
COMPONENTS = ("xx", "yy", "zz", "yz", "xz", "xy")
_SHEARS = (3, 4, 5)
_QUIET_GPA = 0.1
"""RMS of the model's stress below which there is nothing to compare."""
Stresses = Float[np.ndarray, "frames 6"]
Volumes = Float[np.ndarray, "frames 1"]


@dataclass(frozen=True)
class Convention:
    """What stress labels may be: one of these number times ``factor`` is eV/Å^3 in ASE's sign.

    Attributes:
        name: for people.
        factor: per frame.
    """

    name: str
    factor: Volumes


def stress_convention(labelled: LabelledSet) -> Iterator[Finding]:
    """Findings ``stress against the model`` and ``order of the shear stresses``; none without stress on both sides.

    Labels are compared with the model's stress as they are, and as every convention would have them: the opposite sign,
    GPa, kbar, and the virial (minus stress times volume, eV) in both signs. The first one under which the two correlate
    by more than 0.7 and the ratio is within 0.6 to 1.6 is what they are.
    """
    label, model, volume = _stresses(labelled)
    if len(label) < FEWEST_FRAMES or GPA_PER_EV_PER_A3 * float(np.sqrt((model**2).mean())) < _QUIET_GPA:
        return
    order = _order(label, model)
    ordered = label[:, [0, 1, 2, *order]]
    scores = {each.name: _score(ordered * each.factor, model) for each in conventions(volume)}
    plain, *_ = scores
    fits = [name for name, (alike, ratio) in scores.items() if alike > ALIKE and plausible(ratio)]
    alike, ratio = scores[plain]
    rmse = GPA_PER_EV_PER_A3 * float(np.sqrt(((model - ordered) ** 2).mean()))
    text = f"stress of {labelled.model} against the labels: correlation {alike:.3f}, ratio {ratio:.3g}"
    text += f", RMSE {rmse:.2f} GPa, {counted(len(label), 'frame')}"
    verdict, hint = Verdict.FINE, ""
    if plain not in fits:
        verdict = Verdict.REFUSED if fits else Verdict.WARNING
        wanted = "convert it to eV/Å^3, positive under tension (ASE)"
        hint = (
            f"the labels seem to be {fits[0]}: {wanted}" if fits else "look at sign and unit of both, or leave it out"
        )
    yield Finding(
        sign="stress against the model",
        verdict=verdict,
        where=labelled.name,
        text=text,
        hint=hint,
        numbers={"correlation": alike, "ratio": ratio, "rmse_GPa": rmse, "frames": len(label)},
    )
    if order != _SHEARS:
        given = ", ".join(COMPONENTS[3 + order.index(place)] for place in _SHEARS)
        yield Finding(
            sign="order of the shear stresses",
            verdict=Verdict.REFUSED,
            where=labelled.name,
            text=f"the last three components seem to be {given} instead of {', '.join(COMPONENTS[3:])}",
            hint="write them in the order xx yy zz yz xz xy, or as a 3 x 3 matrix",
        )


def conventions(volume: Volumes) -> tuple[Convention, ...]:
    """What stress labels may be, the right one first.

    Args:
        volume: of each frame, Å^3.
    """
    one = np.ones_like(volume)
    found = [Convention("as they should be", one), Convention("of the opposite sign", -one)]
    for unit, factor in STRESS_UNITS.items():
        found += [
            Convention(f"in {unit}", factor * one),
            Convention(f"in {unit} and of the opposite sign", -factor * one),
        ]
    found.append(Convention("virials in eV (minus stress times volume)", -1.0 / volume))
    found.append(Convention("stress times volume in eV", 1.0 / volume))
    return tuple(found)


def _stresses(labelled: LabelledSet) -> tuple[Stresses, Stresses, Volumes]:
    found = [
        (stress, prediction.stress, frame.cell.volume)
        for _, frame, _, prediction in labelled.compared()
        if (stress := trainable_stress(frame)) is not None and prediction.stress is not None
    ]
    label = np.array([stress for stress, _, _ in found]).reshape(-1, 6)
    model = np.array([stress for _, stress, _ in found]).reshape(-1, 6)
    return label, model, np.array([abs(volume) for *_, volume in found]).reshape(-1, 1)


def _score(label: Stresses, model: Stresses) -> tuple[float, float]:
    """Correlation, and size of the model's stress over the labels'; the mean pressure of both is left out.

    A basis that is too small shifts all pressures alike (Pulay stress), and so does a model.
    """
    one, other = (each - np.array([1, 1, 1, 0, 0, 0]) * each[:, :3].mean() for each in (label, model))
    size = float(np.linalg.norm(one))
    return cosine(one, other), float(np.linalg.norm(other)) / size if size else 0.0


def _order(label: Stresses, model: Stresses) -> tuple[int, ...]:
    """The order in which the last three components fit the model's yz, xz, xy; the right one if in doubt."""
    shears = model[:, 3:]
    if GPA_PER_EV_PER_A3 * float(np.sqrt((shears**2).mean())) < _QUIET_GPA:
        return _SHEARS
    fits = {order: abs(cosine(label[:, list(order)], shears)) for order in permutations(_SHEARS)}
    best = max(fits, key=lambda order: fits[order])
    return best if fits[best] > ALIKE and fits[_SHEARS] < fits[best] - 0.3 else _SHEARS
