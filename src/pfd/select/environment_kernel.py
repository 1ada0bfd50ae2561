"""The inner loops of the descriptor, compiled by numba at their first use (some seconds, then kept on disk)."""
# Importing numba takes 0.3 s: only ``describe`` imports this module. Shapes and units are those of ``describe``.

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, error_model="numpy", fastmath={"nnan", "nsz", "contract"})
def all_pairs(fractional, cell, periodic, reach, cutoff, first, second, vectors):  # type: ignore[no-untyped-def]
    """Find all ordered pairs within the cutoff by trying all, sorted by the first; returns how many there are.

    Args:
        fractional: coordinates in the cell, [atoms, 3].
        cell: Å.
        periodic: 1.0 for each direction that is, 0.0 for the others.
        reach: how many lattice translations beyond the nearest image can matter, in each direction.
        cutoff: Å.
        first: output, long enough for all.
        second: output.
        vectors: output, from the first to the second, Å.
    """
    found = 0
    squared = cutoff * cutoff
    c00, c01, c02 = cell[0, 0], cell[0, 1], cell[0, 2]
    c10, c11, c12 = cell[1, 0], cell[1, 1], cell[1, 2]
    c20, c21, c22 = cell[2, 0], cell[2, 1], cell[2, 2]
    p0, p1, p2 = periodic
    r0, r1, r2 = reach
    for i in range(len(fractional)):
        for j in range(len(fractional)):
            f0 = fractional[j, 0] - fractional[i, 0]
            f1 = fractional[j, 1] - fractional[i, 1]
            f2 = fractional[j, 2] - fractional[i, 2]
            f0 -= p0 * np.rint(f0)
            f1 -= p1 * np.rint(f1)
            f2 -= p2 * np.rint(f2)
            for a in range(-r0, r0 + 1):
                for b in range(-r1, r1 + 1):
                    for c in range(-r2, r2 + 1):
                        g0, g1, g2 = f0 + a, f1 + b, f2 + c
                        x = g0 * c00 + g1 * c10 + g2 * c20
                        y = g0 * c01 + g1 * c11 + g2 * c21
                        z = g0 * c02 + g1 * c12 + g2 * c22
                        if x * x + y * y + z * z < squared and not (i == j and a == 0 and b == 0 and c == 0):
                            first[found] = i
                            second[found] = j
                            vectors[found, 0] = x
                            vectors[found, 1] = y
                            vectors[found, 2] = z
                            found += 1
    return found


@njit(cache=True)
def _rising(values):  # type: ignore[no-untyped-def]
    """The order that sorts some dozens of values; equal ones keep their places."""
    order = np.empty(len(values), np.int64)
    for i in range(len(values)):
        value, place = values[i], i
        while place > 0 and values[order[place - 1]] > value:
            order[place] = order[place - 1]
            place -= 1
        order[place] = i
    return order


@njit(cache=True, error_model="numpy", fastmath={"nnan", "nsz", "contract"})
def fill_features(begin, vectors, block, blocks, k, cutoff, network, features):  # type: ignore[no-untyped-def]
    """Write the descriptor of every atom into ``features``, which holds zeros.

    Args:
        begin: atom i owns the pairs begin[i] to begin[i + 1].
        vectors: of the pairs, to the neighbour.
        block: of the pairs, which block of X1 the neighbour's element has (negative: none).
        blocks: how many there are.
        k: neighbours that count.
        cutoff: Å.
        network: comparisons that sort k things.
        features: the output.
    """
    table = np.zeros((k, k))
    root = np.empty(k)
    filled = np.empty(blocks, np.int64)
    for i in range(len(begin) - 1):
        low = begin[i]
        own = vectors[low : begin[i + 1]]
        squared = own[:, 0] ** 2 + own[:, 1] ** 2 + own[:, 2] ** 2
        order = _rising(squared)
        filled[:] = 0
        for rank in order:
            column = block[low + rank]
            if column >= 0 and filled[column] < k:
                distance = max(np.sqrt(squared[rank]), 1e-6)
                features[i, column * k + filled[column]] = (1.0 - (distance / cutoff) ** 2) ** 2 / distance
                filled[column] += 1
        count = min(k, len(order))
        table[:] = 0.0
        for j in range(count):
            root[j] = 1.0 - squared[order[j]] / cutoff**2
            x, y, z = own[order[j], 0], own[order[j], 1], own[order[j], 2]
            for m in range(j):
                u, v, w = own[order[m], 0] - x, own[order[m], 1] - y, own[order[m], 2] - z
                value = root[j] * root[m] / np.sqrt(max(u * u + v * v + w * w, 1e-12))
                table[j, m] = value
                table[m, j] = value
        for step in range(len(network)):
            upper, lower = table[network[step, 0]], table[network[step, 1]]
            for j in range(k):
                high, small = upper[j], lower[j]
                upper[j] = max(high, small)
                lower[j] = min(high, small)
        for rank in range(k - 1):
            total = 0.0
            for j in range(k):
                total += table[rank, j]
            features[i, blocks * k + rank] = total / k
