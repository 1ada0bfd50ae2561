"""What the groups of exploration have in common, and the settings of molecular dynamics and of pools of frames."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field, model_validator

from pfd.settings import Settings

if TYPE_CHECKING:
    from ase import Atoms

    from pfd.explore.job import Job
    from pfd.explore.trajectory import Trajectory

Temperature = Annotated[float, Field(gt=0, le=20_000)]
Pressure = Annotated[float, Field(ge=-1000, le=1000)]
"""GPa; who writes more means bar or kbar."""
Index = Annotated[int, Field(ge=0)]


class StopSettings(Settings):
    """When a trajectory is ended early because the model has left the ground it knows."""

    min_distance: float = Field(default=0.5, ge=0, le=1)
    """Shortest distance allowed, as a fraction of the sum of the two covalent radii: no bond is half as long as
    its radii say."""
    max_temperature_factor: float = Field(default=5.0, gt=1)
    """Largest instantaneous temperature, as a multiple of the one asked for (wider for few atoms and for starts that
    carry more energy): heat that no thermostat gave comes from a hole in the model."""
    max_energy_rise_eV_per_atom: float = Field(default=1.0, gt=0)
    """How far the potential energy may leave that of the start, up (beyond the 3/2 kT that heat stores) or down: 1 eV
    per atom is more than melting or any phase transition takes. A melt that is cooled may lose three times as much, if
    it takes more than 100 fs to lose 1 eV."""
    min_volume_factor: float = Field(default=0.5, gt=0, le=1)
    """Smallest volume of a structure that is periodic in all directions, as a fraction of the start's: half is beyond
    any equation of state asked for here. Where there is vacuum, a run ends when a fragment has left the rest."""
    max_volume_factor: float = Field(default=2.0, ge=1)
    """Largest volume, likewise, as a multiple of the start's: twice as large is a gas, or an exploded crystal."""
    suspect_fs: float = Field(default=20.0, ge=0)
    """Frames of this last time before a stop are dropped too, fs: a few vibrations, the failure was on its way."""
    onset_frames: int = Field(default=0, ge=0)
    """So many of the last frames that the checks saw before a stop are kept nevertheless, marked as ``onset``: there a
    labeler tells the model what it did wrong. Default 0: such frames are seldom worth first-principles labels; the
    student's own MD keeps some, because its teacher labels them for nothing."""


class Explorer(Settings):
    """A group that follows the forces of a model. A method is one subclass: its settings, and ``run``."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)
    dynamics: ClassVar[bool] = False
    """Whether it shows how a model behaves when it is used: then the student's own run of it judges the student."""
    shaped_by: ClassVar[str]
    """The key that decides which structures it can start from."""

    replicas: int = Field(default=1, ge=1, le=10_000)
    """Runs from each structure at the same conditions, each with random numbers of its own."""
    structures: tuple[Index, ...] | None = Field(default=None, min_length=1)
    """Which starting structures, counted from 0; None is all."""
    with_: Literal["current", "student"] = Field(default="current", alias="with")
    """Whose forces: those of the model that explores in this loop, or of the student (once there is one)."""
    stop: StopSettings = StopSettings()
    """When a run is ended early, and what is no frame to keep."""

    @abstractmethod
    def run(self, job: Job) -> Trajectory:
        """Explore from one structure at one of the conditions."""

    def conditions(self) -> list[tuple[float | None, float | None]]:
        """Temperature (K) and pressure (GPa) of its runs; None where that means nothing."""
        return [(None, None)]

    @property
    @abstractmethod
    def most_frames(self) -> int:
        """Most frames that one run gives: fewer where a check stops it, or it has reached its goal."""

    @property
    def needs_lammps(self) -> bool:
        """Whether it can only follow a model that has a pair style in LAMMPS."""
        return False

    @property
    def needs_batch_model(self) -> bool:
        """Whether it can only follow a model that torch-sim knows."""
        return False

    @property
    def compositions(self) -> tuple[str, ...]:
        """Formulas of the structures that it makes itself; nothing if it starts from those of the input."""
        return ()

    @property
    def program(self) -> str | None:
        """The program that it needs, or None."""
        return None

    def citations(self) -> list[str]:
        """What to cite for the method with these settings."""
        return []

    def example(self, formula: str) -> Atoms:
        """A structure of one of the ``compositions``, for what can be known before the search.

        Raises:
            DataError: if the atoms find no room.
        """
        raise NotImplementedError(formula)

    def require(self, frame: Atoms) -> None:
        """Refuse a structure that it cannot start from.

        Raises:
            DataError: if it cannot.
        """


BATHS = {
    "langevin": "E. Vanden-Eijnden, G. Ciccotti, Chem. Phys. Lett. 429, 310 (2006), doi:10.1016/j.cplett.2006.07.086",
    "bussi": "G. Bussi, D. Donadio, M. Parrinello, J. Chem. Phys. 126, 014101 (2007), doi:10.1063/1.2408420",
    "mtk": "G. J. Martyna, M. L. Klein, D. J. Tobias, J. Chem. Phys. 101, 4177 (1994), doi:10.1063/1.467468",
}
"""The papers of the thermostats, and of the barostat."""


class DynamicsSettings(Explorer):
    """What all molecular dynamics has in common."""

    dynamics: ClassVar[bool] = True
    shaped_by: ClassVar[str] = "ensemble"

    ensemble: Literal["nve", "nvt", "npt"] = "nvt"
    """nvt: fixed cell, the most robust; npt: also the cell moves (bulk only); nve: neither is coupled to a bath."""
    thermostat: Literal["langevin", "bussi"] | None = None
    """Of nvt. None is langevin: it acts on each atom, so that even a small stiff crystal reaches equipartition and a
    model's local hot spots are cooled; bussi scales all velocities and leaves the dynamics almost untouched."""
    cell: Literal["full", "isotropic"] | None = None
    """How the cell moves in npt. None is full: all lengths and angles, for crystals; isotropic is for liquids and
    glasses, whose cells have no restoring force against shear."""
    timestep_fs: float | None = Field(default=None, ge=0.01, le=10)
    """Time step, fs. None is 1, or 0.5 if there is hydrogen: some ten steps for the fastest vibration."""
    coupling_fs: float | None = Field(default=None, gt=0)
    """Time constant of the thermostat of nvt and npt, fs. None is 100, a few vibrations; the barostat takes ten times
    as long."""
    steps: int = Field(ge=1)
    """Time steps of each trajectory, equilibration included."""
    every: int = Field(default=10, ge=1)
    """Steps between kept frames: closer ones are almost copies."""

    @model_validator(mode="after")
    def _of_the_ensemble(self) -> DynamicsSettings:
        if self.ensemble != "npt" and self.cell:
            raise ValueError(f"the cell moves in npt only, and the ensemble is {self.ensemble}")
        if self.ensemble != "nvt" and self.thermostat:
            raise ValueError(f"thermostat is a choice of nvt only, and the ensemble is {self.ensemble}")
        if self.ensemble == "nve" and self.coupling_fs:
            raise ValueError("coupling_fs is of a thermostat, and nve has none")
        if self.steps - self.equilibration < self.every:
            raise ValueError(
                f"no frame is kept: {self.steps} steps less {self.equilibration} of equilibration are fewer than "
                f"every {self.every}; raise steps or lower every"
            )
        return self

    @property
    def equilibration(self) -> int:
        """Steps at the beginning of which no frame is kept."""
        return 0

    def citations(self) -> list[str]:
        """Thermostat and barostat."""
        bath = "mtk" if self.ensemble == "npt" else self.thermostat or "langevin"
        return [] if self.ensemble == "nve" else [BATHS[bath]]

    @property
    def coupling(self) -> float:
        """Time constant of the thermostat, fs."""
        return 100.0 if self.coupling_fs is None else self.coupling_fs

    def timestep_of(self, frame: Atoms) -> float:
        """The time step for a frame, fs."""
        if self.timestep_fs is not None:
            return self.timestep_fs
        return 0.5 if (frame.numbers == 1).any() else 1.0

    @property
    def most_frames(self) -> int:
        """See ``Explorer.most_frames``."""
        return self.steps // self.every - self.equilibration // self.every

    def ramp(self) -> tuple[float, ...] | None:
        """Temperatures (K) that the bath goes through, in stretches of equal length; None if it stays as it is."""
        return None

    def require(self, frame: Atoms) -> None:
        """See ``Explorer.require``."""
        from pfd.explore.degrees import degrees_of_freedom
        from pfd.explore.md import require_bulk

        require_bulk(frame, self)
        degrees_of_freedom(frame)


class GridSettings(DynamicsSettings):
    """Dynamics on a grid of temperatures and pressures."""

    temperatures_K: tuple[Temperature, ...] = Field(min_length=1)
    """Temperatures, K; one trajectory each."""
    pressures_GPa: tuple[Pressure, ...] = Field(default=(0.0,), min_length=1)
    """Pressures of npt, GPa, positive compresses; one trajectory each."""
    equilibrate_steps: int | None = Field(default=None, ge=0)
    """Steps at the beginning of which no frame is kept. None is a quarter of ``steps``."""

    @model_validator(mode="after")
    def _grid(self) -> GridSettings:
        if self.ensemble != "npt" and any(self.pressures_GPa):
            raise ValueError(f"pressures_GPa act in npt only, and the ensemble is {self.ensemble}")
        for name in ("temperatures_K", "pressures_GPa", "structures"):
            refuse_twice(name, getattr(self, name) or ())
        return self

    @property
    def equilibration(self) -> int:
        """Steps at the beginning of which no frame is kept."""
        return self.steps // 4 if self.equilibrate_steps is None else self.equilibrate_steps

    def conditions(self) -> list[tuple[float | None, float | None]]:
        """See ``Explorer.conditions``."""
        pressures = self.pressures_GPa if self.ensemble == "npt" else (None,)
        return list(product(self.temperatures_K, pressures))


class MDSettings(GridSettings):
    """Molecular dynamics on a grid of structures, temperatures, pressures and replicas."""

    method: Literal["md", "lammps"] = "md"
    """md: in LAMMPS if the model has a pair style there, else in ASE. lammps: in LAMMPS, and refused if the model (of
    ``with``) has none; only before there is a student, its teacher may have to run in ASE."""

    @property
    def needs_lammps(self) -> bool:
        """See ``Explorer.needs_lammps``."""
        return self.method == "lammps"

    def run(self, job: Job) -> Trajectory:
        """Run the trajectory where the model runs."""
        if job.potential is not None:
            from pfd.explore.lammps_md import run_md_in_lammps

            return run_md_in_lammps(job.structure, job.potential, self, **job.conditions(), **job.how())
        from pfd.explore.md import run_md

        return run_md(job.structure, job.calculator(), self, **job.conditions(), **job.how())


MOST_VALUES = 1000
"""Of a grid of temperatures or pressures: each is a trajectory of every structure."""


def refuse_twice(name: str, values: Sequence[float]) -> None:
    """Refuse a grid that names a value twice, or more values than anyone means.

    Raises:
        ValueError: naming it.
    """
    if len(values) > MOST_VALUES:
        raise ValueError(f"{name} holds {len(values)} values: {MOST_VALUES} are the most that make sense")
    twice = sorted(value for value, count in Counter(values).items() if count > 1)
    if twice:
        raise ValueError(f"{name} holds {twice[0]:g} twice; for more trajectories at it write replicas")


class PoolSettings(Settings):
    """Candidates from a file instead of dynamics: active learning on frames that exist."""

    method: Literal["pool"] = "pool"
    """A pool of frames."""
    dynamics: ClassVar[bool] = False
    file: Path
    """The file; a relative path starts at the input file's folder."""
    format: str | None = None
    """Name of the format; None guesses it from the file name."""
    labels: dict[Literal["energy", "forces", "stress"], str] = Field(default_factory=dict)
    """Keys under which the file holds labels, if they are not ``energy``, ``forces``, ``stress`` or ``REF_*``."""
    max_frames: int | None = Field(default=None, ge=1)
    """Take at most this many, evenly spaced over the file; None takes all."""
