"""The order of atoms in inputs that list them species by species, and the way back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ase import Atoms


def species_order(frame: Atoms) -> np.ndarray:
    """Indices that put atoms of one element together, elements in the order of their first atoms.

    >>> from ase import Atoms
    >>> species_order(Atoms("OHOH"))
    array([0, 2, 1, 3])
    """
    symbols = frame.get_chemical_symbols()
    rank = {element: index for index, element in enumerate(dict.fromkeys(symbols))}
    order: np.ndarray = np.argsort([rank[symbol] for symbol in symbols], kind="stable")
    return order


def frame_order(rows: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Rows that stand in ``order``, in the frame's own order."""
    back: np.ndarray = rows[np.argsort(order)]
    return back
