"""Relaxed structures: the ions, the cell, or both, down to the minimum of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pfd.errors import ModelError, TaskFailed

if TYPE_CHECKING:
    from ase import Atoms

STEPS = 500
"""More steps are not taken: a structure that is not down by then is no minimum nearby."""
SMALL = 64
"""Of more atoms, the matrix that BFGS keeps takes longer than most forces; LBFGS needs none, and some more steps."""
Moves = Literal["ions", "shape", "cell"]


def relaxed(atoms: Atoms, moves: Moves, fmax_eV_per_A: float) -> Atoms:
    """A relaxed copy with the same calculator.

    Args:
        atoms: with a calculator; constraints are kept.
        moves: ``ions``; ``shape``: ions, and the cell at constant volume; ``cell``: ions and the whole cell.
        fmax_eV_per_A: the largest force at which it counts as relaxed, eV/Å; of a cell, the virial per atom, eV.

    Raises:
        TaskFailed: if it is not relaxed after ``STEPS`` steps, or ends nowhere.
        ModelError: if the cell is to move and the model gives no stress.
    """
    from ase.optimize import BFGS, LBFGS

    copy = atoms.copy()
    copy.calc = atoms.calc
    if moves != "ions":
        require_stress(copy)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        method = BFGS if len(copy) <= SMALL else LBFGS
        optimiser = method(_movable(copy, moves), logfile=None)
        done = optimiser.run(fmax=fmax_eV_per_A, steps=STEPS)
    if not np.isfinite(copy.get_potential_energy()) or not np.isfinite(copy.positions).all():
        raise TaskFailed("the relaxation ended at no finite energy", where=str(copy.symbols))
    if not done:
        largest = float(np.linalg.norm(copy.get_forces(), axis=1).max())
        raise TaskFailed(
            f"not relaxed after {STEPS} steps (largest force {largest:.2g} eV/Å)",
            where=str(copy.symbols),
            hint="raise fmax_eV_per_A, or start nearer to a minimum",
        )
    return copy


def require_stress(atoms: Atoms) -> None:
    """Refuse a model without stress.

    Raises:
        ModelError
    """
    if "stress" not in atoms.calc.implemented_properties:
        raise ModelError("the model gives no stress, which this property needs", hint="choose another model")


def _movable(atoms: Atoms, moves: Moves) -> Any:
    from ase.filters import FrechetCellFilter

    return atoms if moves == "ions" else FrechetCellFilter(atoms, constant_volume=moves == "shape")
