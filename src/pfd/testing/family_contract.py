"""What every model family must hold, as one function: three lines test a new one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pfd.frames import Labels
from pfd.models.family import Family

if TYPE_CHECKING:
    from ase import Atoms

Predict = Callable[["Atoms"], Labels]
STEP_A = 1e-2
"""Of finite differences, Å (and strain 1e-3): large enough for families that compute in single precision."""


def check_family(
    family: Family, folder: Path, frame: Atoms, *, energy_eV: float = 1e-4, force_eV_per_A: float = 5e-3
) -> None:
    """Hold a model to what physics and the loop ask of it.

    Energy does not change when a frame is moved, turned or renumbered, and doubles with a supercell; forces are minus
    its gradient, stress is its strain derivative; a shift of the energy per atom changes nothing else.

    Args:
        family: the family.
        folder: a model of it; it is changed (its energy is shifted, and shifted back).
        frame: bulk, displaced from its minimum, of elements that the model knows.
        energy_eV: tolerance of energies per atom.
        force_eV_per_A: tolerance of forces, and of the stress times the volume per atom.

    Raises:
        AssertionError: saying what does not hold, and by how much.
    """

    def predict(some: Atoms) -> Labels:
        return family.predict(folder, [some])[0]

    wrong = [
        *_symmetries(predict, frame, energy_eV, force_eV_per_A),
        *_derivatives(predict, frame, force_eV_per_A),
        *_shift(family, folder, predict, frame, energy_eV, force_eV_per_A),
        *_one_energy(family, folder, frame, predict(frame), energy_eV),
    ]
    assert not wrong, f"{family.name}: " + "; ".join(wrong)


def _one_energy(family: Family, folder: Path, frame: Atoms, found: Labels, energy_eV: float) -> Iterator[str]:
    """A model has no smearing: whatever its calculator calls energy is one number, and the one that it predicts."""
    copy = frame.copy()
    copy.calc = family.calculator(folder)
    energy = copy.get_potential_energy()
    for name, value in (("free_energy", copy.calc.results.get("free_energy", energy)), ("prediction", found.energy)):
        off = abs(float(energy) - float(value or 0)) / len(frame)
        if off > energy_eV:
            yield f"its calculator's energy and its {name} differ by {off:.1e} eV/atom"


def _symmetries(predict: Predict, frame: Atoms, energy_eV: float, force_eV_per_A: float) -> Iterator[str]:
    before = predict(frame)
    order = np.random.default_rng(0).permutation(len(frame))
    turned = frame.copy()
    turned.rotate(40, (1, 2, 3), rotate_cell=True)
    rotation = np.linalg.solve(frame.cell.array, turned.cell.array)
    moved = frame.copy()
    moved.positions += [0.3, -1.1, 7.7]
    forces = np.asarray(before.forces)
    cases = {
        "moved": (moved, forces),
        "turned": (turned, forces @ rotation),
        "renumbered": (frame[order], forces[order]),
    }
    for what, (changed, expected) in cases.items():
        after = predict(changed)
        off = abs(float(after.energy or 0) - float(before.energy or 0)) / len(frame)
        if off > energy_eV:
            yield f"{what}, its energy changes by {off:.1e} eV/atom"
        off = float(np.abs(np.asarray(after.forces) - expected).max())
        if off > force_eV_per_A:
            yield f"{what}, its forces change by {off:.1e} eV/Å"
    double = predict(frame.repeat((2, 1, 1)))
    off = abs(float(double.energy or 0) - 2 * float(before.energy or 0)) / (2 * len(frame))
    if off > energy_eV:
        yield f"twice the cell is off twice the energy by {off:.1e} eV/atom"


def _derivatives(predict: Predict, frame: Atoms, force_eV_per_A: float) -> Iterator[str]:
    found = predict(frame)
    forces = np.asarray(found.forces)
    for atom, axis in ((0, 0), (len(frame) // 2, 1), (len(frame) - 1, 2)):
        ends = []
        for sign in (1, -1):
            moved = frame.copy()
            moved.positions[atom, axis] += sign * STEP_A
            ends.append(float(predict(moved).energy or 0))
        off = abs(forces[atom, axis] + (ends[0] - ends[1]) / (2 * STEP_A))
        if off > force_eV_per_A:
            yield f"a force is off the gradient by {off:.1e} eV/Å"
    if found.stress is None:
        return
    strain = 0.1 * STEP_A
    for index, (i, j) in enumerate(((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))):
        ends = []
        for sign in (1, -1):
            deformation = np.eye(3)
            deformation[i, j] += sign * strain / 2
            deformation[j, i] += sign * strain / 2
            strained = frame.copy()
            strained.set_cell(frame.cell.array @ deformation, scale_atoms=True)
            ends.append(float(predict(strained).energy or 0))
        off = abs(found.stress[index] * frame.get_volume() - (ends[0] - ends[1]) / (2 * strain)) / len(frame)
        if off > force_eV_per_A:
            yield f"stress component {index} times the volume is off by {off:.1e} eV/atom"


def _shift(
    family: Family, folder: Path, predict: Predict, frame: Atoms, energy_eV: float, force_eV_per_A: float
) -> Iterator[str]:
    before = predict(frame)
    symbols = sorted(set(frame.get_chemical_symbols()))
    shift = {symbol: 1.0 + number for number, symbol in enumerate(symbols)}
    family.add_energy_shift(folder, shift)
    after = predict(frame)
    family.add_energy_shift(folder, {symbol: -value for symbol, value in shift.items()})
    again = predict(frame)
    expected = sum(shift[symbol] for symbol in frame.get_chemical_symbols())
    off = abs(float(after.energy or 0) - float(before.energy or 0) - expected) / len(frame)
    if off > energy_eV:
        yield f"an energy shift comes out wrong by {off:.1e} eV/atom"
    off = float(np.abs(np.asarray(after.forces) - np.asarray(before.forces)).max())
    if off > force_eV_per_A:
        yield f"an energy shift changes forces by {off:.1e} eV/Å"
    off = abs(float(again.energy or 0) - float(before.energy or 0)) / len(frame)
    if off > energy_eV:
        yield f"shifted and shifted back, the energy is off by {off:.1e} eV/atom"
