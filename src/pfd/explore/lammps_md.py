"""The same molecular dynamics through LAMMPS, for models that have a pair style there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from pfd.errors import TaskFailed
from pfd.explore.checks import State, check_stride, standard_checks
from pfd.explore.degrees import degrees_of_freedom
from pfd.explore.md import baseline, conditions_of, require_bulk, sampling, trajectory_name
from pfd.explore.settings import DynamicsSettings
from pfd.explore.trajectory import Recorder, Trajectory
from pfd.explore.velocities import set_velocities, start_temperature, stored_temperature
from pfd.frames import without_labels

if TYPE_CHECKING:
    from ase import Atoms

    from pfd.lammps.session import LammpsPotential


def run_md_in_lammps(
    start: Atoms,
    potential: LammpsPotential,
    settings: DynamicsSettings,
    *,
    temperature_K: float,
    pressure_GPa: float | None = None,
    seed: int = 0,
    progress: Callable[[float, str], None] | None = None,
    name: str = "",
    group: str | None = None,
) -> Trajectory:
    """Run one trajectory in LAMMPS and keep its good part; arguments and result as in ``run_md``.

    The checks see every tenth step (or the largest divisor of ``every`` up to that), not every one; if LAMMPS itself
    stops, because atoms left the box for example, the run ends there and its good part is kept. The steps done are
    those up to the last one seen. Kept frames do not tell the largest force.

    Raises:
        DataError: if the structure cannot be run like this (nothing can move; npt with vacuum or constraints).
        ModelError: if the potential does not know an element.
    """
    from pfd.lammps.calculator import LammpsCalculator
    from pfd.lammps.md import run_lammps_md

    atoms = without_labels(start)
    atoms.arrays.pop("momenta", None)
    require_bulk(atoms, settings)
    degrees = degrees_of_freedom(atoms)
    atoms.calc = LammpsCalculator(potential)
    stored = stored_temperature(atoms, degrees)
    hot = start_temperature(temperature_K, stored)
    set_velocities(atoms, hot, degrees, np.random.default_rng(seed))
    start_energy = float(atoms.get_potential_energy())
    checks = standard_checks(
        settings.stop, baseline(atoms, start_energy, settings, temperature_K, hot, stored, degrees)
    )
    name = name or trajectory_name(start, settings, temperature_K, pressure_GPa, seed)
    conditions = conditions_of(settings, name, temperature_K, pressure_GPa, group)
    recorder = Recorder(start, sampling(start, settings), conditions, checks, progress)
    run = run_lammps_md(
        potential,
        without_labels(atoms),
        ensemble=settings.ensemble,
        steps=settings.steps,
        every=check_stride(settings.every),
        timestep_fs=settings.timestep_of(start),
        temperatures_K=settings.ramp() or (temperature_K,),
        pressure_GPa=pressure_GPa or 0.0,
        thermostat=settings.thermostat or "langevin",
        barostat=settings.cell or "full",
        thermostat_time_fs=settings.coupling,
        barostat_time_fs=10.0 * settings.coupling,
        seed=seed,
    )
    step = 0
    try:
        for step, frame, energy, temperature in run:
            if not recorder.see(State(step, frame, energy, temperature)):
                break
    except TaskFailed as error:
        recorder.stop(f"LAMMPS stopped after step {step}: {error.what}")
    return recorder.trajectory()
