"""Whether dynamics without a thermostat keep their energy."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from pfd.evaluate.properties.dynamics import OfEquilibrium, Stretch
from pfd.evaluate.properties.equation_of_state import curve
from pfd.evaluate.properties.property import Job, Measured

DRIFT = "drift_meV_per_atom_ps"
STORED = 200
"""Points of the total energy along the run."""


class NVEDrift(OfEquilibrium):
    """Drift of the total energy without a thermostat: the slope of a straight line through it, per atom and time.

    Forces that are not the gradient of the energy, or a time step that is too long, show here.
    """

    quantities: ClassVar[tuple[str, ...]] = (DRIFT, "fluctuation_meV_per_atom", "mean_temperature_K")
    safety: ClassVar[bool] = True

    kind: Literal["nve_drift"] = "nve_drift"
    """Drift of the total energy."""
    temperature_K: float | None = Field(default=None, gt=0)
    """Temperature, K. Default: 1.3 times the highest of the run's ``explore`` sections."""
    limits: dict[str, tuple[float, float]] = Field(default_factory=lambda: {DRIFT: (-1.0, 1.0)})
    """Name of a number -> lowest and highest value that it may have. Default: a drift of at most 1 meV/atom/ps."""

    def measure(self, job: Job) -> Measured:
        """See ``Property.measure``."""
        start = self.equilibrated(job)
        times, energies, temperatures = [], [], []
        every = max(1, self.steps // STORED)
        for stored in self.run(job, start, Stretch("nve", self.steps, every)):
            energies.append((stored.energy + float(stored.frame.get_kinetic_energy())) / len(start) * 1000.0)
            times.append(stored.step * self.timestep_fs / 1000.0)
            temperatures.append(stored.temperature_K)
            job.progress(0.2 + 0.8 * stored.step / self.steps, f"step {stored.step} of {self.steps}")
        time, energy = np.array(times), np.array(energies)
        slope, offset = np.polyfit(time, energy, 1)
        rest = energy - (slope * time + offset)
        return Measured(
            values={
                DRIFT: float(slope),
                "fluctuation_meV_per_atom": float(np.std(rest)),
                "mean_temperature_K": float(np.mean(temperatures)),
            },
            curves={"total_energy": curve(("time, ps", "total energy - start, meV/atom"), time, energy - energy[0])},
        )
