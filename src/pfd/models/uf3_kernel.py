"""The inner loops of UF3's descriptors, compiled by numba at their first use (some seconds, then kept on disk)."""
# Importing numba takes 0.3 s: only ``uf3_basis`` imports this module, when it is asked for descriptors.

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

_fast = njit(cache=True, error_model="numpy", fastmath={"nnan", "nsz", "contract"})


class Rows(NamedTuple):
    """What a frame's descriptors are gathered in.

    Attributes:
        energy: one row (features).
        forces: a row for each coordinate (3 atoms, features).
        virial: of stress times volume, in Voigt order (6, features).
    """

    energy: np.ndarray
    forces: np.ndarray
    virial: np.ndarray


@_fast
def add_pairs(pairs, column, splines, rows):  # type: ignore[no-untyped-def]
    """Add what each ordered pair gives.

    Args:
        pairs: of ``pfd.frames.neighbours``.
        column: of each pair the first column of its elements.
        splines: of the distance.
        rows: to add to.
    """
    values, slopes = np.empty(4), np.empty(4)
    for pair in range(len(pairs.first)):
        begin = _splines_at(splines, pairs.distance[pair], values, slopes)
        for n in range(max(0, -begin), min(4, splines.number - begin)):
            where, slope = column[pair] + begin + n, slopes[n] / pairs.distance[pair]
            rows.energy[where] += values[n]
            _add(rows, pairs.first[pair], pairs.second[pair], pairs.vector[pair], slope, where)


@_fast
def add_triples(pairs, begin, kind, column, legs, leg, base, rows):  # type: ignore[no-untyped-def]
    """Add what each atom and two of its neighbours give.

    Args:
        pairs: of ``pfd.frames.neighbours``, within the cutoff of the legs.
        begin: where the pairs of each atom begin, and where those of the last one end.
        kind: index of each atom's element.
        column: first column of a center's element and the elements of two neighbours.
        legs: which product two legs' splines are, of two neighbours of one element, and of two elements.
        leg: splines of the distances from the center.
        base: splines of the distance between the neighbours.
        rows: to add to.
    """
    values, slopes = np.empty((len(pairs.first), 4)), np.empty((len(pairs.first), 4))
    starts = np.empty(len(pairs.first), dtype=np.int64)
    for pair in range(len(pairs.first)):
        starts[pair] = _splines_at(leg, pairs.distance[pair], values[pair], slopes[pair])
        slopes[pair] /= pairs.distance[pair]
    across, turns, between = np.empty(4), np.empty(4), np.empty(3)
    for i in range(len(begin) - 1):
        for one in range(begin[i], begin[i + 1]):
            for two in range(one + 1, begin[i + 1]):
                a, b = one, two
                if kind[pairs.second[a]] > kind[pairs.second[b]]:
                    a, b = two, one
                j, k = pairs.second[a], pairs.second[b]
                for axis in range(3):
                    between[axis] = pairs.vector[b, axis] - pairs.vector[a, axis]
                r = np.sqrt(np.sum(between**2))
                third = _splines_at(base, r, across, turns)
                turns /= r
                offset, products = column[kind[i], kind[j], kind[k]] + third, legs[int(kind[j] != kind[k])]
                for m in range(max(0, -starts[a]), min(4, leg.number - starts[a])):
                    for n in range(max(0, -starts[b]), min(4, leg.number - starts[b])):
                        place = offset + products[starts[a] + m, starts[b] + n] * base.number
                        both = values[a, m] * values[b, n]
                        by_first, by_second = slopes[a, m] * values[b, n], values[a, m] * slopes[b, n]
                        for o in range(max(0, -third), min(4, base.number - third)):
                            rows.energy[place + o] += both * across[o]
                            _add(rows, i, j, pairs.vector[a], by_first * across[o], place + o)
                            _add(rows, i, k, pairs.vector[b], by_second * across[o], place + o)
                            _add(rows, j, k, between, both * turns[o], place + o)


@_fast
def _splines_at(splines, r, values, slopes):  # type: ignore[no-untyped-def]
    """The four cubic B-splines around r and their derivatives; the index of the first of them among those in use.

    Below the first knot and beyond the last all four are zero.

    Source: de Boor, A Practical Guide to Splines (1978), chapter X, eq. 4 and 12.
    """
    knots = splines.knots
    values[:] = 0.0
    slopes[:] = 0.0
    if r < knots[0] or r >= knots[-1]:
        return 0
    first = min(int((r - knots[0]) / (knots[4] - knots[3])), len(knots) - 8)
    values[3] = 1.0
    for degree in range(1, 4):
        if degree == 3:
            for n in range(4):
                low = values[n] / (knots[first + n + 3] - knots[first + n]) if n > 0 else 0.0
                high = values[n + 1] / (knots[first + n + 4] - knots[first + n + 1]) if n < 3 else 0.0
                slopes[n] = 3.0 * (low - high)
        for n in range(3 - degree, 4):
            begin = first + n
            low, high = 0.0, 0.0
            if n > 3 - degree:
                low = (r - knots[begin]) / (knots[begin + degree] - knots[begin]) * values[n]
            if n < 3:
                high = (knots[begin + degree + 1] - r) / (knots[begin + degree + 1] - knots[begin + 1]) * values[n + 1]
            values[n] = low + high
    return first - splines.first


@_fast
def _add(rows, i, j, vector, slope, where):  # type: ignore[no-untyped-def]
    """Add what a derivative by a distance, divided by it, gives to two atoms and to the virial (Voigt order)."""
    for axis in range(3):
        force = slope * vector[axis]
        rows.forces[3 * i + axis, where] += force
        rows.forces[3 * j + axis, where] -= force
        rows.virial[axis, where] += force * vector[axis]
    rows.virial[3, where] += slope * vector[1] * vector[2]
    rows.virial[4, where] += slope * vector[0] * vector[2]
    rows.virial[5, where] += slope * vector[0] * vector[1]
