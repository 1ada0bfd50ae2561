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
CLEARLY = 0.3
"""Correlation by which another order of the shears has to be better before it is spoken of."""
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
    shears = _shears(labelled.name, label, model)
    if shears is not None and shears.verdict is Verdict.REFUSED:
        label = label[:, [0, 1, 2, *_best_order(label, model)]]
    scores = {each.name: _score(label * each.factor, model) for each in conventions(volume)}
    fits = [name for name, (alike, ratio) in scores.items() if alike > ALIKE and plausible(ratio)]
    plain = next(iter(scores))
    alike, ratio = scores[plain]
    rmse = GPA_PER_EV_PER_A3 * float(np.sqrt(((model - label) ** 2).mean()))
    text = f"stress of {labelled.model} against the labels: correlation {alike:.3f}, ratio {ratio:.3g}"
    verdict, hint = Verdict.FINE, ""
    if plain in fits:
        text += f", RMSE {rmse:.2f} GPa"
    elif fits:
        verdict = Verdict.REFUSED
        hint = f"the labels seem to be {fits[0]}: convert them to eV/Å^3, positive under tension (ASE)"
    else:
        verdict, hint = Verdict.WARNING, "look at sign and unit of both, or leave the stress out"
    yield Finding(
        sign="stress against the model",
        verdict=verdict,
        where=labelled.name,
        text=f"{text}, {counted(len(label), 'frame')}",
        hint=hint,
        numbers={"correlation": alike, "ratio": ratio, "rmse_GPa": rmse, "frames": len(label)},
    )
    if shears is not None:
        yield shears


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


def _shears(where: str, label: Stresses, model: Stresses) -> Finding | None:
    """What is wrong with the order of the last three components, if the model's shears are large enough to tell."""
    if GPA_PER_EV_PER_A3 * float(np.sqrt((model[:, 3:] ** 2).mean())) < _QUIET_GPA:
        return None
    best = _best_order(label, model)
    given, found = _shear_fit(label, model, _SHEARS), _shear_fit(label, model, best)
    if best == _SHEARS or given > found - CLEARLY:
        return None
    order = ", ".join(COMPONENTS[3 + best.index(place)] for place in _SHEARS)
    one = found > ALIKE
    return Finding(
        sign="order of the shear stresses",
        verdict=Verdict.REFUSED if one else Verdict.WARNING,
        where=where,
        text=f"the last three components, correlation {given:.2f} with the model's yz, xz, xy, are more like {order} "
        f"({found:.2f})" + ("" if one else ", and not all like them: frames may be of several orders"),
        hint="write them in the order xx yy zz yz xz xy, or as a 3 x 3 matrix",
        numbers={"correlation": given, "best_correlation": found},
    )


def _shear_fit(label: Stresses, model: Stresses, order: tuple[int, ...]) -> float:
    return abs(cosine(label[:, list(order)], model[:, 3:]))


def _best_order(label: Stresses, model: Stresses) -> tuple[int, ...]:
    """The order of the last three components that fits the model's yz, xz, xy best; whatever the sign."""
    return max(permutations(_SHEARS), key=lambda order: _shear_fit(label, model, order))
