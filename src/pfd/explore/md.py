"""Molecular dynamics with an ASE calculator: NVE, NVT (Langevin, Bussi) and NPT (Martyna-Tobias-Klein)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from pfd.errors import DataError, ModelError
from pfd.explore.checks import Baseline, standard_checks
from pfd.explore.degrees import degrees_of_freedom
from pfd.explore.following import follow
from pfd.explore.settings import DynamicsSettings
from pfd.explore.trajectory import Conditions, Recorder, Sampling, Trajectory
from pfd.explore.velocities import set_velocities, start_temperature, stored_temperature
from pfd.frames import frame_id, is_bulk, without_labels
from pfd.units import pressure_from_GPa

if TYPE_CHECKING:
    from ase import Atoms
    from ase.calculators.calculator import Calculator


AfterStep = Callable[[Any], None]
"""Called with ASE's integrator."""


def run_md(
    start: Atoms,
    calculator: Calculator,
    settings: DynamicsSettings,
    *,
    temperature_K: float,
    pressure_GPa: float | None = None,
    seed: int = 0,
    progress: Callable[[float, str], None] | None = None,
    name: str = "",
    group: str | None = None,
    after: AfterStep | None = None,
) -> Trajectory:
    """Run one trajectory and keep its good part.

    Velocities start at twice the temperature for a relaxed crystal, and lower by what a displaced one already
    stores (see ``velocities``), without net momentum. The centre of mass rests, its three degrees of freedom are
    not counted; with fixed atoms neither holds. A failing check, or a model that no longer answers, ends the run; the
    frames before remain, without those of the last ``stop.suspect_fs``.

    Args:
        start: a structure; its labels are ignored, its constraints kept.
        calculator: energy eV, forces eV/Å, for npt stress eV/Å^3.
        settings: of the group.
        temperature_K: one temperature of the group's grid.
        pressure_GPa: one pressure of it, read by npt only; None is zero.
        seed: of velocities and thermostat; the same seed gives the same trajectory.
        progress: called with the fraction done and a text.
        name: the trajectory's name in its frames; made from the start, the conditions and the seed if empty.
        group: name of the group of exploration that the run belongs to; written into its frames.
        after: called with the integrator after each step that the checks let pass: to change the bath, or the atoms.

    Raises:
        DataError: if the structure cannot be run like this (nothing can move; npt with vacuum or constraints).
        ModelError: if npt is asked of a model without stress.
    """
    from ase.constraints import FixCom

    atoms = without_labels(start)
    atoms.arrays.pop("momenta", None)
    require_bulk(atoms, settings)
    if settings.ensemble == "npt" and "stress" not in calculator.implemented_properties:
        raise ModelError("the model gives no stress, which npt needs", hint="use ensemble nvt")
    degrees = degrees_of_freedom(atoms)
    if not atoms.constraints and settings.ensemble != "npt":
        atoms.set_constraint(FixCom())
    atoms.calc = calculator
    generator = np.random.default_rng(seed)
    name = name or trajectory_name(start, settings, temperature_K, pressure_GPa, seed)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        stored = stored_temperature(atoms, degrees)
        hot = start_temperature(temperature_K, stored)
        set_velocities(atoms, hot, degrees, generator)
        energy = float(atoms.get_potential_energy())
        checks = standard_checks(settings.stop, baseline(atoms, energy, settings, temperature_K, hot, stored, degrees))
        conditions = conditions_of(settings, name, temperature_K, pressure_GPa, group)
        recorder = Recorder(start, sampling(start, settings), conditions, checks, progress)
        dynamics = _dynamics(atoms, settings, temperature_K, pressure_GPa or 0.0, generator)
        each = None if after is None else partial(after, dynamics)
        follow(dynamics.irun(settings.steps), lambda: int(dynamics.nsteps), atoms, recorder, degrees, each)
    return recorder.trajectory()


def sampling(start: Atoms, settings: DynamicsSettings) -> Sampling:
    """Which steps of the run are kept."""
    return Sampling(
        steps=settings.steps,
        every=settings.every,
        equilibration=settings.equilibration,
        suspect_steps=settings.stop.suspect_fs / settings.timestep_of(start),
        onset_frames=settings.stop.onset_frames,
    )


def conditions_of(
    settings: DynamicsSettings, name: str, temperature_K: float, pressure_GPa: float | None, group: str | None
) -> Conditions:
    """What the run's frames say of it: no one temperature if the bath moves, a pressure in npt only."""
    temperature = None if settings.ramp() else temperature_K
    return Conditions(name, temperature, pressure_GPa or 0.0 if settings.ensemble == "npt" else None, group)


def baseline(
    atoms: Atoms,
    energy: float,
    settings: DynamicsSettings,
    temperature_K: float,
    hot_K: float,
    stored_K: float | None,
    degrees: int,
) -> Baseline:
    """What a run is compared with: a start at a temperature, or the hottest that its bath will have."""
    hottest = max(settings.ramp() or (temperature_K,))
    return Baseline(
        frame=atoms,
        energy=energy,
        temperature_K=hottest,
        reference_K=max(hottest, 0.5 * (hot_K + (stored_K or 0.0))),
        degrees=degrees,
        timestep_fs=settings.timestep_of(atoms),
        hotter_than_bath=stored_K is None or stored_K > 2.0 * hottest,
    )


def trajectory_name(
    start: Atoms, settings: DynamicsSettings, temperature_K: float, pressure_GPa: float | None, seed: int
) -> str:
    """A name that tells runs apart: start, ensemble, conditions, seed."""
    pressure = "" if pressure_GPa is None else f"-{pressure_GPa:g}GPa"
    return f"{frame_id(start)}-{settings.ensemble}-{temperature_K:g}K{pressure}-{seed}"


def require_bulk(atoms: Atoms, settings: DynamicsSettings) -> None:
    """Refuse constant pressure where it has no meaning.

    Raises:
        DataError: if npt is asked of a structure with vacuum, a direction that is not periodic, or constraints.
    """
    if settings.ensemble != "npt":
        return
    where = f"frame {frame_id(atoms)}"
    if not is_bulk(atoms):
        raise DataError(
            "constant pressure needs a structure that is periodic in all directions and has no vacuum",
            where=where,
            hint="use ensemble nvt for slabs, wires, molecules and clusters",
        )
    if atoms.constraints:
        raise DataError("constant pressure with fixed atoms is not defined", where=where, hint="use ensemble nvt")


def _dynamics(
    atoms: Atoms, settings: DynamicsSettings, temperature_K: float, pressure_GPa: float, generator: np.random.Generator
) -> Any:
    """The ASE integrator of an ensemble.

    Langevin: Vanden-Eijnden and Ciccotti, Chem. Phys. Lett. 429, 310 (2006), eq. 23. Bussi, Donadio, Parrinello,
    J. Chem. Phys. 126, 014101 (2007). MTK: Martyna, Tobias, Klein, J. Chem. Phys. 101, 4177 (1994).

    MTK counts 3N degrees of freedom; the target is scaled by (N - 1)/N because the centre of mass rests.
    """
    from ase import units
    from ase.md.bussi import Bussi
    from ase.md.langevin import Langevin
    from ase.md.nose_hoover_chain import MTKNPT, IsotropicMTKNPT
    from ase.md.verlet import VelocityVerlet

    step = settings.timestep_of(atoms) * units.fs
    coupling = settings.coupling * units.fs
    if settings.ensemble == "nve":
        return VelocityVerlet(atoms, step)
    if settings.ensemble == "npt":
        integrator = IsotropicMTKNPT if settings.cell == "isotropic" else MTKNPT
        return integrator(
            atoms,
            step,
            temperature_K=temperature_K * (len(atoms) - 1) / len(atoms),
            pressure_au=pressure_from_GPa(pressure_GPa),
            tdamp=coupling,
            pdamp=10.0 * coupling,
        )
    if settings.thermostat == "bussi":
        return Bussi(atoms, step, temperature_K=temperature_K, taut=coupling, rng=generator)
    return Langevin(atoms, step, temperature_K=temperature_K, friction=1.0 / coupling, fixcm=False, rng=generator)
