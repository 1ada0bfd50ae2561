"""A pair potential in a few radial functions: small enough to be exact, fast enough to run the loop in seconds."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from ase.calculators.calculator import Calculator, all_changes
from jaxtyping import Float, Int

from pfd.frames import Labels
from pfd.frames.neighbours import Pairs, pairs_within
from pfd.voigt import to_voigt

if TYPE_CHECKING:
    from ase import Atoms

CUTOFF_A = 5.5
# Morse potential of copper: Girifalco & Weizer, Phys. Rev. 114, 687 (1959), table I.
MORSE_DEPTH_EV, MORSE_ALPHA_PER_A, MORSE_R0_A = 0.3429, 1.3588, 2.866

RadialFunctions = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Distances (pairs,) in Å -> values and derivatives, each (pairs, functions), in eV and eV/Å."""


def gaussians(count: int) -> RadialFunctions:
    """Gaussians of equal width between 1.5 Å and the cutoff, each brought smoothly to zero at the cutoff."""
    centres = np.linspace(1.5, CUTOFF_A, count)
    width = 1.2 * (centres[1] - centres[0])

    def functions(r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        scaled = (r[:, None] - centres) / width
        value = np.exp(-0.5 * scaled**2)
        return _cut(r, value, -value * scaled / width)

    return functions


def morse(strength: float = 1.0) -> RadialFunctions:
    """The Morse potential D (exp(-2 a (r - r0)) - 2 exp(-a (r - r0))) times a strength, cut off smoothly."""

    def functions(r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        e = np.exp(-MORSE_ALPHA_PER_A * (r - MORSE_R0_A))[:, None]
        depth = strength * MORSE_DEPTH_EV
        return _cut(r, depth * (e**2 - 2 * e), depth * MORSE_ALPHA_PER_A * (2 * e - 2 * e**2))

    return functions


def _cut(r: np.ndarray, value: np.ndarray, slope: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x = r[:, None] / CUTOFF_A
    factor, factor_slope = (1 - x**2) ** 3, -6 * x * (1 - x**2) ** 2 / CUTOFF_A
    return value * factor, slope * factor + value * factor_slope


@dataclass(frozen=True)
class Design:
    """How energy, forces and stress of one frame depend on the coefficients.

    Attributes:
        energy: (functions,), eV per unit coefficient.
        forces: (atoms, 3, functions), eV/Å.
        stress: (6, functions), eV/Å^3, Voigt order xx yy zz yz xz xy; zeros if the frame has no volume.
    """

    energy: Float[np.ndarray, " functions"]
    forces: Float[np.ndarray, "atoms 3 functions"]
    stress: Float[np.ndarray, "6 functions"]

    def labels(self, coefficients: Float[np.ndarray, " functions"]) -> Labels:
        """The labels that these coefficients give."""
        return Labels(float(self.energy @ coefficients), self.forces @ coefficients, self.stress @ coefficients)


def pair_types(elements: Sequence[str]) -> list[tuple[str, str]]:
    """All unordered pairs of the sorted elements."""
    return list(itertools.combinations_with_replacement(sorted(elements), 2))


def _kinds(frame: Atoms, pairs: Pairs, elements: Sequence[str]) -> Int[np.ndarray, " pairs"]:
    """Which of the ``pair_types`` each pair is."""
    known = sorted(elements)
    table = np.array([[pair_types(elements).index((min(a, b), max(a, b))) for b in known] for a in known], dtype=int)
    own = np.array([known.index(symbol) for symbol in frame.get_chemical_symbols()], dtype=int)
    return np.asarray(table[own[pairs.first], own[pairs.second]])


def design(frame: Atoms, elements: Sequence[str], functions: RadialFunctions) -> Design:
    """The design of a frame: one block of radial functions per pair of elements."""
    pairs = pairs_within(frame, CUTOFF_A)
    i, D, r = pairs.first, pairs.vector, pairs.distance
    value, slope = functions(r)
    kind = _kinds(frame, pairs, elements)
    count = functions(np.array([1.0]))[0].shape[1]
    types = len(pair_types(elements))
    energy = np.zeros((types, count))
    forces = np.zeros((len(frame), 3, types, count))
    virial = np.zeros((3, 3, types, count))
    for index in range(types):
        chosen = kind == index
        energy[index] = 0.5 * value[chosen].sum(axis=0)
        pull = slope[chosen][:, None, :] * (D[chosen] / r[chosen, None])[:, :, None]
        np.add.at(forces[:, :, index], i[chosen], pull)
        virial[:, :, index] = 0.5 * np.einsum("pa,pbf->abf", D[chosen], pull)
    volume = abs(frame.cell.volume)
    stress = virial / volume if volume > 1e-9 else 0.0 * virial
    return Design(energy.ravel(), forces.reshape(len(frame), 3, -1), to_voigt(stress).reshape(6, -1))


def evaluate(
    frame: Atoms,
    elements: Sequence[str],
    functions: RadialFunctions,
    coefficients: Float[np.ndarray, " functions"],
) -> Labels:
    """``design(...).labels(coefficients)`` without the design: the functions of a pair are summed first."""
    pairs = pairs_within(frame, CUTOFF_A)
    value, slope = functions(pairs.distance)
    of_pair = coefficients.reshape(len(pair_types(elements)), -1)[_kinds(frame, pairs, elements)]
    pull = ((slope * of_pair).sum(axis=1) / pairs.distance)[:, None] * pairs.vector
    forces = np.stack([np.bincount(pairs.first, pull[:, axis], minlength=len(frame)) for axis in range(3)], axis=1)
    virial = 0.5 * pairs.vector.T @ pull
    volume = abs(frame.cell.volume)
    stress = virial / volume if volume > 1e-9 else 0.0 * virial
    return Labels(0.5 * float((value * of_pair).sum()), forces, to_voigt(stress))


class ToyCalculator(Calculator):  # type: ignore[misc]
    """ASE calculator of a toy potential: radial functions, coefficients, and a constant energy per element."""

    implemented_properties: ClassVar[list[str]] = ["energy", "forces", "stress", "free_energy"]

    def __init__(
        self,
        elements: Sequence[str],
        functions: RadialFunctions,
        coefficients: Float[np.ndarray, " functions"],
        constants_eV: dict[str, float],
    ) -> None:
        super().__init__()
        self._elements, self._functions = tuple(elements), functions
        self._coefficients, self._constants_eV = coefficients, constants_eV

    def calculate(self, atoms: Atoms = None, properties: Any = None, system_changes: Any = all_changes) -> None:
        """Fill ``results``."""
        super().calculate(atoms, properties, system_changes)
        labels = evaluate(self.atoms, self._elements, self._functions, self._coefficients)
        constant = sum(self._constants_eV.get(symbol, 0.0) for symbol in self.atoms.get_chemical_symbols())
        energy = (labels.energy or 0.0) + constant
        self.results = {"energy": energy, "free_energy": energy, "forces": labels.forces, "stress": labels.stress}
