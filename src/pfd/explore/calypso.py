"""Structure search by CALYPSO: it proposes structures, the model relaxes them, it proposes the next generation."""

from __future__ import annotations

import shlex
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field, field_validator, model_validator

from pfd.errors import DataError, TaskFailed, TransientError
from pfd.explore.random_search import random_structure, symbols_of
from pfd.explore.relax import RelaxSettings, relax
from pfd.explore.settings import Explorer
from pfd.explore.trajectory import Trajectory
from pfd.frames import MODEL_ENERGY_KEY, with_origin
from pfd.program import run_program
from pfd.units import GPA_PER_EV_PER_A3

if TYPE_CHECKING:
    from ase import Atoms

    from pfd.explore.job import Job

INSTALL = "CALYPSO is licensed by its authors: http://www.calypso.cn; put calypso.x on the PATH, or name it in command"


class CalypsoSettings(Explorer):
    """Swarm search with CALYPSO (Wang, Lv, Zhu, Ma, Comput. Phys. Commun. 183, 2063 (2012)) in its split mode.

    We have never run it against the program itself, which is not to be had freely: the adapter is tested with a
    stand-in that speaks its files. CALYPSO takes no seed, so two searches differ.
    """

    shaped_by: ClassVar[str] = "formula"

    method: Literal["calypso"] = "calypso"
    """Structure search by CALYPSO."""
    formula: str
    """The formula unit, e.g. TiO2."""
    formula_units: tuple[int, int] = (1, 4)
    """Least and largest number of formula units in a cell."""
    volume_A3: float | None = Field(default=None, gt=0)
    """Volume of a formula unit, Å³. None is twice the volume of its atoms' covalent spheres."""
    min_distance: float = Field(default=0.7, gt=0, le=1.5)
    """Closest that two atoms may be, as a fraction of the sum of their covalent radii."""
    population: int = Field(default=30, ge=2)
    """Structures in a generation; the default of the program's examples."""
    generations: int = Field(default=5, ge=1)
    """Generations."""
    structures: None = None
    """None: it starts from no structure of the input."""
    replicas: int = Field(default=1, ge=1, le=10_000)
    """Searches."""
    pressure_GPa: float = 0.0
    """Pressure under which structures are relaxed, GPa."""
    steps: int = Field(default=60, ge=1)
    """Steps of relaxation of each structure, cell included."""
    every: int = Field(default=20, ge=1)
    """Steps between kept frames; the first and the last are always kept."""
    fmax_eV_per_A: float = Field(default=0.1, gt=0)
    """The largest force at which a structure counts as relaxed, eV/Å."""
    command: str = "calypso.x"
    """How the program is called; it is called once for each generation."""
    wall_time_s: float = Field(default=3600.0, gt=0)
    """Seconds after which one call is ended: proposing structures is a matter of minutes."""

    @field_validator("command")
    @classmethod
    def _words(cls, value: str) -> str:
        if not shlex.split(value):
            raise ValueError("command is empty; write for example calypso.x")
        return value

    @field_validator("formula")
    @classmethod
    def _formula(cls, value: str) -> str:
        symbols_of(value)
        return value

    @model_validator(mode="after")
    def _units(self) -> CalypsoSettings:
        if not 1 <= self.formula_units[0] <= self.formula_units[1]:
            raise ValueError("formula_units is a range, two numbers from 1 on, the smaller first")
        return self

    @property
    def compositions(self) -> tuple[str, ...]:
        """See ``Explorer.compositions``."""
        return (self.formula,)

    @property
    def program(self) -> str | None:
        """See ``Explorer.program``."""
        return shlex.split(self.command)[0]

    def example(self, formula: str) -> Atoms:
        """See ``Explorer.example``."""
        return random_structure(formula, (2.0, 3.0), 0.7, np.random.default_rng(0))

    @property
    def most_frames(self) -> int:
        """See ``Explorer.most_frames``."""
        return self.generations * self.population * (1 + ceil(self.steps / self.every))

    def citations(self) -> list[str]:
        """See ``Explorer.citations``."""
        return ["Y. Wang et al., Comput. Phys. Commun. 183, 2063 (2012), doi:10.1016/j.cpc.2012.05.008"]

    def run(self, job: Job) -> Trajectory:
        """Search.

        Raises:
            MissingError: if the program is not there.
            TaskFailed: if it ends with an error, or proposes nothing.
        """
        assert job.scratch is not None
        folder = job.scratch / "calypso"
        folder.mkdir()
        (folder / "input.dat").write_text(calypso_input(self), encoding="utf-8")
        frames: list[Atoms] = []
        stopped: list[str] = []
        total = self.generations * self.population
        for generation in range(self.generations):
            for number, start in enumerate(self._proposed(folder, generation), 1):
                name = f"{job.name}-g{generation}-{number}"
                found = _relaxed(start, self, replace(job, name=name, progress=None, pressure_GPa=self.pressure_GPa))
                write_result(folder, number, found.frames[-1] if found.frames else start, self.pressure_GPa)
                frames += found.frames
                stopped += [found.stop_reason] if found.stop_reason else []
                if job.progress is not None:
                    done = generation * self.population + number
                    job.progress(min(1.0, done / total), f"generation {generation}, structure {number}")
        finished = 2 * len(stopped) <= total
        return Trajectory(
            frames=tuple(frames),
            finished=finished,
            stop_reason=None if finished else f"most structures are not sane: {stopped[0]}",
            steps_done=total,
            mean_temperature_K=None,
            discarded=len(stopped),
        )

    def _proposed(self, folder: Path, generation: int) -> list[Atoms]:
        """Call the program and read the structures that it leaves."""
        from ase.io import read

        for old in folder.glob("POSCAR_*"):
            old.unlink()
        log = folder / f"calypso-{generation}.log"
        ended = run_program(shlex.split(self.command), folder, log, wall_time_s=self.wall_time_s, install=INSTALL)
        where = f"CALYPSO, generation {generation}"
        said = " ".join(ended.output.split()[-20:])
        if ended.timed_out or ended.killed:
            raise TransientError(f"the program was ended after {ended.seconds:.0f} s", where=where, hint=said)
        paths = sorted(folder.glob("POSCAR_*"), key=lambda path: int(path.name.removeprefix("POSCAR_")))
        if ended.code != 0 or not paths:
            what = f"it ended with code {ended.code}" if ended.code else "it proposed no structure"
            raise TaskFailed(what, where=where, hint=f"it said: {said}" if said else "look at input.dat")
        try:
            return [with_origin(read(path, format="vasp")) for path in paths]
        except (ValueError, RuntimeError, IndexError, OSError) as error:
            raise DataError(f"a structure it proposed cannot be read: {error}", where=where) from error


def _relaxed(start: Atoms, settings: CalypsoSettings, job: Job) -> Trajectory:
    relaxation = RelaxSettings(
        cell="full",
        pressures_GPa=(settings.pressure_GPa,),
        steps=settings.steps,
        every=settings.every,
        fmax_eV_per_A=settings.fmax_eV_per_A,
        stop=settings.stop,
    )
    return relax(start, job, relaxation, keep_start=True)


def calypso_input(settings: CalypsoSettings) -> str:
    """The content of ``input.dat``: volumes in Å³, distances in Å. The keys were never held against the program."""
    from ase.data import atomic_numbers, covalent_radii

    symbols = symbols_of(settings.formula)
    kinds = list(dict.fromkeys(symbols))
    numbers = [atomic_numbers[kind] for kind in kinds]
    radii = covalent_radii[numbers]
    spheres = sum(4.0 / 3.0 * np.pi * covalent_radii[atomic_numbers[symbol]] ** 3 for symbol in symbols)
    volume = settings.volume_A3 or 2.0 * float(spheres)
    distances = settings.min_distance * (radii[:, None] + radii[None])
    lines = [
        f"SystemName = {settings.formula}",
        f"NumberOfSpecies = {len(kinds)}",
        f"NameOfAtoms = {' '.join(kinds)}",
        f"AtomicNumber = {' '.join(map(str, numbers))}",
        f"NumberOfAtoms = {' '.join(str(symbols.count(kind)) for kind in kinds)}",
        f"NumberOfFormula = {settings.formula_units[0]} {settings.formula_units[1]}",
        f"Volume = {volume:.3f}",
        "@DistanceOfIon",
        *(" ".join(f"{value:.3f}" for value in row) for row in distances),
        "@End",
        "Ialgo = 2",
        "PsoRatio = 0.6",
        f"PopSize = {settings.population}",
        f"MaxStep = {settings.generations}",
        "ICode = 1",
        "NumberOfLbest = 4",
        "NumberOfLocalOptim = 1",
        "GenType = 1",
        "PickUp = F",
        "Parallel = F",
        "Split = T",
    ]
    return "\n".join(lines) + "\n"


def write_result(folder: Path, number: int, frame: Atoms, pressure_GPa: float) -> None:
    """Leave a relaxed structure where CALYPSO looks for it: ``CONTCAR_n``, and ``OUTCAR_n`` with its enthalpy.

    Of an OUTCAR it reads the lines that VASP writes for the energy, the enthalpy, the volume and the pressure. Frames
    without a model energy (they failed a check) are given one that nobody follows.
    """
    from ase.io import write

    write(folder / f"CONTCAR_{number}", frame, format="vasp", direct=True)
    volume = float(frame.cell.volume)
    energy = float(frame.info.get(MODEL_ENERGY_KEY, HOPELESS_EV))
    work = pressure_GPa / GPA_PER_EV_PER_A3 * volume
    lines = [
        f"   ions per type = {' '.join(str(count) for count in frame.symbols.formula.count().values())}",
        f"  external pressure = {10.0 * pressure_GPa:12.2f} kB  Pullay stress = {10.0 * pressure_GPa:12.2f} kB",
        f"  volume of cell : {volume:12.4f}",
        f"  free  energy   TOTEN  = {energy:18.8f} eV",
        f"  energy  without entropy= {energy:18.8f}  energy(sigma->0) = {energy:18.8f}",
        f"  enthalpy is  TOTEN    = {energy + work:18.8f} eV   P V= {work:18.8f}",
        " Voluntary context switches: 0",
    ]
    (folder / f"OUTCAR_{number}").write_text("\n".join(lines) + "\n", encoding="utf-8")


HOPELESS_EV = 1.0e4
"""Energy of a structure that came to no good, eV: above all others."""
