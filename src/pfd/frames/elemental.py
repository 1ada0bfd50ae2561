"""Small crystals of the elements, rattled and strained: ground that a model was fine-tuned nowhere near."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pfd.frames.perturb import perturb

if TYPE_CHECKING:
    from ase import Atoms

LATTICES = {"fcc", "bcc", "hcp", "diamond"}
"""Of the elements that are used: those that one or two atoms in a cell describe."""
NOBLE = {"He", "Ne", "Ar", "Kr", "Xe", "Rn"}
"""Left out: their forces are next to nothing."""
COPIES = 2
DISPLACEMENT_A = 0.1
STRAIN = 0.03


def elements_apart(known: Iterable[str], trained: Iterable[str], count: int) -> list[str]:
    """At most so many elements that a model knows, it was not trained on, and of which there is a crystal.

    They are spread evenly over those that there are, in the order of the periodic table.
    """
    from ase.data import atomic_numbers

    others = sorted({symbol for symbol in known if _lattice(symbol)} - set(trained), key=atomic_numbers.__getitem__)
    kept = min(count, len(others))
    return [others[index * len(others) // kept] for index in range(kept)]


def elemental_crystals(symbols: Iterable[str]) -> list[Atoms]:
    """Two cells of 8 or 16 atoms of each element, in the lattice and at the lengths that ASE knows; always the same.

    Each element counts as a trajectory of its own: its two frames are not independent.
    """
    from ase.build import bulk
    from ase.data import atomic_numbers

    frames = []
    for symbol in symbols:
        copies = perturb(
            bulk(symbol),
            COPIES,
            displacement_A=DISPLACEMENT_A,
            strain=STRAIN,
            supercell=(2, 2, 2),
            seed=atomic_numbers[symbol],
        )
        for copy in copies:
            copy.set_initial_magnetic_moments(None)  # models start without
            copy.info["trajectory"] = f"crystal-{symbol}"
        frames += copies
    return frames


def _lattice(symbol: str) -> bool:
    from ase.build import bulk
    from ase.data import atomic_numbers, reference_states

    state = (
        reference_states[atomic_numbers[symbol]] if atomic_numbers.get(symbol, 999) < len(reference_states) else None
    )
    if state is None or state["symmetry"] not in LATTICES or symbol in NOBLE:
        return False
    try:
        bulk(symbol)
    except ValueError:  # a lattice with a basis that ASE does not hold
        return False
    return True
