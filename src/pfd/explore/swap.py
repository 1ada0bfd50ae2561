"""Swap Monte Carlo: dynamics in which unlike atoms now and then exchange places, for alloys and disordered sites."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from pfd.errors import DataError
from pfd.explore.settings import GridSettings
from pfd.frames import frame_id
from pfd.units import BOLTZMANN_EV_PER_K

if TYPE_CHECKING:
    from ase import Atoms

    from pfd.explore.job import Job
    from pfd.explore.trajectory import Trajectory


class SwapSettings(GridSettings):
    """Langevin dynamics with Metropolis swaps: atoms find their places, which dynamics alone would take too long for.

    It runs in ASE with every model: the swaps are ours.
    """

    shaped_by: ClassVar[str] = "structures"

    method: Literal["swap"] = "swap"
    """Dynamics with swaps of unlike atoms."""
    ensemble: Literal["nvt"] = "nvt"
    """Fixed cell, a bath: what Metropolis' rule supposes."""
    swap_every: int = Field(default=10, ge=1)
    """Time steps between two attempts: long enough for the neighbours to make room for the last one."""

    def require(self, frame: Atoms) -> None:
        """See ``Explorer.require``."""
        super().require(frame)
        if len(_exchangeable(frame)[1]) < 2:
            raise DataError(
                "there are no two elements to swap",
                where=f"frame {frame_id(frame)} ({frame.symbols.formula.format('hill')})",
                hint="use method: md, or free atoms of another element",
            )

    def citations(self) -> list[str]:
        """See ``Explorer.citations``."""
        return [*super().citations(), "N. Metropolis et al., J. Chem. Phys. 21, 1087 (1953), doi:10.1063/1.1699114"]

    def run(self, job: Job) -> Trajectory:
        """Run the dynamics with swaps."""
        from pfd.explore.md import run_md

        assert job.temperature_K is not None
        self.require(job.structure)
        swap = partial(
            attempt_swap,
            every=self.swap_every,
            temperature_K=job.temperature_K,
            generator=np.random.default_rng([job.seed, 1]),
        )
        return run_md(job.structure, job.calculator(), self, **job.conditions(), **job.how(), after=swap)


def attempt_swap(dynamics: Any, *, every: int, temperature_K: float, generator: np.random.Generator) -> None:
    """Exchange the places of two unlike atoms if Metropolis' rule accepts the change of energy.

    Metropolis et al., J. Chem. Phys. 21, 1087 (1953). Momenta stay with the atoms: they are independent of places.
    """
    if dynamics.nsteps == 0 or dynamics.nsteps % every:
        return
    atoms = dynamics.atoms
    free, numbers = _exchangeable(atoms)
    one, other = generator.choice(numbers, 2, replace=False)
    pair = [int(generator.choice(free[atoms.numbers[free] == number])) for number in (one, other)]
    energy, positions = float(atoms.get_potential_energy()), atoms.positions.copy()
    swapped = positions.copy()
    swapped[pair] = positions[pair[::-1]]
    atoms.set_positions(swapped, apply_constraint=False)
    rise = float(atoms.get_potential_energy()) - energy
    if not generator.random() < np.exp(min(0.0, -rise / (BOLTZMANN_EV_PER_K * temperature_K))):
        atoms.set_positions(positions, apply_constraint=False)


def _exchangeable(atoms: Atoms) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the atoms that no ``FixAtoms`` holds, and the atomic numbers among them."""
    from ase.constraints import FixAtoms

    fixed = [constraint.get_indices() for constraint in atoms.constraints if isinstance(constraint, FixAtoms)]
    free = np.setdiff1d(np.arange(len(atoms)), np.concatenate(fixed) if fixed else np.array([], dtype=int))
    return free, np.unique(atoms.numbers[free])
