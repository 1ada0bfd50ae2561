"""What a glass or a liquid looks like: density, radial distribution function and coordination."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pfd.errors import DataError
from pfd.frames.neighbours import pairs_within

if TYPE_CHECKING:
    from ase import Atoms

GRAM_PER_CM3 = 1.66053906660
"""Of one atomic mass unit per Å³."""
BIN_A = 0.1
SMOOTH_A = 0.1
"""Width of the Gaussian that smooths g(r) before its first minimum is looked for, Å."""


@dataclass(frozen=True)
class RadialStructure:
    """Averages over frames of one composition.

    Attributes:
        density_g_per_cm3: mass density.
        r_A: centres of the bins, Å.
        g: radial distribution function of all pairs, 1 at long distances.
        first_peak_A: distance of the highest point of g up to its first minimum, Å.
        first_minimum_A: first minimum of g after that, Å: where the first shell ends.
        coordination: mean number of neighbours within the first shell.
        coordinations: number of neighbours -> part of the atoms that have so many.
    """

    density_g_per_cm3: float
    r_A: tuple[float, ...]
    g: tuple[float, ...]
    first_peak_A: float
    first_minimum_A: float
    coordination: float
    coordinations: dict[int, float]


def radial_structure(frames: Sequence[Atoms], r_max_A: float = 6.0) -> RadialStructure:
    """Average the radial structure of frames that are periodic in all directions.

    g(r) is the number of ordered pairs in a shell over N times the density times the shell's volume (Hansen and
    McDonald, Theory of Simple Liquids, eq. 2.5.15). Images count, so ``r_max_A`` may exceed half of the cell.

    Raises:
        DataError: if there is no frame, or one without a volume.
    """
    if not frames or any(not frame.pbc.all() or frame.cell.volume < 1e-9 for frame in frames):
        raise DataError("a radial distribution needs frames that are periodic in all directions")
    edges = np.arange(0.0, r_max_A + BIN_A / 2, BIN_A)
    shells = 4.0 / 3.0 * np.pi * np.diff(edges**3)
    all_pairs = [pairs_within(frame, r_max_A) for frame in frames]
    curves = [
        np.histogram(pairs.distance, edges)[0] / (len(frame) * shells * len(frame) / frame.cell.volume)
        for frame, pairs in zip(frames, all_pairs, strict=True)
    ]
    g = np.mean(curves, axis=0)
    r = 0.5 * (edges[1:] + edges[:-1])
    peak, minimum = _first_shell(r, g)
    counts = np.concatenate(
        [
            np.bincount(pairs.first[pairs.distance < minimum], minlength=len(frame))
            for frame, pairs in zip(frames, all_pairs, strict=True)
        ]
    )
    numbers, found = np.unique(counts, return_counts=True)
    masses = [float(frame.get_masses().sum()) / frame.cell.volume for frame in frames]
    return RadialStructure(
        density_g_per_cm3=GRAM_PER_CM3 * float(np.mean(masses)),
        r_A=tuple(round(float(value), 6) for value in r),
        g=tuple(float(value) for value in g),
        first_peak_A=peak,
        first_minimum_A=minimum,
        coordination=float(counts.mean()),
        coordinations={int(n): float(c) / len(counts) for n, c in zip(numbers, found, strict=True)},
    )


def _first_shell(r: np.ndarray, g: np.ndarray) -> tuple[float, float]:
    """Distance of the first peak and of the minimum after it, Å, of the smoothed curve."""
    from scipy.ndimage import gaussian_filter1d

    smooth = gaussian_filter1d(g, SMOOTH_A / BIN_A)
    above = np.flatnonzero(smooth > 1.0)
    if len(above) == 0:
        return float(r[-1]), float(r[-1])
    index = int(above[0])
    while index + 1 < len(smooth) and smooth[index + 1] >= smooth[index]:
        index += 1
    end = index
    while end + 1 < len(smooth) and smooth[end + 1] <= smooth[end]:
        end += 1
    lowest = np.flatnonzero(smooth[index : end + 1] == smooth[end]) + index  # a crystal has a gap: take its middle
    return float(r[index]), float(r[lowest].mean())
