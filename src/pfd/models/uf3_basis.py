"""Cubic B-splines of the distances of two and of three atoms: how many, where their knots lie, and their sums."""

from __future__ import annotations

from itertools import combinations_with_replacement
from math import ceil
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from pydantic import Field

from pfd.frames.neighbours import pairs_within
from pfd.models.linear_potential import Descriptors, EnergyRow, ForceRows, StressRows
from pfd.settings import Settings

if TYPE_CHECKING:
    from ase import Atoms
    from scipy.sparse import csr_array

Knots = Float[np.ndarray, "knots"]
Columns = Int[np.ndarray, "splines"]

BEYOND = 1e-9
"""How far the last knot lies beyond a cutoff, as a part of it: LAMMPS looks three atoms up that are as far as the
cutoff to the last digit, and reads behind its tables if no interval is there."""
TRIMMED = 3
"""Splines at the end of a range that are left out, so that value, slope and curvature vanish there."""


class UF3Basis(Settings):
    """Numbers of splines, evenly spaced from the shortest distance of the training frames to the cutoffs."""

    pair: int = Field(default=12, ge=4, le=100)
    """Of the distance of two atoms, up to the cutoff."""
    leg: int = Field(default=7, ge=2, le=40)
    """Of the distances of an atom from two neighbours, up to the cutoff of three bodies."""
    base: int = Field(default=12, ge=2, le=80)
    """Of the distance between those neighbours, up to twice that."""

    def count(self, elements: int) -> int:
        """Coefficients of a model of so many elements, that of each one's free atom included."""
        pairs = elements * (elements + 1) // 2
        alike, others = elements**2, elements * elements * (elements - 1) // 2
        legs = self.leg * (self.leg + 1) // 2
        return elements + pairs * self.pair + (alike * legs + others * self.leg**2) * self.base


class Splines(NamedTuple):
    """The splines of a distance.

    Attributes:
        knots: evenly spaced, Å; the first and the last stand there four times.
        first: the first spline that is used; those before it vanish at all distances of the training frames.
        number: how many are used; ``TRIMMED`` follow.
    """

    knots: Knots
    first: int
    number: int

    @classmethod
    def between(cls, closest_A: float, cutoff_A: float, count: int, *, from_zero: bool = False) -> Splines:
        """So many splines that differ from zero between two distances; the first falls to zero below the shorter one.

        Args:
            closest_A: the shorter distance.
            cutoff_A: the longer one.
            count: how many.
            from_zero: the knots begin at zero or below: for LAMMPS' pairs, which it looks up without asking.
        """
        end = (1.0 + BEYOND) * cutoff_A
        spacing = (end - closest_A) / count
        below = max(TRIMMED, ceil(closest_A / spacing)) if from_zero else TRIMMED
        inner = np.linspace(closest_A - below * spacing, end, below + count + 1)
        return cls(np.concatenate([np.repeat(inner[0], 3), inner, np.repeat(inner[-1], 3)]), below, count)

    @property
    def used(self) -> slice:
        """Which of all splines are used."""
        return slice(self.first, self.first + self.number)

    @property
    def total(self) -> int:
        """How many there are for these knots."""
        return len(self.knots) - 4


class UF3Descriptors(Descriptors):
    """Sums of B-splines over pairs, and of products of three over an atom and two of its neighbours.

    In order: the number of atoms of each element; of each two elements the splines of their distance; of each element
    and each two of its neighbours' elements the products of the splines of both legs (where the neighbours are of one
    element, of both orders together) and of the base, the distance between the neighbours.

    Args:
        elements: chemical symbols.
        closest_A: the shortest distance of the training frames, Å.
        cutoff_A: of two bodies, Å.
        triple_cutoff_A: of the distances of an atom from two neighbours, Å.
        basis: how many splines.

    Source: Xie, Rupp and Hennig, npj Comput. Mater. 9, 162 (2023), eq. 3 to 9.
    """

    def __init__(
        self,
        elements: tuple[str, ...],
        closest_A: float,
        cutoff_A: float,
        triple_cutoff_A: float,
        basis: UF3Basis,
    ) -> None:
        super().__init__(elements, cutoff_A)
        self.triple_cutoff_A, self.basis = triple_cutoff_A, basis
        self.pair = Splines.between(closest_A, cutoff_A, basis.pair, from_zero=True)
        self.leg = Splines.between(closest_A, triple_cutoff_A, basis.leg)
        self.base = Splines.between(closest_A, 2.0 * triple_cutoff_A, basis.base)
        self._pair_column, self._triple_column, self._legs = self._columns()
        self.features = basis.count(len(elements))
        self._last: tuple[Atoms, tuple[EnergyRow, ForceRows, StressRows]] | None = None

    def _columns(self) -> tuple[Int[np.ndarray, "k k"], Int[np.ndarray, "k k k"], Int[np.ndarray, "2 legs legs"]]:
        """First columns of each pair and triple of elements; the product of two legs, of one element and of two."""
        kinds, legs = range(len(self.elements)), self.basis.leg
        square = np.arange(legs**2).reshape(legs, legs)
        upper = np.triu_indices(legs)
        triangle = np.zeros_like(square)
        triangle[upper] = np.arange(len(upper[0]))
        pair, triple = (np.zeros((len(kinds),) * bodies, dtype=np.int64) for bodies in (2, 3))
        place = len(kinds)
        for one, two in self.pairs():
            pair[one, two] = pair[two, one] = place
            place += self.basis.pair
        for center, one, two in self.triples():
            triple[center, one, two] = triple[center, two, one] = place
            place += (len(upper[0]) if one == two else legs**2) * self.basis.base
        return pair, triple, np.array([np.maximum(triangle, triangle.T), square])

    def pairs(self) -> list[tuple[int, int]]:
        """Indices of each two elements."""
        return list(combinations_with_replacement(range(len(self.elements)), 2))

    def triples(self) -> list[tuple[int, int, int]]:
        """Indices of a center's element and of the elements of two neighbours."""
        return [(center, *two) for center in range(len(self.elements)) for two in self.pairs()]

    def columns_of_pair(self, one: int, two: int) -> Columns:
        """The column of each spline."""
        return np.asarray(self._pair_column[one, two] + np.arange(self.basis.pair))

    def columns_of_triple(self, center: int, one: int, two: int) -> Int[np.ndarray, "legs legs bases"]:
        """The column of each product of splines of the first leg, the second, and the base."""
        legs = self._legs[int(one != two)][:, :, None] * self.basis.base
        return np.asarray(self._triple_column[center, one, two] + legs + np.arange(self.basis.base))

    def roughness(self) -> csr_array:
        """Second differences of coefficients along each distance; beyond the cutoffs coefficients are zero.

        Source: Eilers and Marx, Statist. Sci. 11, 89 (1996), eq. 6.
        """
        from scipy.sparse import vstack

        grids = [self.columns_of_pair(*pair) for pair in self.pairs()]
        grids += [self.columns_of_triple(*triple) for triple in self.triples()]
        lines = []
        for grid in grids:
            for axis in range(grid.ndim):
                along = np.moveaxis(grid, axis, -1).reshape(-1, grid.shape[axis])
                lines += list(np.unique(along, axis=0))  # both orders of two legs of one element are one
        return vstack([_second_differences(len(line)) @ _picking(line, self.features) for line in lines]).tocsr()

    def of(self, frame: Atoms) -> tuple[EnergyRow, ForceRows]:
        """See ``Descriptors.of``."""
        energy, forces, _ = self._rows(frame)
        return energy, forces

    def energy(self, frame: Atoms) -> EnergyRow:
        """See ``Descriptors.energy``."""
        return self._rows(frame)[0]

    def stress(self, frame: Atoms) -> StressRows:
        """See ``Descriptors.stress``: of the virial."""
        return np.asarray(self._rows(frame)[2] / abs(float(frame.cell.volume)))

    def _rows(self, frame: Atoms) -> tuple[EnergyRow, ForceRows, StressRows]:
        """Energy, forces, and stress times volume; those of the frame before are kept, as one is asked for after all.

        Raises:
            ValueError: if the frame has an element that is not among those of the model.
        """
        from pfd.models.uf3_kernel import Rows, add_pairs, add_triples

        if self._last is not None and self._last[0] == frame:
            return self._last[1]
        kind = np.array([self.elements.index(symbol) for symbol in frame.get_chemical_symbols()], dtype=np.int64)
        rows = Rows(
            *(np.zeros(shape) for shape in (self.features, (3 * len(frame), self.features), (6, self.features)))
        )
        rows.energy[: len(self.elements)] = np.bincount(kind, minlength=len(self.elements))
        all_pairs = pairs_within(frame, max(self.cutoff_A, self.triple_cutoff_A))
        near = all_pairs.below(self.cutoff_A)
        add_pairs(near, self._pair_column[kind[near.first], kind[near.second]], self.pair, rows)
        close = all_pairs.below(self.triple_cutoff_A)
        begin = np.searchsorted(close.first, np.arange(len(frame) + 1))
        add_triples(close, begin, kind, self._triple_column, self._legs, self.leg, self.base, rows)
        self._last = (frame.copy(), rows)
        return rows


def _second_differences(count: int) -> csr_array:
    """c(n-1) - 2 c(n) + c(n+1) of so many values and of zeros behind them, for n from the second one on."""
    from scipy.sparse import diags_array

    return diags_array([1.0, -2.0, 1.0], offsets=[0, 1, 2], shape=(count, count)).tocsr()


def _picking(places: Columns, features: int) -> csr_array:
    """Values at these places, one after the other."""
    from scipy.sparse import csr_array

    return csr_array((np.ones(len(places)), (np.arange(len(places)), places)), shape=(len(places), features))
