"""Settings of exploration: groups of molecular dynamics runs, or pools of frames that exist already."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import ConfigDict, Field, model_validator

from pfd.settings import Settings

if TYPE_CHECKING:
    from ase import Atoms

Temperature = Annotated[float, Field(gt=0)]
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
    """How far the potential energy may leave that of the start, beyond the 3/2 kT that heat stores, up or down:
    1 eV per atom is more than melting or any phase transition takes."""
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


class MDSettings(Settings):
    """Molecular dynamics on a grid of structures, temperatures, pressures and replicas."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    method: Literal["md"] = "md"
    """Molecular dynamics."""
    ensemble: Literal["nve", "nvt", "npt"] = "nvt"
    """nvt: fixed cell, the most robust; npt: also the cell moves (bulk only); nve: neither is coupled to a bath."""
    thermostat: Literal["langevin", "bussi"] | None = None
    """Of nvt. None is langevin: it acts on each atom, so that even a small stiff crystal reaches equipartition and a
    model's local hot spots are cooled; bussi scales all velocities and leaves the dynamics almost untouched."""
    temperatures_K: tuple[Temperature, ...] = Field(min_length=1)
    """Temperatures, K; one trajectory each."""
    pressures_GPa: tuple[float, ...] = Field(default=(0.0,), min_length=1)
    """Pressures of npt, GPa, positive compresses; one trajectory each."""
    cell: Literal["full", "isotropic"] | None = None
    """How the cell moves in npt. None is full: all lengths and angles, for crystals; isotropic is for liquids and
    glasses, whose cells have no restoring force against shear."""
    timestep_fs: float | None = Field(default=None, gt=0, le=10)
    """Time step, fs. None is 1, or 0.5 if there is hydrogen: some ten steps for the fastest vibration."""
    coupling_fs: float | None = Field(default=None, gt=0)
    """Time constant of the thermostat of nvt and npt, fs. None is 100, a few vibrations; the barostat takes ten times
    as long."""
    steps: int = Field(ge=1)
    """Time steps of each trajectory, equilibration included."""
    every: int = Field(default=10, ge=1)
    """Steps between kept frames: closer ones are almost copies."""
    equilibrate_steps: int | None = Field(default=None, ge=0)
    """Steps at the beginning of which no frame is kept. None is a quarter of ``steps``."""
    replicas: int = Field(default=1, ge=1)
    """Trajectories of each structure at the same conditions, with velocities of their own."""
    structures: tuple[Index, ...] | None = Field(default=None, min_length=1)
    """Which starting structures, counted from 0; None is all."""
    with_: Literal["current", "student"] = Field(default="current", alias="with")
    """Whose forces: those of the model that explores in this loop, or of the student (once there is one)."""
    stop: StopSettings = StopSettings()
    """When a trajectory is ended early."""

    @model_validator(mode="after")
    def _consistent(self) -> MDSettings:
        if self.ensemble != "npt" and any(self.pressures_GPa):
            raise ValueError(f"pressures_GPa act in npt only, and the ensemble is {self.ensemble}")
        if self.ensemble != "npt" and self.cell:
            raise ValueError(f"the cell moves in npt only, and the ensemble is {self.ensemble}")
        if self.ensemble != "nvt" and self.thermostat:
            raise ValueError(f"thermostat is a choice of nvt only, and the ensemble is {self.ensemble}")
        if self.ensemble == "nve" and self.coupling_fs:
            raise ValueError("coupling_fs is of a thermostat, and nve has none")
        for name in ("temperatures_K", "pressures_GPa", "structures"):
            values = getattr(self, name) or ()
            twice = sorted({value for value in values if values.count(value) > 1})
            if twice:
                raise ValueError(f"{name} holds {twice[0]:g} twice; for more trajectories at it write replicas")
        if self.steps - self.equilibration < self.every:
            raise ValueError(
                f"no frame is kept: {self.steps} steps less {self.equilibration} of equilibration are fewer than "
                f"every {self.every}; raise steps or lower every"
            )
        return self

    @property
    def equilibration(self) -> int:
        """Steps at the beginning of which no frame is kept."""
        return self.steps // 4 if self.equilibrate_steps is None else self.equilibrate_steps

    @property
    def coupling(self) -> float:
        """Time constant of the thermostat, fs."""
        return 100.0 if self.coupling_fs is None else self.coupling_fs

    def timestep_of(self, frame: Atoms) -> float:
        """The time step for a frame, fs."""
        if self.timestep_fs is not None:
            return self.timestep_fs
        return 0.5 if (frame.numbers == 1).any() else 1.0


class PoolSettings(Settings):
    """Candidates from a file instead of dynamics: active learning on frames that exist."""

    method: Literal["pool"] = "pool"
    """A pool of frames."""
    file: Path
    """The file; a relative path starts at the input file's folder."""
    format: str | None = None
    """Name of the format; None guesses it from the file name."""
    labels: dict[Literal["energy", "forces", "stress"], str] = Field(default_factory=dict)
    """Keys under which the file holds labels, if they are not ``energy``, ``forces``, ``stress`` or ``REF_*``."""
    max_frames: int | None = Field(default=None, ge=1)
    """Take at most this many, evenly spaced over the file; None takes all."""


GroupSettings = Annotated[MDSettings | PoolSettings, Field(discriminator="method")]
"""One group of a stage."""
