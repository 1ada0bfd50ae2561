"""Units that labels come in by mistake, recognised by the ratio between a model's numbers and the labels."""

from __future__ import annotations

import math
from collections.abc import Mapping

from pfd.units import A_PER_BOHR, EV_PER_HARTREE, EV_PER_RYDBERG, GPA_PER_EV_PER_A3, KBAR_PER_EV_PER_A3

EV_PER_KCAL_PER_MOL = 4184.0 / 96485.3329
EV_PER_KJ_PER_MOL = 1000.0 / 96485.3329
ENERGY_UNITS = {
    "Hartree": EV_PER_HARTREE,
    "Rydberg": EV_PER_RYDBERG,
    "kcal/mol": EV_PER_KCAL_PER_MOL,
    "kJ/mol": EV_PER_KJ_PER_MOL,
    "meV": 1e-3,
}
"""Name -> eV."""
FORCE_UNITS = {
    "Hartree/Bohr": EV_PER_HARTREE / A_PER_BOHR,
    "Rydberg/Bohr": EV_PER_RYDBERG / A_PER_BOHR,
    "eV/Bohr": 1.0 / A_PER_BOHR,
    "kcal/mol/Å": EV_PER_KCAL_PER_MOL,
    "kJ/mol/Å": EV_PER_KJ_PER_MOL,
    "meV/Å or kJ/mol/nm": 1e-3,
}
"""Name -> eV/Å; a kJ/mol/nm is 1.04 meV/Å, which no model tells apart."""
STRESS_UNITS = {"GPa": 1.0 / GPA_PER_EV_PER_A3, "kbar": 1.0 / KBAR_PER_EV_PER_A3}
"""Name -> eV/Å^3."""
PLAUSIBLE = (0.6, 1.6)
"""Model over label that needs no other unit: pre-trained models are too soft by up to a third, seldom too stiff.
Source: Deng et al., npj Comput. Mater. 11, 9 (2025), slopes of universal potentials on perturbed structures."""
_TOLERANCE = math.log(1.4)


def plausible(ratio: float) -> bool:
    """Whether a ratio of model over label needs no other unit to explain it."""
    return PLAUSIBLE[0] <= ratio <= PLAUSIBLE[1]


def unit_slip(ratio: float, units: Mapping[str, float]) -> str | None:
    """The unit that labels seem to be in, None if none explains the ratio or none is needed.

    Args:
        ratio: the model's numbers over the labels, positive.
        units: name -> how many of ours one of them is.

    >>> unit_slip(45.0, FORCE_UNITS), unit_slip(0.9, FORCE_UNITS), unit_slip(7.0, FORCE_UNITS)
    ('Hartree/Bohr', None, None)
    """
    if ratio <= 0.0 or plausible(ratio):
        return None
    name, factor = min(units.items(), key=lambda unit: abs(math.log(ratio / unit[1])))
    return name if abs(math.log(ratio / factor)) < _TOLERANCE else None
