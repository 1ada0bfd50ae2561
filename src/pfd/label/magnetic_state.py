"""Whether the engine ended in the magnetic state that was asked for: its total moment, and the moments of its atoms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from pfd.frames.state import electronic_state

if TYPE_CHECKING:
    from ase import Atoms

    from pfd.label.record import Measures

TOTAL_TOLERANCE = 0.1
"""Bohr magnetons. Total moments of a fixed spin are whole numbers, which engines print with two decimals or more."""
LEAST_ASKED = 1.0
"""Bohr magnetons: atoms that were asked for less bear no moment of their own. Input sets of the Materials Project start
every element that they do not list, oxygen among them, with 0.6."""
LEAST_KEPT = 0.25
"""The part of the moment asked for that an atom must keep, sign included, to be in the state that was asked for.

Initial moments are chosen too large on purpose, and final ones stand in spheres that hold only a part. Of PBE runs of
pw.x with bcc iron and O2, the ones in the state asked for kept 0.28 (antiferromagnetic iron started with 5, ends with
1.41) to 0.75 (ferromagnetic iron, 3 to 2.26; O2: 0.58); iron whose moments vanished under pressure kept 0.001.
Iron(III) that falls from the high spin, about 4.2, to the low spin, about 1, keeps less than a quarter as well."""


def magnetic_measures(asked: Atoms, extra: Mapping[str, float | list[float]]) -> dict[str, Any]:
    """The fields of ``Measures`` that tell how far the final moments are from those asked for.

    All moments turned around at once are the same state: without a field, energy and forces do not know up from down.
    Moments that are vectors are not compared.

    Args:
        asked: a frame with the spin and the initial moments that were asked for.
        extra: what the engine said (``Outcome.extra``): ``total_magmom``, ``local_magmoms``, Bohr magnetons.

    Returns:
        ``total_moment_off``, if a spin was asked for and the engine told the total; ``moments_reversed`` and
        ``moments_lost``, if some atom was asked for 1 Bohr magneton or more and the engine told those of the atoms.
    """
    state = electronic_state(asked)
    found: dict[str, Any] = {}
    total, local = extra.get("total_magmom"), extra.get("local_magmoms")
    if state.multiplicity is not None and isinstance(total, float):
        found["total_moment_off"] = round(abs(total) - (state.multiplicity - 1), 6)
    if state.magmoms is None or state.magmoms.ndim != 1 or not isinstance(local, list) or len(local) != len(asked):
        return found
    final = np.array(local)
    bearing = np.abs(state.magmoms) >= LEAST_ASKED
    if not bearing.any():
        return found
    kept = final[bearing] / state.magmoms[bearing]
    if float(state.magmoms @ final) < 0.0:
        kept = -kept
    found["moments_reversed"] = int((kept <= -LEAST_KEPT).sum())
    found["moments_lost"] = int((~(np.abs(kept) >= LEAST_KEPT)).sum())
    return found


def magnetic_problem(measures: Measures) -> str:
    """In words, how the final moments differ from those asked for; nothing if they do not, or nothing is known."""
    problems = []
    off = measures.total_moment_off
    if off is not None and abs(off) > TOTAL_TOLERANCE:
        problems.append(f"the total moment is {off:+.2f} Bohr magnetons off the spin that was asked for")
    for count, what in ((measures.moments_reversed, "reversed"), (measures.moments_lost, "lost")):
        if count:
            atoms = "1 atom" if count == 1 else f"{count} atoms"
            problems.append(f"{atoms} {what} the moment that was asked for")
    return "; ".join(problems)
