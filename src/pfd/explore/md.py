"""Molecular dynamics with an ASE calculator: NVE, NVT (Langevin, Bussi) and NPT (Martyna-Tobias-Klein)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from pfd.errors import DataError, ModelError, TaskFailed
from pfd.explore.checks import Baseline, State, standard_checks
from pfd.explore.settings import MDSettings
from pfd.explore.trajectory import Conditions, Recorder, Trajectory
from pfd.explore.velocities import set_velocities, start_temperature, stored_temperature
from pfd.frames import frame_id, is_bulk, without_labels
from pfd.memory import out_of_memory
from pfd.units import BOLTZMANN_EV_PER_K, pressure_from_GPa

if TYPE_CHECKING:
    from ase import Atoms
    from ase.calculators.calculator import Calculator


def run_md(
    start: Atoms,
    calculator: Calculator,
    settings: MDSettings,
    *,
    temperature_K: float,
    pressure_GPa: float | None = None,
    seed: int = 0,
    progress: Callable[[float, str], None] | None = None,
    name: str = "",
    group: str | None = None,
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
        reference = max(temperature_K, 0.5 * (hot + (stored or 0.0)))
        baseline = Baseline(atoms, energy, temperature_K, reference, degrees)
        checks = standard_checks(settings.stop, baseline)
        conditions = Conditions(name, temperature_K, pressure_GPa or 0.0, group)
        recorder = Recorder(start, settings, conditions, checks, progress)
        dynamics = _dynamics(atoms, settings, temperature_K, pressure_GPa or 0.0, generator)
        _run(dynamics, atoms, degrees, settings.steps, recorder)
    return recorder.trajectory()


def trajectory_name(
    start: Atoms, settings: MDSettings, temperature_K: float, pressure_GPa: float | None, seed: int
) -> str:
    """A name that tells runs apart: start, ensemble, conditions, seed."""
    pressure = "" if pressure_GPa is None else f"-{pressure_GPa:g}GPa"
    return f"{frame_id(start)}-{settings.ensemble}-{temperature_K:g}K{pressure}-{seed}"


def degrees_of_freedom(atoms: Atoms) -> int:
    """Degrees of freedom of the motion; without constraints the centre of mass rests and is not counted.

    Raises:
        DataError: if nothing can move.
    """
    degrees = int(atoms.get_number_of_degrees_of_freedom()) - (0 if atoms.constraints else 3)
    if degrees <= 0:
        raise DataError(
            "nothing can move in this structure",
            where=f"frame {frame_id(atoms)} ({len(atoms)} atoms)",
            hint="use a supercell, or free some atoms",
        )
    return degrees


def require_bulk(atoms: Atoms, settings: MDSettings) -> None:
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
    atoms: Atoms, settings: MDSettings, temperature_K: float, pressure_GPa: float, generator: np.random.Generator
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


MODEL_FAILURES = (
    ArithmeticError,
    LookupError,
    MemoryError,
    RuntimeError,
    ValueError,
    TaskFailed,
)
"""What a model, or the search for neighbours, raises on a frame that makes no sense; torch raises RuntimeError for
almost everything, ASE's CalculatorError is one too, numpy's LinAlgError is a ValueError."""


def _run(
    dynamics: Any,
    atoms: Atoms,
    degrees: int,
    steps: int,
    recorder: Recorder,
) -> None:
    """Let the recorder see each step; a model that answered at the start and fails later ends the run.

    Raises:
        RuntimeError, MemoryError: if memory ran out with a sane frame: that is the machine's fault.
        NotImplementedError: if the model lacks what the dynamics asks of it.
    """
    answered = False
    try:
        for _ in dynamics.irun(steps):
            if not recorder.see(_state(dynamics.nsteps, atoms, degrees)):
                return
            answered = True
    except NotImplementedError:
        raise
    except MODEL_FAILURES as error:
        if not answered or (out_of_memory(error) and _sane(recorder, atoms, dynamics.nsteps, degrees)):
            raise
        reason = (str(error).splitlines() or [""])[0] or type(error).__name__
        recorder.stop(f"the model failed after step {dynamics.nsteps}: {reason}")


def _sane(recorder: Recorder, atoms: Atoms, step: int, degrees: int) -> bool:
    """Whether the checks find nothing wrong with positions and velocities (there are no forces to look at)."""
    temperature = 2.0 * float(atoms.get_kinetic_energy()) / (degrees * BOLTZMANN_EV_PER_K)
    try:
        return recorder.problem(State(step, atoms, recorder.energy, temperature)) is None
    except MODEL_FAILURES:
        return False


def _state(step: int, atoms: Atoms, degrees: int) -> State:
    forces = atoms.get_forces(apply_constraint=False)
    return State(
        step=step,
        frame=atoms,
        energy=float(atoms.get_potential_energy()),
        temperature_K=2.0 * float(atoms.get_kinetic_energy()) / (degrees * BOLTZMANN_EV_PER_K),
        max_force=float(np.linalg.norm(forces, axis=1).max()),
    )
