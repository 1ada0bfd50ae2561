"""Annealing: dynamics whose bath goes through a list of temperatures, for melting, quenching and crossing barriers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from pfd.errors import SettingError
from pfd.explore.settings import DynamicsSettings, Temperature

if TYPE_CHECKING:
    from pfd.explore.job import Job
    from pfd.explore.trajectory import Trajectory


class AnnealSettings(DynamicsSettings):
    """Heat, hold and cool: ``ramp_K: [3000, 3000, 300]`` melts for half of the steps and quenches in the other half."""

    method: Literal["anneal"] = "anneal"
    """Dynamics with a ramp of temperatures."""
    ensemble: Literal["nvt", "npt"] = "nvt"
    """nvt: fixed cell; npt: also the cell moves, at ``pressure_GPa``, for models that have a pair style in LAMMPS."""
    thermostat: Literal["langevin"] | None = None
    """Of nvt. None is langevin, the only one whose temperature may move in both engines."""
    ramp_K: tuple[Temperature, ...] = Field(min_length=2)
    """Temperatures that the bath passes through, K, in stretches of equal length; between two it moves linearly."""
    pressure_GPa: float = 0.0
    """Pressure of npt, GPa."""

    @model_validator(mode="after")
    def _pressure(self) -> AnnealSettings:
        if self.ensemble != "npt" and self.pressure_GPa:
            raise ValueError(f"pressure_GPa acts in npt only, and the ensemble is {self.ensemble}")
        return self

    @property
    def needs_lammps(self) -> bool:
        """See ``Explorer.needs_lammps``."""
        return self.ensemble == "npt"

    def ramp(self) -> tuple[float, ...] | None:
        """See ``DynamicsSettings.ramp``."""
        return self.ramp_K

    def run(self, job: Job) -> Trajectory:
        """Run the trajectory where the model runs.

        Raises:
            SettingError: if npt is asked of a model that runs in ASE.
        """
        if job.potential is not None:
            from pfd.explore.lammps_md import run_md_in_lammps

            return run_md_in_lammps(
                job.structure,
                job.potential,
                self,
                temperature_K=self.ramp_K[0],
                pressure_GPa=self.pressure_GPa,
                **job.how(),
            )
        if self.ensemble == "npt":
            raise SettingError(
                "annealing at constant pressure needs a model with a pair style in LAMMPS",
                where="explore: method anneal",
                hint="use ensemble: nvt, or with: student once there is one",
            )
        from pfd.explore.md import run_md

        def follow(dynamics: Any) -> None:
            dynamics.set_temperature(temperature_K=bath_temperature(self.ramp_K, dynamics.nsteps / self.steps))

        return run_md(job.structure, job.calculator(), self, temperature_K=self.ramp_K[0], after=follow, **job.how())


def bath_temperature(ramp_K: tuple[float, ...], fraction: float) -> float:
    """The temperature of the bath, K, when a fraction (0 to 1) of the steps is done.

    >>> bath_temperature((300.0, 1000.0, 300.0), 0.25)
    650.0
    """
    return float(np.interp(fraction, np.linspace(0.0, 1.0, len(ramp_K)), ramp_K))
