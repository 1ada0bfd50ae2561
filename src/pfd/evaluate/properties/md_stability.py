"""Whether long dynamics at a high temperature stay physical."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field, FiniteFloat

from pfd.errors import PFDError, TaskFailed
from pfd.evaluate.properties.dynamics import OfDynamics, Stretch
from pfd.evaluate.properties.equation_of_state import curve
from pfd.evaluate.properties.property import Job, Measured
from pfd.frames.neighbours import closest_contact

if TYPE_CHECKING:
    from pfd.lammps.md import StoredFrame

DONE = "part_of_steps"
CLOSE = 0.5
"""Atoms closer than this part of the sum of their covalent radii are in no matter that anyone simulates."""
HOT = 2.0
"""A thermostatted run that is hotter by this factor, beyond the fluctuation of its size, has blown up."""
EVERY = 50
MODEL_FAILURES = (ArithmeticError, LookupError, RuntimeError, ValueError, TaskFailed)
"""What a model, LAMMPS or the search for neighbours raises on a frame that makes no sense (lost atoms, for example)."""


class MDStability(OfDynamics):
    """A long run at constant volume and temperature, stopped where it blows up; the numbers say how far it got.

    It blows up if LAMMPS loses atoms or the model no longer answers, if an energy, force or position is no number, if
    the temperature is twice that of the bath, or if two atoms come closer than half the sum of their covalent radii.
    """

    quantities: ClassVar[tuple[str, ...]] = (DONE, "hottest_K", "closest_contact")
    safety: ClassVar[bool] = True

    kind: Literal["md_stability"] = "md_stability"
    """Whether long dynamics stay physical."""
    temperature_K: float | None = Field(default=None, gt=0)
    """Temperature, K. Default: 1.3 times the highest of the run's ``explore`` sections."""
    atoms: int = Field(default=512, ge=1)
    """The structure is repeated, as near to a cube as that goes, until it has so many atoms at least."""
    steps: int = Field(default=50000, ge=10)
    """Steps of the run: 50 ps with the usual time step."""
    limits: dict[str, tuple[FiniteFloat, FiniteFloat]] = Field(default_factory=lambda: {DONE: (1.0, 1.0)})
    """Name of a number -> lowest and highest value that it may have. Default: all steps must be done."""

    def measure(self, job: Job) -> Measured:
        """See ``Property.measure``; a run that blows up is a result, not a failure."""
        start = self.start(job)
        assert self.temperature_K is not None
        limit_K = HOT * self.temperature_K * (1.0 + 3.0 * float(np.sqrt(2.0 / (3 * len(start)))))
        every = min(EVERY, self.steps)
        steps, temperatures, closest, problem = [], [], 1.0, ""
        try:
            for stored in self.run(job, start, Stretch("nvt", self.steps - self.steps % every, every)):
                contact = closest_contact(stored.frame, 1.0)
                if problem := frame_problem(stored, limit_K, contact):
                    break
                steps.append(stored.step)
                temperatures.append(stored.temperature_K)
                closest = min(closest, contact)
                job.progress(stored.step / self.steps, f"step {stored.step} of {self.steps}")
        except MODEL_FAILURES as error:
            if not steps:
                raise
            words = error.what if isinstance(error, PFDError) else str(error)
            problem = f"the model failed: {(words.splitlines() or [type(error).__name__])[0]}"
        whole = self.steps - self.steps % every
        if not steps:
            raise TaskFailed(f"the start is not physical: {problem}", where=self.title(), hint="relax the structure")
        time = np.array(steps) * self.timestep_fs / 1000.0
        return Measured(
            values={DONE: steps[-1] / whole, "hottest_K": max(temperatures), "closest_contact": closest},
            curves={"temperature": curve(("time, ps", "temperature, K"), time, np.array(temperatures))},
            notes=(f"stopped after step {steps[-1]}: {problem}",) if problem else (),
        )


def frame_problem(stored: StoredFrame, limit_K: float, contact: float) -> str:
    """What is unphysical about a frame, in words."""
    if stored.temperature_K > limit_K:
        return f"the temperature rose to {stored.temperature_K:.0f} K (limit {limit_K:.0f} K)"
    if contact < CLOSE:
        return f"two atoms came as close as {contact:.2f} of the sum of their covalent radii"
    return ""
