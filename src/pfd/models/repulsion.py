"""The nuclear repulsion that a student gets at distances below all those it was fitted to."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations_with_replacement
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
from jaxtyping import Float

from pfd.errors import ModelError
from pfd.frames import Labels
from pfd.frames.neighbours import pairs_within
from pfd.voigt import to_voigt

if TYPE_CHECKING:
    from ase import Atoms

    from pfd.lammps.session import LammpsPotential

Distances = Float[np.ndarray, "pairs"]
Ranges = Mapping[str, tuple[float, float]]
"""``Si-Si`` -> where the repulsion of the pair begins to be switched off and where it has vanished, Å."""

FILE = "repulsion.json"
"""Where families keep it whose own files have no place for it."""
INNER = 0.6
"""Where the switch begins, as a part of where it ends: the slope of the full repulsion goes over into none without a
step that MD would feel."""
COULOMB_EV_A = 14.399645
"""Energy of two unit charges 1 Å apart, eV (the value of LAMMPS' metal units)."""
SCREENING_A, SCREENING_POWER = 0.46850, 0.23
SCREENING = ((0.18175, 3.19980), (0.50986, 0.94229), (0.28022, 0.40290), (0.02817, 0.20162))
"""Factors and decays of the screening's four exponentials."""


class _Value(NamedTuple):
    """A function of the distance, with its first two derivatives."""

    value: Distances
    slope: Distances
    curvature: Distances


class Repulsion:
    """Screened nuclear repulsion (ZBL), for each pair of elements switched off within a range of its own.

    The same function as ``pair_style zbl`` of LAMMPS: energy, force and its derivative are zero at the outer end.

    Args:
        elements: chemical symbols, in the order of LAMMPS' types.
        ranges_A: see ``Ranges``; one entry for each pair of the elements, or none: no repulsion.

    Source: Ziegler, Biersack and Littmark, The Stopping and Range of Ions in Matter (1985); the switch: LAMMPS'
    documentation of ``pair_style zbl``.
    """

    def __init__(self, elements: Sequence[str], ranges_A: Ranges) -> None:
        self.elements, self.ranges_A = tuple(elements), dict(ranges_A)

    def labels(self, frame: Atoms) -> Labels:
        """Energy (eV), forces (eV/Å) and, of a bulk frame, stress (eV/Å^3) of the repulsion alone.

        Raises:
            ModelError: if a frame has an element that is not among these.
        """
        from ase.data import atomic_numbers

        forces, virial, energy = np.zeros((len(frame), 3)), np.zeros((3, 3)), 0.0
        pairs = pairs_within(frame, max((outer for _, outer in self.ranges_A.values()), default=0.0))
        kinds = self._kinds(frame) if self.ranges_A else np.zeros(len(frame), dtype=int)
        for first, second in combinations_with_replacement(range(len(self.elements)), 2) if len(pairs.first) else ():
            one, two = kinds[pairs.first], kinds[pairs.second]
            ours = ((one == first) & (two == second)) | ((one == second) & (two == first))
            symbols = self.elements[first], self.elements[second]
            inner, outer = self.ranges_A[pair_key(*symbols)]
            ours &= pairs.distance < outer
            distance = pairs.distance[ours]
            if not len(distance):
                continue
            charges = atomic_numbers[symbols[0]], atomic_numbers[symbols[1]]
            values, slopes = switched(distance, charges, inner, outer)
            pulls = (slopes / distance)[:, None] * pairs.vector[ours]  # of the second atom on the first
            energy += 0.5 * float(values.sum())  # each pair is there twice
            np.add.at(forces, pairs.first[ours], pulls)
            virial += 0.5 * pairs.vector[ours].T @ pulls
        stress = to_voigt(virial / abs(float(frame.cell.volume))) if frame.pbc.all() else None
        return Labels(energy, forces, stress)

    def _kinds(self, frame: Atoms) -> np.ndarray:
        unknown = sorted({*frame.get_chemical_symbols()} - {*self.elements})
        if unknown:
            have = ", ".join(self.elements)
            raise ModelError(f"the model does not know {', '.join(unknown)}", hint=f"it was fitted for {have}")
        return np.array([self.elements.index(symbol) for symbol in frame.get_chemical_symbols()], dtype=int)

    def added_to(self, labels: Labels, frame: Atoms) -> Labels:
        """What a model says of a frame, and the repulsion."""
        own = self.labels(frame)
        stress = labels.stress if labels.stress is None or own.stress is None else labels.stress + own.stress
        return replace(
            labels,
            energy=float(labels.energy or 0.0) + float(own.energy or 0.0),
            forces=np.asarray(labels.forces) + np.asarray(own.forces),
            stress=stress,
        )

    def write(self, folder: Path) -> None:
        """Leave it in a model folder, if there is any."""
        if not self.ranges_A:
            return
        content = {"elements": self.elements, "ranges_A": self.ranges_A}
        (folder / FILE).write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """What stands in a model folder; a repulsion of no range if nothing does.

        Raises:
            ModelError: if the file is damaged.
        """
        path = folder / FILE
        if not path.is_file():
            return cls((), {})
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            ranges = {str(key): (float(inner), float(outer)) for key, (inner, outer) in content["ranges_A"].items()}
            elements = tuple(map(str, content["elements"]))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError("not a repulsion that this version can read", where=str(path)) from error
        if set(ranges) != set(all_pairs(elements)):
            raise ModelError("the repulsion lacks a pair of its elements", where=str(path))
        return cls(elements, ranges)

    def push(self, pair: str, distance_A: float) -> float:
        """How the nuclei of one pair alone repel each other, eV/Å."""
        from ase.data import atomic_numbers

        inner, outer = self.ranges_A[pair]
        if distance_A >= outer:
            return 0.0
        one, two = (atomic_numbers[symbol] for symbol in pair.split("-"))
        return -float(switched(np.array([distance_A]), (one, two), inner, outer)[1][0])

    def on_top_of(self, potential: LammpsPotential) -> LammpsPotential:
        """A pair style and this repulsion together: ``hybrid/overlay``, with one ``zbl`` for each range."""
        from ase.data import atomic_numbers

        spans = list(dict.fromkeys(self.ranges_A.values()))
        if not spans:
            return potential
        coefficients = []
        for first, second in combinations_with_replacement(range(len(self.elements)), 2):
            symbols = self.elements[first], self.elements[second]
            number = f" {spans.index(self.ranges_A[pair_key(*symbols)]) + 1}" if len(spans) > 1 else ""
            charges = " ".join(str(atomic_numbers[symbol]) for symbol in symbols)
            coefficients.append(f"{first + 1} {second + 1} zbl{number} {charges}")
        return potential.with_overlay([f"zbl {inner!r} {outer!r}" for inner, outer in spans], coefficients)


def all_pairs(elements: Sequence[str]) -> list[str]:
    """The names of all pairs of elements."""
    return [pair_key(*pair) for pair in combinations_with_replacement(elements, 2)]


def pair_key(first: str, second: str) -> str:
    """The name of a pair of elements, such as ``C-Si``."""
    return "-".join(sorted((first, second)))


def ranges_of_frames(
    frames: Sequence[Atoms], elements: Sequence[str], cutoff_A: float
) -> dict[str, tuple[float, float]]:
    """The range of each pair: it ends at the shortest distance in the frames, so that nothing changes for them.

    Two elements that never meet within the cutoff (Å) repel up to the sum of their covalent radii.

    Radii: Cordero et al., Dalton Trans. 2008, 2832 (as in ``ase.data``).
    """
    from ase.data import atomic_numbers, covalent_radii

    found: dict[str, float] = {}
    for frame in frames:
        symbols = np.array(frame.get_chemical_symbols())
        pairs = pairs_within(frame, cutoff_A)
        order = np.argsort(pairs.distance, kind="stable")
        names = np.char.add(np.char.add(symbols[pairs.first], "-"), symbols[pairs.second])[order]
        for name, index in zip(*np.unique(names, return_index=True), strict=True):
            key = pair_key(*str(name).split("-"))
            found[key] = min(found.get(key, np.inf), float(pairs.distance[order][index]))
    for first, second in combinations_with_replacement(elements, 2):
        radii = sum(float(covalent_radii[atomic_numbers[symbol]]) for symbol in (first, second))
        found.setdefault(pair_key(first, second), min(radii, cutoff_A))
    ends = {key: np.floor(1000.0 * outer) / 1000.0 for key, outer in sorted(found.items())}
    return {key: (round(INNER * outer, 3), float(outer)) for key, outer in ends.items()}


def switched(
    distance: Distances, charges: tuple[float, float], inner_A: float, outer_A: float
) -> tuple[Distances, Distances]:
    """The energy of two nuclei, eV, and its derivative by their distance, eV/Å; distances below the outer one, Å."""
    bare = _bare(distance, charges)
    end = _bare(np.array([outer_A]), charges)
    value, slope, curvature = (float(part[0]) for part in end)
    width = outer_A - inner_A
    cubic = (-3.0 * slope + width * curvature) / width**2
    quartic = (2.0 * slope - width * curvature) / width**3
    offset = -value + width * slope / 2.0 - width**2 * curvature / 12.0
    beyond = np.clip(distance - inner_A, 0.0, None)
    energy = bare.value + offset + cubic / 3.0 * beyond**3 + quartic / 4.0 * beyond**4
    return energy, bare.slope + cubic * beyond**2 + quartic * beyond**3


def _bare(distance: Distances, charges: tuple[float, float]) -> _Value:
    """The repulsion without its switch: eV, eV/Å, eV/Å^2."""
    radius = SCREENING_A / (charges[0] ** SCREENING_POWER + charges[1] ** SCREENING_POWER)
    strength = COULOMB_EV_A * charges[0] * charges[1]
    parts = [(factor * np.exp(-decay * distance / radius), decay / radius) for factor, decay in SCREENING]
    screen, first, second = (sum(part * (-rate) ** power for part, rate in parts) for power in range(3))
    return _Value(
        strength * screen / distance,
        strength * (first / distance - screen / distance**2),
        strength * (second / distance - 2.0 * first / distance**2 + 2.0 * screen / distance**3),
    )
