"""Microseconds per atom and MD step: of ASE calculators, of LAMMPS potentials, and of the Stillinger-Weber anchor."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pfd.errors import DataError
from pfd.lammps.session import LammpsPotential, LammpsSession

if TYPE_CHECKING:
    from ase import Atoms

TEMPERATURE_K = 300.0
"""Of the timed dynamics: where students are good, and warm enough that neighbour lists are rebuilt now and then."""
LONGEST_STEP_A = 0.05
"""Atoms in the timed LAMMPS runs move no further in a step, Å: a student that fails there is timed all the same."""
STILLINGER_WEBER = """\
# Stillinger and Weber, Phys. Rev. B 31, 5262 (1985), table I and eq. 2.7: epsilon = 50 kcal/mol, sigma = 2.0951 Å
# el1 el2 el3 epsilon sigma a lambda gamma cos(theta0) A B p q tolerance
Si Si Si 2.1682 2.0951 1.80 21.0 1.20 -0.333333333333 7.049556277 0.6022245584 4.0 0.0 0.0
"""

Clock = Callable[[], float]


def timing_cell(frame: Atoms, atoms: int = 512) -> Atoms:
    """A supercell of the frame with about the given number of atoms, as near to a cube as whole repeats allow.

    Only periodic directions are repeated; velocities are drawn for 300 K from a fixed seed, without net momentum.

    Raises:
        DataError: if the frame has no atoms.
    """
    from ase import units

    if len(frame) == 0:
        raise DataError("a frame without atoms cannot be timed")
    cell = frame.copy()
    cell.set_constraint()
    cell.calc = None
    lengths = frame.cell.lengths()
    repeats = np.ones(3, dtype=int)
    while frame.pbc.any() and len(frame) * int(repeats.prod()) < atoms:
        shortest = int(np.argmin(np.where(frame.pbc, repeats * lengths, np.inf)))
        repeats[shortest] += 1
    cell = cell.repeat(tuple(int(count) for count in repeats))
    masses = cell.get_masses()[:, None]
    momenta = np.random.default_rng(0).normal(size=(len(cell), 3)) * np.sqrt(masses * TEMPERATURE_K * units.kB)
    cell.set_momenta(momenta - masses * momenta.sum(axis=0) / masses.sum())
    return cell


def calculator_speed_us(
    calculator: Any,
    frame: Atoms,
    *,
    atoms: int = 512,
    steps: int = 3,
    repeats: int = 2,
    timestep_fs: float = 1.0,
    clock: Clock = time.process_time,
) -> float:
    """Time of energy and forces within velocity-Verlet steps of an ASE calculator, µs per atom and step.

    Args:
        calculator: an ASE calculator; torch, if it is loaded, is held to one thread while the clock runs.
        frame: repeated to about ``atoms`` atoms.
        atoms: see ``timing_cell``.
        steps: MD steps per measurement; one more goes before the first, not timed.
        repeats: measurements; the fastest counts, since whatever else runs can only slow one down.
        timestep_fs: time step, fs.
        clock: seconds; the default counts this process' CPU time, which on one thread is the time of an idle machine.
            Give ``time.perf_counter`` for a model on a GPU.
    """
    from ase import units
    from ase.md.verlet import VelocityVerlet

    cell = timing_cell(frame, atoms)
    cell.calc = calculator
    with _one_torch_thread():
        dynamics = VelocityVerlet(cell, timestep=timestep_fs * units.fs)
        dynamics.run(1)
        seconds = [_seconds(lambda: dynamics.run(steps), clock) for _ in range(repeats)]
    return 1e6 * min(seconds) / (steps * len(cell))


def lammps_speed_us(
    potential: LammpsPotential,
    frame: Atoms,
    *,
    atoms: int = 512,
    steps: int = 50,
    repeats: int = 3,
    timestep_fs: float = 1.0,
    clock: Clock = time.process_time,
) -> float:
    """Time of NVE steps in LAMMPS on one thread, µs per atom and step; arguments as in ``calculator_speed_us``."""
    cell = timing_cell(frame, atoms)
    with LammpsSession(potential, free_boundary="s") as session:
        session.place(cell)
        session.command(f"fix move all nve/limit {LONGEST_STEP_A}")
        session.command(f"timestep {timestep_fs / 1000.0!r}")
        session.command(f"thermo {steps}")
        session.command("run 2 post no")
        run = f"run {steps} pre no post no"
        seconds = [_seconds(lambda: session.command(run), clock) for _ in range(repeats)]
    return 1e6 * min(seconds) / (steps * len(cell))


def anchor_speed_us(*, atoms: int = 512, steps: int = 500, repeats: int = 3, clock: Clock = time.process_time) -> float:
    """The same for Stillinger-Weber silicon: the floor that makes figures of different machines comparable."""
    from ase.build import bulk

    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "Si.sw"
        file.write_text(STILLINGER_WEBER, encoding="utf-8")
        potential = LammpsPotential("sw", (f'* * "{file}" Si',), ("Si",))
        crystal = bulk("Si", "diamond", a=5.431, cubic=True)
        return lammps_speed_us(potential, crystal, atoms=atoms, steps=steps, repeats=repeats, clock=clock)


def _seconds(work: Callable[[], Any], clock: Clock) -> float:
    start = clock()
    work()
    return clock() - start


@contextmanager
def _one_torch_thread() -> Iterator[None]:
    """Hold torch to one thread, if this process has it loaded."""
    import sys

    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
