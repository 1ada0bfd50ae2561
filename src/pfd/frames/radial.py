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
FINE = 5
"""Narrower bins in each bin, in which the first peak and minimum are placed: else bonds of 2.31 and 2.39 Å are one."""
SMOOTH_A = 0.1
"""Width of the Gaussian that smooths g(r) before its first peak and minimum are looked for, Å."""


@dataclass(frozen=True)
class RadialStructure:
    """Averages over frames of one composition.

    Attributes:
        density_g_per_cm3: mass density.
        r_A: centres of the bins, Å.
        g: radial distribution function of all pairs, 1 at long distances.
        first_peak_A: distance of the highest point of g up to its first minimum, Å; of a narrow peak to some 0.003 Å.
        first_minimum_A: first minimum of g after that, Å: where the first shell ends; the middle of a gap.
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
    bins = round(r_max_A / BIN_A)
    all_pairs = [pairs_within(frame, r_max_A) for frame in frames]
    fine = np.linspace(0.0, bins * BIN_A, bins * FINE + 1)
    counted = [
        np.histogram(pairs.distance, fine)[0] * frame.cell.volume / len(frame) ** 2
        for frame, pairs in zip(frames, all_pairs, strict=True)
    ]
    volumes = np.mean(counted, axis=0)  # over the shells' volumes, these are g
    r, g = _per_shell(fine[::FINE], volumes.reshape(-1, FINE).sum(axis=1))
    peak, minimum = _first_shell(r, g, *_per_shell(fine, volumes))
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


def _per_shell(edges: np.ndarray, volumes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The shells' middles, and volumes over those of the shells."""
    return 0.5 * (edges[1:] + edges[:-1]), volumes / (4.0 / 3.0 * np.pi * np.diff(edges**3))


def _first_shell(r: np.ndarray, g: np.ndarray, fine_r: np.ndarray, fine_g: np.ndarray) -> tuple[float, float]:
    """Distance of the first peak and of the minimum after it, Å, of the smoothed curve.

    They are found in wide bins, where the noise of a few frames makes no peaks of its own, and placed in narrow ones.
    """
    from scipy.ndimage import gaussian_filter1d

    smooth = gaussian_filter1d(g, SMOOTH_A / BIN_A)
    fine = gaussian_filter1d(fine_g, SMOOTH_A / BIN_A * FINE)
    above = np.flatnonzero(smooth > 1.0)
    if len(above) == 0:
        return float(r[-1]), float(r[-1])
    index = int(above[0])
    while index + 1 < len(smooth) and smooth[index + 1] >= smooth[index]:
        index += 1
    end = index
    while end + 1 < len(smooth) and smooth[end + 1] <= smooth[end]:
        end += 1
    lowest = np.flatnonzero(smooth[index : end + 1] == smooth[end]) + index
    gap = len(lowest) > 1  # of a crystal: take its middle
    return _top(fine_r, fine, r[index]), float(r[lowest].mean()) if gap else _top(fine_r, -fine, r[end])


def _top(r: np.ndarray, curve: np.ndarray, near: float) -> float:
    """Where a curve is highest within a bin of a distance: the vertex of the parabola through its highest points."""
    there = np.flatnonzero(np.abs(r - near) < BIN_A)
    top = int(there[np.argmax(curve[there])])
    if not 0 < top < len(r) - 1:
        return float(r[top])
    before, here, after = curve[top - 1 : top + 2]
    bend = before - 2.0 * here + after
    shift = 0.5 * (before - after) / bend if bend < 0.0 else 0.0
    return float(r[top] + np.clip(shift, -0.5, 0.5) * (r[1] - r[0]))
