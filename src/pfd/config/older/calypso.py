"""A group of structure search by CALYPSO of an older input."""

from __future__ import annotations

from itertools import combinations_with_replacement
from typing import Any

from pfd.config.older.old_section import OldSection
from pfd.units import pressure_GPa_from_kbar

SCALE_OF_RADII = 0.7
"""Distances that are given by radii are so much of their sum."""
FIXED = (
    *("system_name", "ialgo", "pso_ratio", "icode", "numb_of_lbest", "numb_of_local_optim", "command", "gen_type"),
    *("pick_up", "pick_step", "parallel", "split", "spec_space_group", "ctrl_range", "max_numb_atoms", "ens"),
)
"""Keys of CALYPSO's input that pfd writes itself."""


def search(group: OldSection, key: str) -> dict[str, Any]:
    """The group as ``method: calypso``.

    Args:
        group: of a stage.
        key: where it will stand in today's input.
    """
    names, counts = group.listed(str, "name_of_atoms"), group.listed(int, "numb_of_atoms")
    numbers, species = group.listed(int, "atomic_number"), group.whole("numb_of_species")
    if not names or len(names) != len(counts) or min(counts, default=0) < 1:
        group.refuse("name_of_atoms", "as many symbols as numb_of_atoms has numbers are needed, each once")
        return {"method": "calypso"}
    if species not in {None, len(names)}:
        group.refuse("numb_of_species", f"{species}, and name_of_atoms has {len(names)}")
    if group.flag("vsc"):
        group.refuse("vsc", "search of changing composition is not offered; write a group for each formula")
    group.ignore("the search is of whole cells", "conf_idx", "n_sample")
    group.ignore("what pfd writes into CALYPSO's input", *FIXED)
    formula = "".join(f"{name}{count}" for name, count in zip(names, counts, strict=True))
    pressure = group.number("pressure")
    group.say(f"{key}.formula", "name_of_atoms and numb_of_atoms")
    group.say(f"{key}.pressure_GPa", f"pressure: {0.001 if pressure is None else pressure:g} kbar")
    section = {
        "method": "calypso",
        "formula": formula,
        "formula_units": group.listed(int, "numb_of_formula") or [1, 1],
        "population": group.whole("pop_size", least=1) or 30,
        "generations": group.whole("max_step", least=1) or 5,
        "pressure_GPa": pressure_GPa_from_kbar(0.001 if pressure is None else pressure),
        "steps": group.whole("opt_step", least=1) or 1000,
        "fmax_eV_per_A": group.positive("fmax") or 0.01,
        "wall_time_s": group.positive("max_time") or 9000,
    }
    if volume := group.number("volume", least=0.0):
        section["volume_A3"] = volume
    distance = _distance(group, names, numbers)
    if distance is not None:
        section["min_distance"] = distance
        group.say(f"{key}.min_distance", "distance_of_ions over the covalent radii, the pair that may come closest")
    return section


def _distance(group: OldSection, names: list[str], numbers: list[int]) -> float | None:
    """The closest that two atoms may be, as a fraction of the sum of their covalent radii; None if it is not told."""
    from ase.data import atomic_numbers, covalent_radii

    unknown = [name for name in names if name not in atomic_numbers]
    if unknown or (numbers and numbers != [atomic_numbers[name] for name in names]):
        wrong = f"{unknown[0]!r} is no element" if unknown else f"these are not the numbers of {', '.join(names)}"
        group.refuse("name_of_atoms" if unknown else "atomic_number", wrong)
        return None
    told = group.raw("distance_of_ions")
    radii = [float(covalent_radii[atomic_numbers[name]]) for name in names]
    pairs = list(combinations_with_replacement(range(len(names)), 2))
    if told is None:
        return None
    try:
        if isinstance(told, dict):
            own = [float(told.get(name, radius)) for name, radius in zip(names, radii, strict=True)]
            closest = {pair: SCALE_OF_RADII * (own[pair[0]] + own[pair[1]]) for pair in pairs}
        else:
            closest = {(one, two): float(told[one][two]) for one, two in pairs}
    except (TypeError, ValueError, IndexError, KeyError):
        group.refuse("distance_of_ions", f"a matrix of {len(names)} x {len(names)} distances in Å, or radii by element")
        return None
    fraction = min(distance / (radii[one] + radii[two]) for (one, two), distance in closest.items())
    return round(fraction, 4)
