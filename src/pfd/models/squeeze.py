"""What must cost energy: atoms pushed together by two, in vacuum and among neighbours, and by more, and compression."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, combinations_with_replacement
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float

from pfd.frames.neighbours import pairs_within
from pfd.models.repulsion import Ranges, pair_key

if TYPE_CHECKING:
    from ase import Atoms

NEAREST_A = 0.5
"""How far two atoms are pushed together, Å; nearer ones cost hundreds of eV."""
STEP_A = 0.05
"""Between two distances of a path, Å: a fifth of the shortest half wave of POD's radial functions."""
SURROUNDED = 3
"""Surroundings of each pair of elements besides the vacuum."""
SURROUNDED_STEP_A = 0.07
"""``STEP_A`` among neighbours, whose descriptors cost a hundred times those of two atoms."""
CROWDS = (2, 3, 4, 6)
"""How many neighbours of an atom are drawn to it at once: what many-body terms make of them no pair tells."""

MOST_ALIGNED = 0.77
"""Cosine between two neighbours as seen from the atom, above which (40°) one stands behind the other."""

COMPRESSED = 4
"""Bulk frames that are compressed as a whole, from the most to the least ordered."""
COMPRESSION, COMPRESSIONS = 0.96, 14
"""All lengths shrink to this at each step, and so many times: by 12 % in volume, and to a sixth in the end."""


class Push(NamedTuple):
    """Atoms on their way to each other.

    Attributes:
        frame: they, and what surrounds them.
        along: what the forces (atoms, 3) are multiplied with to give what pushes them apart, eV/Å.
        pairs: the elements, the distance, Å, and the part of the way that they move by, of each two that are pushed.
    """

    frame: Atoms
    along: Float[np.ndarray, "atoms 3"]
    pairs: tuple[tuple[str, float, float], ...]


class _Site(NamedTuple):
    """Two atoms that are neighbours in a cluster."""

    cluster: Atoms
    first: int
    second: int


def pushes(frames: Sequence[Atoms], elements: Sequence[str], ranges_A: Ranges, cutoff_A: float) -> Iterator[Push]:
    """Every pair of elements on its way from the end of its repulsion (``ranges_A``) to ``NEAREST_A``.

    Args:
        frames: where surroundings are taken from.
        elements: chemical symbols.
        ranges_A: see ``pfd.models.repulsion``.
        cutoff_A: how far a neighbourhood reaches, Å.
    """
    from ase import Atoms as Frame

    for first, second in combinations_with_replacement(elements, 2):
        pair = pair_key(first, second)
        outer = ranges_A[pair][1]
        dimer = Frame([first, second], positions=[[0.0, 0.0, 0.0], [outer, 0.0, 0.0]])
        yield from _path(_Site(_in_a_box(dimer, cutoff_A), 0, 1), pair, outer, STEP_A)
        for site in _sites(frames, first, second, cutoff_A):
            yield from _path(site, pair, outer, SURROUNDED_STEP_A)


def crowds(frames: Sequence[Atoms], elements: Sequence[str], ranges_A: Ranges, cutoff_A: float) -> Iterator[Push]:
    """An atom of each element whose nearest neighbours, ``CROWDS`` of them, are drawn to it, all at once.

    Each goes straight from the end of its pair's repulsion to ``NEAREST_A``, or until two of them are as close, while
    all others stay. Where one of them stands behind another there is no such place: they would meet on the way.
    A student of molybdenum that had kept every pair apart lost atoms so at 7800 K: four of them fell together.

    Args:
        frames: where surroundings are taken from: those in which the atom has its neighbours closest and farthest, and
            one between.
        elements: chemical symbols.
        ranges_A: see ``pfd.models.repulsion``.
        cutoff_A: how far a neighbourhood reaches, Å.
    """
    reaches = [_reaches(frame, cutoff_A) for frame in frames]
    symbols = [np.array(frame.get_chemical_symbols()) for frame in frames]
    for element in elements:
        for place, number in enumerate(CROWDS):
            found = []
            for index, reach in enumerate(reaches):
                distances = np.where(symbols[index] == element, reach[place], np.inf)
                atom = int(np.argmin(distances))
                if np.isfinite(distances[atom]):
                    found.append((float(distances[atom]), index, atom))
            found.sort()
            for which in _spread(len(found), SURROUNDED):
                _, index, atom = found[which]
                yield from _drawn_in(frames[index], atom, number, ranges_A, cutoff_A)


def compressions(frames: Sequence[Atoms]) -> Iterator[list[Atoms]]:
    """Bulk frames on their way to a sixth of the smallest volume per atom of any: each begins at that one.

    Scaled as a whole, bonds are pressed too, so that in all condensed matter the energy rises from there on.
    """
    from pfd.frames import is_bulk
    from pfd.frames.neighbours import shortest_distance

    bulk = [frame for frame in frames if is_bulk(frame)]
    spacing = [_volume_per_atom(frame) ** (1 / 3) for frame in bulk]
    order = [
        (shortest_distance(frame, 2.0 * each) or 2.0 * each) / each for frame, each in zip(bulk, spacing, strict=True)
    ]
    by_order = [bulk[index] for index in np.argsort(order, kind="stable")]
    densest = min(map(_volume_per_atom, bulk), default=0.0)
    for frame in (by_order[place] for place in _spread(len(bulk), COMPRESSED)):
        begin = (densest / _volume_per_atom(frame)) ** (1 / 3)
        yield [_scaled(frame, begin * COMPRESSION**step) for step in range(COMPRESSIONS + 1)]


def _volume_per_atom(frame: Atoms) -> float:
    return float(abs(frame.cell.volume)) / len(frame)


def _scaled(frame: Atoms, factor: float) -> Atoms:
    copy = frame.copy()
    copy.set_cell(frame.cell.array * factor, scale_atoms=True)
    return copy


def _path(site: _Site, pair: str, outer_A: float, step_A: float) -> Iterator[Push]:
    """Both atoms are moved alike; what surrounds them stays."""
    between = site.cluster.positions[site.second] - site.cluster.positions[site.first]
    start = float(np.linalg.norm(between))
    direction, middle = between / start, site.cluster.positions[site.first] + between / 2.0
    along = np.zeros((len(site.cluster), 3))
    along[site.first], along[site.second] = -direction / 2.0, direction / 2.0
    for distance in np.arange(min(outer_A, start), NEAREST_A, -step_A):
        frame = site.cluster.copy()
        frame.positions[site.first] = middle - direction * distance / 2.0
        frame.positions[site.second] = middle + direction * distance / 2.0
        yield Push(frame, along, ((pair, float(distance), 1.0),))


def _reaches(frame: Atoms, cutoff_A: float) -> Float[np.ndarray, "numbers atoms"]:
    """Distance of the neighbour that is the last of so many (``CROWDS``), of each atom; infinite where there are fewer.

    Rounded, so that which of equal atoms comes first does not hang on the last digit.
    """
    pairs = pairs_within(frame, cutoff_A)
    begin, end = (np.searchsorted(pairs.first, np.arange(len(frame)), side=side) for side in ("left", "right"))
    padded = np.append(pairs.distance, np.inf)
    places = [np.where(end - begin >= number, begin + number - 1, len(pairs.distance)) for number in CROWDS]
    return np.asarray(np.round(padded[np.array(places)], 3))


def _drawn_in(frame: Atoms, atom: int, number: int, ranges_A: Ranges, cutoff_A: float) -> Iterator[Push]:
    """The way of so many neighbours; none if one stands behind another, or has been seen at ``NEAREST_A`` already."""
    from ase import Atoms as Frame

    symbols = np.array(frame.get_chemical_symbols())
    reach = cutoff_A + max(outer for _, outer in ranges_A.values())
    pairs = pairs_within(frame, reach)
    near = np.flatnonzero(pairs.first == atom)
    near = near[np.lexsort((pairs.second[near], np.round(pairs.distance[near], 3)))]
    vectors, kinds = pairs.vector[near], symbols[pairs.second[near]]
    direction = vectors[:number] / np.linalg.norm(vectors[:number], axis=1)[:, None]
    if (direction @ direction.T)[np.triu_indices(number, 1)].max() > MOST_ALIGNED:
        return
    names = [pair_key(str(symbols[atom]), str(kind)) for kind in kinds[:number]]
    outer = np.array([ranges_A[name][1] for name in names])
    if outer.min() <= NEAREST_A:
        return
    apart = np.linalg.norm(vectors[:, None] - np.vstack([np.zeros(3), direction * outer[:, None]]), axis=2)
    kept = (apart < cutoff_A).any(axis=1)
    kept[:number] = False
    part = (outer - NEAREST_A) / (outer - NEAREST_A).max()
    along = np.zeros((1 + number + int(kept.sum()), 3))
    along[1 : number + 1] = direction * part[:, None]
    for way in np.arange(0.0, (outer - NEAREST_A).max(), SURROUNDED_STEP_A):
        distances = outer - way * part
        drawn = direction * distances[:, None]
        if min(np.linalg.norm(one - two) for one, two in combinations(drawn, 2)) < NEAREST_A:
            return
        moved = np.vstack([np.zeros(3), drawn, vectors[kept]])
        cluster = _in_a_box(Frame([symbols[atom], *kinds[:number], *kinds[kept]], positions=moved), cutoff_A)
        yield Push(cluster, along, tuple(zip(names, distances.tolist(), part.tolist(), strict=True)))


def _spread(count: int, wanted: int) -> list[int]:
    """So many places in a list of so many, evenly: the first, the last, and between."""
    return sorted({round(place * (count - 1) / (wanted - 1)) for place in range(wanted)}) if count else []


def _in_a_box(cluster: Atoms, cutoff_A: float) -> Atoms:
    """A cluster in a periodic box whose images do not see each other: LAMMPS need not be set up anew for each push."""
    cluster.center(vacuum=0.5 * cutoff_A + 1.0)
    cluster.pbc = True
    return cluster


def _sites(frames: Sequence[Atoms], first: str, second: str, cutoff_A: float) -> list[_Site]:
    """The closest such pair of the frame in which it is closest, of the one in which it is farthest, and between."""
    found = []
    for index, frame in enumerate(frames):
        symbols = np.array(frame.get_chemical_symbols())
        pairs = pairs_within(frame, cutoff_A)
        ours = np.flatnonzero((symbols[pairs.first] == first) & (symbols[pairs.second] == second))
        if len(ours):
            closest = ours[np.argmin(pairs.distance[ours])]
            found.append((float(pairs.distance[closest]), index, int(pairs.first[closest]), pairs.vector[closest]))
    found.sort(key=lambda entry: entry[:3])
    sites = []
    for _, index, atom, vector in (found[place] for place in _spread(len(found), SURROUNDED)):
        sites.append(_cluster(frames[index], atom, vector, second, cutoff_A))
    return sites


def _cluster(frame: Atoms, atom: int, vector: np.ndarray, other: str, cutoff_A: float) -> _Site:
    """An atom, its neighbour at a vector, and everything within the cutoff of their middle and a half of the vector."""
    from ase import Atoms as Frame

    pairs = pairs_within(frame, cutoff_A + float(np.linalg.norm(vector)))
    near = np.flatnonzero(pairs.first == atom)
    vectors, symbols = pairs.vector[near], np.array(frame.get_chemical_symbols())[pairs.second[near]]
    apart = np.linalg.norm(vectors - vector, axis=1)
    second = int(np.argmin(apart))
    kept = (np.linalg.norm(vectors, axis=1) < cutoff_A) | (apart < cutoff_A)
    kept[second] = False
    own = str(frame.get_chemical_symbols()[atom])
    positions = np.vstack([np.zeros(3), vectors[second], vectors[kept]])
    return _Site(_in_a_box(Frame([own, other, *symbols[kept]], positions=positions), cutoff_A), 0, 1)
