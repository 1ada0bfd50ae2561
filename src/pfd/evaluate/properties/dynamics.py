"""Molecular dynamics for properties: in LAMMPS where the model has a pair style there, else with its ASE calculator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from pydantic import Field

from pfd.errors import DataError, SettingError, TaskFailed
from pfd.evaluate.properties.property import Job, OfStructure
from pfd.frames import without_labels
from pfd.lammps.md import StoredFrame, run_lammps_md
from pfd.units import BOLTZMANN_EV_PER_K

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ase import Atoms

COUPLING_FS = 100.0


class Stretch(NamedTuple):
    """A part of a run."""

    ensemble: Literal["nve", "nvt"]
    steps: int
    every: int
    """Steps between stored frames."""


class OfDynamics(OfStructure):
    """A property that is measured by molecular dynamics at constant volume."""

    temperature_K: float | None = Field(default=None, gt=0)
    """Temperature, K."""
    timestep_fs: float = Field(default=1.0, gt=0, le=20)
    """Time step, fs: 1, as most solids and liquids bear; 0.5 with hydrogen, 2 for heavy elements."""
    atoms: int = Field(default=216, ge=1)
    """The structure is repeated, as near to a cube as that goes, until it has so many atoms at least."""
    steps: int = Field(default=10000, ge=10)
    """Steps that are measured: the cost of the property."""

    def require(self, structures: Mapping[str, Atoms]) -> None:
        """See ``Property.require``.

        Raises:
            DataError: if nothing could move.
        """
        structure = structures["structure"]
        if len(structure) < 2 and not structure.pbc.any():
            raise DataError("a single atom has no dynamics", where=str(structure.symbols), hint="name more atoms")

    def start(self, job: Job) -> Atoms:
        """The repeated structure with velocities of the temperature, without net momentum.

        Raises:
            SettingError: if no temperature is named.
        """
        if self.temperature_K is None:
            hint = "write temperature_K"
            raise SettingError(f"{self.kind} needs a temperature", where="temperature_K", hint=hint)
        atoms = filled(without_labels(job.structure), self.atoms)
        atoms.set_constraint()
        generator = np.random.default_rng(job.seed)
        masses = atoms.get_masses()[:, None]
        momenta = generator.standard_normal((len(atoms), 3)) * np.sqrt(masses * BOLTZMANN_EV_PER_K * self.temperature_K)
        atoms.set_momenta(momenta - masses * momenta.sum(axis=0) / masses.sum())
        return atoms

    def run(self, job: Job, atoms: Atoms, stretch: Stretch) -> Iterator[StoredFrame]:
        """Frames of a run that goes on from these atoms and their momenta; nothing runs ahead of the reader.

        Raises:
            TaskFailed: if the run blows up: the search for neighbours does not end where a position is no number.
        """
        for stored in self._frames(job, atoms, stretch):
            if not np.isfinite(stored.energy) or not np.isfinite(stored.frame.positions).all():
                raise _blown_up(stored.step)
            yield stored

    def _frames(self, job: Job, atoms: Atoms, stretch: Stretch) -> Iterator[StoredFrame]:
        assert self.temperature_K is not None
        if job.potential is not None:
            yield from run_lammps_md(
                job.potential,
                atoms,
                ensemble=stretch.ensemble,
                steps=stretch.steps,
                every=stretch.every,
                timestep_fs=self.timestep_fs,
                temperatures_K=(self.temperature_K,),
                thermostat="bussi",
                thermostat_time_fs=COUPLING_FS,
                seed=job.seed,
            )
        else:
            yield from _run_ase(job, atoms, stretch, self.temperature_K, self.timestep_fs)


class OfEquilibrium(OfDynamics):
    """A property of the equilibrium."""

    equilibration: int = Field(default=2000, ge=0)
    """Steps with a thermostat before anything is measured."""

    def equilibrated(self, job: Job) -> Atoms:
        """The start after its equilibration."""
        atoms = self.start(job)
        if self.equilibration == 0:
            return atoms
        for stored in self.run(job, atoms, Stretch("nvt", self.equilibration, self.equilibration)):
            atoms = stored.frame
        job.progress(self.equilibration / (self.equilibration + self.steps), "equilibrated")
        return atoms


def filled(frame: Atoms, atoms: int) -> Atoms:
    """Repetitions of a frame along its periodic directions until it has so many atoms, the shortest length first."""
    repeats = np.ones(3, dtype=int)
    lengths = frame.cell.lengths()
    while frame.pbc.any() and len(frame) * int(repeats.prod()) < atoms:
        repeats[int(np.argmin(np.where(frame.pbc, repeats * lengths, np.inf)))] += 1
    return frame.repeat(tuple(int(count) for count in repeats))


def _run_ase(job: Job, start: Atoms, stretch: Stretch, temperature_K: float, timestep_fs: float) -> Iterator[Any]:
    """With ASE's integrators; thermostat of Bussi, Donadio and Parrinello, J. Chem. Phys. 126, 014101 (2007)."""
    from ase import units
    from ase.constraints import FixCom
    from ase.md.bussi import Bussi
    from ase.md.verlet import VelocityVerlet

    atoms = start.copy()
    atoms.set_constraint(FixCom())
    atoms.calc = job.calculator()
    step = timestep_fs * units.fs
    dynamics: Any
    if stretch.ensemble == "nve":
        dynamics = VelocityVerlet(atoms, step)
    else:
        bath = {"taut": COUPLING_FS * units.fs, "rng": np.random.default_rng(job.seed)}
        dynamics = Bussi(atoms, step, temperature_K=temperature_K, **bath)

    def require_numbers() -> None:  # before atoms move by them
        if not np.isfinite(atoms.get_momenta()).all():
            raise _blown_up(dynamics.get_number_of_steps())

    dynamics.attach(require_numbers)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        yield _stored(0, atoms)
        for done in range(stretch.every, stretch.steps + 1, stretch.every):
            dynamics.run(stretch.every)
            yield _stored(done, atoms)


def _blown_up(step: int) -> TaskFailed:
    hint = "shorten timestep_fs, or start from a structure that the model knows"
    return TaskFailed(f"an energy, force or position is no number after {step} steps", where="dynamics", hint=hint)


def _stored(step: int, atoms: Atoms) -> StoredFrame:
    frame = atoms.copy()
    frame.set_constraint()
    return StoredFrame(step, frame, float(atoms.get_potential_energy()), kinetic_temperature(frame))


def kinetic_temperature(frame: Atoms) -> float:
    """Temperature of the velocities, K, without the three degrees of freedom of the centre of mass."""
    return 2.0 * float(frame.get_kinetic_energy()) / (max(1, 3 * len(frame) - 3) * BOLTZMANN_EV_PER_K)
