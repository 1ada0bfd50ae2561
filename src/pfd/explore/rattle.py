"""Rattling: thermal displacements without dynamics, as large as the model's own stiffness makes them, and strain."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from pfd.errors import DataError
from pfd.explore.checks import standing_checks
from pfd.explore.degrees import degrees_of_freedom
from pfd.explore.following import state_of
from pfd.explore.settings import Explorer, Temperature, refuse_twice
from pfd.explore.trajectory import Conditions, Recorder, Sampling, Trajectory
from pfd.frames import frame_id, without_labels
from pfd.frames.perturb import perturb
from pfd.units import BOLTZMANN_EV_PER_K

if TYPE_CHECKING:
    from ase import Atoms
    from ase.calculators.calculator import Calculator

    from pfd.explore.job import Job

PROBE_A = 0.02
"""Root mean square length of the displacements with which the stiffness is measured, Å: harmonic in any solid."""
PROBES = 2
"""How many of them: each averages over all atoms of an element already."""


class RattleSettings(Explorer):
    """Frames with displacements of a temperature: one evaluation each, where dynamics needs hundreds in between.

    They have the potential energy of that temperature, but not its correlations: neighbours move independently, so the
    forces are somewhat larger than in dynamics, and soft, collective motion is missing. Good for a first set.
    """

    shaped_by: ClassVar[str] = "structures"

    method: Literal["rattle"] = "rattle"
    """Thermal displacements."""
    temperatures_K: tuple[Temperature, ...] = Field(min_length=1)
    """Temperatures, K: by equipartition each displacement stores k T / 2."""
    frames: int = Field(default=10, ge=1)
    """Frames of each structure and temperature."""
    strain: float = Field(default=0.02, ge=0, lt=0.5)
    """Largest of the six random strains of each frame, along periodic directions: 0.02 is thermal expansion up to some
    thousand kelvin, and gives stresses to learn from."""

    @model_validator(mode="after")
    def _grid(self) -> RattleSettings:
        refuse_twice("temperatures_K", self.temperatures_K)
        return self

    def require(self, frame: Atoms) -> None:
        """See ``Explorer.require``."""
        degrees_of_freedom(frame)

    def conditions(self) -> list[tuple[float | None, float | None]]:
        """See ``Explorer.conditions``."""
        return [(temperature, None) for temperature in self.temperatures_K]

    @property
    def most_frames(self) -> int:
        """See ``Explorer.most_frames``."""
        return self.frames

    def run(self, job: Job) -> Trajectory:
        """Measure the stiffness, then displace; frames that a check objects to are left out and counted.

        Raises:
            DataError: if the structure is not stable enough for its stiffness to mean anything.
        """
        assert job.temperature_K is not None
        start, calculator = without_labels(job.structure), job.calculator()
        generator = np.random.default_rng(job.seed)
        widths = displacement_widths(start, calculator, job.temperature_K, generator)
        sampling = Sampling(self.frames, 1, may_end=True)
        conditions = Conditions(job.name, job.temperature_K, None, job.group)
        recorder = Recorder(job.structure, sampling, conditions, standing_checks(self.stop, start), job.progress)
        for number in range(1, self.frames + 1):
            (frame,) = perturb(start, 1, displacement_A=0.0, strain=self.strain, seed=int(generator.integers(2**31)))
            shift = widths[:, None] * generator.standard_normal((len(frame), 3))
            frame.set_positions(frame.positions + shift, apply_constraint=True)
            frame.calc = calculator
            recorder.sample(state_of(number, frame))
        return recorder.trajectory()


def displacement_widths(
    frame: Atoms, calculator: Calculator, temperature_K: float, generator: np.random.Generator
) -> np.ndarray:
    """Standard deviation of each Cartesian displacement of each atom, Å, that stores k T / 2.

    The stiffness k of an element is the mean of the diagonal of the force-constant matrix over its atoms, from random
    displacements u: -sum F(u)·u / sum u·u, with the forces at u = 0 taken off. (That estimate of a trace is
    Hutchinson's, Commun. Stat. Simul. Comput. 19, 433 (1990).) The width is sqrt(kB T / k), Einstein's.

    Raises:
        DataError: if an element has no positive stiffness.
    """
    forces = _forces(frame, frame.positions, calculator)
    against = np.zeros(len(frame))
    squared = np.zeros(len(frame))
    for _ in range(PROBES):
        shift = PROBE_A / np.sqrt(3.0) * generator.standard_normal((len(frame), 3))
        change = _forces(frame, frame.positions + shift, calculator) - forces
        against -= (change * shift).sum(axis=1)
        squared += (shift**2).sum(axis=1)
    widths = np.zeros(len(frame))
    for number in np.unique(frame.numbers):
        atoms = frame.numbers == number
        stiffness = against[atoms].sum() / squared[atoms].sum()
        if not stiffness > 0.0:
            symbol = frame.symbols[int(np.flatnonzero(atoms)[0])]
            raise DataError(
                f"the model finds no stiffness for {symbol}: {stiffness:.3g} eV/Å²",
                where=f"frame {frame_id(frame)}",
                hint="rattle a structure near a minimum, or explore by md",
            )
        widths[atoms] = np.sqrt(BOLTZMANN_EV_PER_K * temperature_K / stiffness)
    return widths


def _forces(frame: Atoms, positions: np.ndarray, calculator: Calculator) -> np.ndarray:
    moved = frame.copy()
    moved.set_positions(positions, apply_constraint=False)
    moved.calc = calculator
    return np.array(moved.get_forces(apply_constraint=False))
