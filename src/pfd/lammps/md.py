"""Molecular dynamics in LAMMPS: NVE, NVT and NPT runs of a frame that give back stored frames one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from pfd.errors import DataError, SettingError
from pfd.lammps.session import LammpsPotential, LammpsSession

if TYPE_CHECKING:
    from ase import Atoms

Ensemble = Literal["nve", "nvt", "npt"]
Thermostat = Literal["langevin", "bussi"]
Barostat = Literal["full", "isotropic"]

BAR_PER_GPA = 1.0e4


class StoredFrame(NamedTuple):
    """One stored frame of a trajectory."""

    step: int
    """Steps since the start; the starting frame, step 0, is stored too."""
    frame: Atoms
    """Positions (not wrapped), cell and velocities; no calculator; ``info`` and constraints are the start's."""
    energy: float
    """Potential energy, eV."""
    temperature_K: float
    """Instantaneous temperature of the atoms that can move; three degrees of freedom less if all can."""


def run_lammps_md(
    potential: LammpsPotential,
    frame: Atoms,
    *,
    ensemble: Ensemble,
    steps: int,
    every: int,
    timestep_fs: float = 1.0,
    temperatures_K: Sequence[float] = (300.0,),
    pressure_GPa: float = 0.0,
    thermostat: Thermostat = "langevin",
    barostat: Barostat = "full",
    thermostat_time_fs: float = 100.0,
    barostat_time_fs: float = 1000.0,
    seed: int = 0,
) -> Iterator[StoredFrame]:
    """Run MD from a frame and its momenta, yielding the start and then each ``every``-th step.

    Nothing runs ahead of the reader: who stops reading stops the run. The same arguments give the same frames.

    Args:
        potential: what moves the atoms.
        frame: where to start; its momenta are the velocities; atoms in ``FixAtoms`` stay where they are.
        ensemble: ``nve``; ``nvt`` with the thermostat named; ``npt``: Nosé-Hoover chains on particles and cell,
            Martyna, Tobias and Klein, J. Chem. Phys. 101, 4177 (1994).
        steps: how many steps; frames are stored up to the last multiple of ``every``.
        every: steps between stored frames.
        timestep_fs: time step, fs.
        temperatures_K: target temperature, K (nvt, npt); of several, the bath goes from one to the next in stretches
            of equal length.
        pressure_GPa: target pressure, GPa, positive compresses (npt).
        thermostat: ``langevin``, or ``bussi`` (Bussi, Donadio and Parrinello, J. Chem. Phys. 126, 014101 (2007)).
        barostat: ``full`` moves all six cell parameters (crystals), ``isotropic`` the volume only (liquids, glasses).
        thermostat_time_fs: relaxation time of the thermostat, fs.
        barostat_time_fs: relaxation time of the barostat, fs.
        seed: of the thermostat's noise.

    Raises:
        SettingError: if a number makes no sense, or npt is asked of a frame that is not periodic everywhere.
        DataError: if the frame carries a constraint other than ``FixAtoms``, or any in npt.
        ModelError: if the potential does not know an element.
        TaskFailed: if LAMMPS stops (atoms lost, for example); the frames yielded before are good.
    """
    if steps < 0 or every < 1 or timestep_fs <= 0.0 or not temperatures_K or min(temperatures_K) < 0.0:
        at = ", ".join(f"{temperature:g}" for temperature in temperatures_K)
        raise SettingError(f"no MD of {steps} steps, stored every {every}, of {timestep_fs} fs at {at} K")
    if ensemble == "npt" and not frame.pbc.all():
        raise SettingError("npt needs a frame that is periodic in all directions", hint="use nvt for this frame")
    fixed = _fixed_atoms(frame)
    if ensemble == "npt" and len(fixed):
        raise DataError("npt cannot keep atoms fixed while the cell moves", hint="use nvt, or free the atoms")
    fixes = partial(
        _integrators,
        ensemble=ensemble,
        thermostat=thermostat,
        barostat=barostat,
        pressure_GPa=pressure_GPa,
        damping_ps=(thermostat_time_fs / 1000.0, barostat_time_fs / 1000.0),
        seed=seed,
    )
    commands = [*_groups(fixed, len(frame)), f"timestep {timestep_fs / 1000.0!r}"]
    ends = [*temperatures_K] if len(temperatures_K) > 1 else [temperatures_K[0]] * 2
    shares = _shares(every, steps, len(ends) - 1)
    stretches = [
        _Stretch(fixes(begin_K=begin, end_K=end), stored)
        for (begin, end), stored in zip(pairwise(ends), shares, strict=True)
    ]
    return _trajectory(potential, frame, commands, stretches)


class _Stretch(NamedTuple):
    """Steps with one set of fixes, and when frames are stored: after each of ``stored``, the last of which ends it."""

    fixes: list[str]
    stored: range


def _shares(every: int, steps: int, count: int) -> list[range]:
    """The stored steps, in so many stretches of the same length (as far as that goes)."""
    total = steps // every
    ends = [round(total * part / count) for part in range(count + 1)]
    return [range(every * (begin + 1), every * end + 1, every) for begin, end in pairwise(ends)]


def _trajectory(
    potential: LammpsPotential, frame: Atoms, commands: list[str], stretches: list[_Stretch]
) -> Iterator[StoredFrame]:
    with LammpsSession(potential, free_boundary="s") as session:
        session.place(frame)
        for command in commands:
            session.command(command)
        for number, (fixes, stored) in enumerate(stretches):
            for command in fixes:
                session.command(command)
            if number == 0:
                session.command("run 0 post no")
                yield _stored(session, 0)
            for step in stored:
                new = "yes" if step == stored.start else "no"
                ramp = f"start {stored.start - stored.step} stop {stored[-1]}"
                session.command(f"run {stored.step} pre {new} post no {ramp}")
                yield _stored(session, step)
            if number < len(stretches) - 1:
                for fix in _names(fixes):
                    session.command(f"unfix {fix}")


def _names(commands: list[str]) -> list[str]:
    """The fixes that these commands make."""
    return [command.split()[1] for command in commands if command.startswith("fix ")]


def _fixed_atoms(frame: Atoms) -> np.ndarray:
    from ase.constraints import FixAtoms

    fixed: set[int] = set()
    for constraint in frame.constraints:
        if not isinstance(constraint, FixAtoms):
            name = type(constraint).__name__
            raise DataError(f"MD in LAMMPS does not keep the constraint {name}", hint="use FixAtoms, or ASE's MD")
        fixed.update(int(index) for index in constraint.get_indices())
    return np.array(sorted(fixed), dtype=int)


def _groups(fixed: np.ndarray, atoms: int) -> list[str]:
    """Commands that name the atoms that can move and define their temperature."""
    commands = ["group mobile union all"]
    if len(fixed):
        mobile = sorted({*range(atoms)} - {*fixed.tolist()})
        commands = [
            f"group mobile id {' '.join(str(index + 1) for index in mobile)}",
            "group fixed subtract all mobile",
            "velocity fixed set 0.0 0.0 0.0",
        ]
    lost = 0 if len(fixed) else 3
    return [
        *commands,
        "compute mobile_temp mobile temp",
        f"compute_modify mobile_temp extra/dof {lost}",
        "thermo_modify temp mobile_temp",
    ]


def _integrators(
    *,
    ensemble: Ensemble,
    thermostat: Thermostat,
    barostat: Barostat,
    begin_K: float,
    end_K: float,
    pressure_GPa: float,
    damping_ps: tuple[float, float],
    seed: int,
) -> list[str]:
    """The fixes of an ensemble, from one temperature to another; LAMMPS wants a seed of at least 1."""
    start = seed % 899_999_999 + 1
    bath = f"{begin_K!r} {end_K!r} {damping_ps[0]!r}"
    if ensemble == "npt":
        pressure_bar = pressure_GPa * BAR_PER_GPA
        cell = "tri" if barostat == "full" else "iso"
        target = f"{cell} {pressure_bar!r} {pressure_bar!r} {damping_ps[1]!r}"
        return [f"fix move all npt temp {bath} {target} flip no"]
    integrator = ["fix move mobile nve"]
    if ensemble == "nve":
        return integrator
    if thermostat == "bussi":
        bath_fix = f"fix bath mobile temp/csvr {bath} {start}"
    else:
        bath_fix = f"fix bath mobile langevin {bath} {start} zero yes"
    return [*integrator, bath_fix, "fix_modify bath temp mobile_temp"]


def _stored(session: LammpsSession, step: int) -> StoredFrame:
    energy, temperature = (float(session.lammps.get_thermo(name)) for name in ("pe", "temp"))
    return StoredFrame(step, session.snapshot(), energy, temperature)
