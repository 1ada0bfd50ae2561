"""Initial moments as pw.x takes them: shares of the valence electrons, of few kinds of atoms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

MOST_SPECIES = 10
"""Kinds of atoms that pw.x is compiled for (ntypx); atoms of one element with two moments are two kinds."""
STEPS = (0.1, 0.25, 0.5, 1.0, 2.0)
"""Bohr magnetons: initial moments are rounded to the first of these with which there are few enough kinds."""


def moment_shares(moments: np.ndarray, symbols: Sequence[str], valences: Sequence[float]) -> np.ndarray:
    """Turn moments in Bohr magnetons into pw.x's shares of the valence electrons, -1 to 1.

    Where there are too many different ones, as with moments predicted atom by atom, they are rounded: a start needs no
    digits. Those below half a step become zero.

    Args:
        moments: one per atom, Bohr magnetons.
        symbols: of the atoms.
        valences: valence electrons of the atoms.
    """
    for start in (moments, *(np.round(moments / step) * step for step in STEPS)):
        shares: np.ndarray = np.clip(start / np.asarray(valences), -1.0, 1.0).round(6) + 0.0
        if len(set(zip(symbols, shares.tolist(), strict=True))) <= MOST_SPECIES:
            break
    return shares
