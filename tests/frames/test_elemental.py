"""Elements outside a domain, and their crystals."""

from __future__ import annotations

import numpy as np
from ase.data import chemical_symbols

from pfd.frames.elemental import elemental_crystals, elements_apart


def test_elements_are_foreign_spread_and_never_too_many():
    known = chemical_symbols[1:90]
    found = elements_apart(known, ["Si", "Cu"], 12)
    assert len(found) == len(set(found)) == 12
    assert not {"Si", "Cu", "He", "Ar"} & set(found)
    numbers = [chemical_symbols.index(symbol) for symbol in found]
    assert numbers == sorted(numbers)
    assert numbers[0] < 10 < 60 < numbers[-1]
    assert found == elements_apart(reversed(known), ["Cu", "Si"], 12)
    assert elements_apart(["Si", "Cu", "O", "Ne", "Ar", "X"], ["Si"], 12) == ["Cu"]
    assert elements_apart(["Cu"], ["Cu"], 12) == []
    assert elements_apart(known, [], 0) == []


def test_every_element_that_is_offered_has_sane_crystals():
    symbols = elements_apart(chemical_symbols[1:], [], 200)
    frames = elemental_crystals(symbols)
    assert len(frames) == 2 * len(symbols) > 80
    for frame in frames:
        assert len(frame) in (8, 16)
        assert frame.pbc.all()
        distances = frame.get_all_distances(mic=True)[~np.eye(len(frame), dtype=bool)]
        assert distances.min() > 1.2
        assert not frame.get_initial_magnetic_moments().any()
    assert len({frame.info["trajectory"] for frame in frames}) == len(symbols)


def test_the_same_element_gives_the_same_crystals():
    one, again = elemental_crystals(["Fe"]), elemental_crystals(["Al", "Fe"])[2:]
    assert all(np.array_equal(a.positions, b.positions) for a, b in zip(one, again, strict=True))
    assert not np.allclose(one[0].cell.array, one[1].cell.array)
