"""Relaxation: the way down to a minimum of the model, from a structure that was displaced at random."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from pfd.errors import DataError, ModelError
from pfd.explore.checks import standing_checks
from pfd.explore.degrees import degrees_of_freedom
from pfd.explore.following import follow
from pfd.explore.settings import Explorer, refuse_twice
from pfd.explore.trajectory import Conditions, Recorder, Sampling, Trajectory
from pfd.frames import frame_id, is_bulk, without_labels
from pfd.units import pressure_from_GPa

if TYPE_CHECKING:
    from ase import Atoms

    from pfd.explore.job import Job


class RelaxSettings(Explorer):
    """Relaxation of atoms, and of the cell if asked, by FIRE (Bitzek et al., Phys. Rev. Lett. 97, 170201 (2006))."""

    shaped_by: ClassVar[str] = "cell"

    method: Literal["relax"] = "relax"
    """Relaxation."""
    cell: Literal["fixed", "full", "isotropic"] = "fixed"
    """What the cell may do: nothing; all lengths and angles; its volume. It moves in bulk only."""
    pressures_GPa: tuple[float, ...] = Field(default=(0.0,), min_length=1)
    """Pressures under which a cell that moves is relaxed, GPa, positive compresses."""
    displacement_A: float = Field(default=0.1, ge=0, le=10)
    """Atoms are first displaced at random by this much (root mean square), Å: a symmetric structure has no forces, and
    every run would be the same."""
    fmax_eV_per_A: float = Field(default=0.05, gt=0)
    """The largest force at which a structure counts as relaxed, eV/Å; usual for geometries."""
    steps: int = Field(default=200, ge=0)
    """Most steps. A run that needs more has not failed: its frames are what was wanted. 0 keeps the start alone."""
    every: int = Field(default=10, ge=1)
    """Steps between kept frames; the last frame is always kept."""

    @model_validator(mode="after")
    def _moving(self) -> RelaxSettings:
        if self.cell == "fixed" and any(self.pressures_GPa):
            raise ValueError("pressures_GPa act on a cell that moves; write cell: full or isotropic")
        refuse_twice("pressures_GPa", self.pressures_GPa)
        return self

    def conditions(self) -> list[tuple[float | None, float | None]]:
        """See ``Explorer.conditions``."""
        return [(None, None if self.cell == "fixed" else pressure) for pressure in self.pressures_GPa]

    def require(self, frame: Atoms) -> None:
        """See ``Explorer.require``."""
        if self.cell == "fixed":
            degrees_of_freedom(frame)
            return
        where = f"frame {frame_id(frame)}"
        if not is_bulk(frame):
            hint = "write cell: fixed for slabs, wires, molecules and clusters"
            raise DataError("only the cell of a bulk structure can be relaxed", where=where, hint=hint)
        if frame.constraints:
            raise DataError("relaxing the cell with fixed atoms is not defined", where=where, hint="write cell: fixed")

    @property
    def most_frames(self) -> int:
        """See ``Explorer.most_frames``."""
        return max(1, ceil(self.steps / self.every))

    def citations(self) -> list[str]:
        """See ``Explorer.citations``."""
        return ["E. Bitzek et al., Phys. Rev. Lett. 97, 170201 (2006), doi:10.1103/PhysRevLett.97.170201"]

    def run(self, job: Job) -> Trajectory:
        """Displace, then relax."""
        from pfd.frames.perturb import perturb

        start = job.structure
        if self.displacement_A > 0:
            (start,) = perturb(start, 1, displacement_A=self.displacement_A, strain=0.0, seed=job.seed)
            start.info["structure"] = job.structure.info.get("structure")
        return relax(start, job, self)


def relax(start: Atoms, job: Job, settings: RelaxSettings, keep_start: bool = False) -> Trajectory:
    """Relax a structure and keep frames of the way.

    Args:
        start: where from; its labels are ignored, its constraints kept.
        job: whose forces, pressure, names.
        settings: what moves and how far.
        keep_start: keep the structure itself as well.

    Raises:
        DataError: if the cell of this structure cannot be relaxed.
        ModelError: if the model gives no stress for it.
    """
    from ase.optimize import FIRE

    settings.require(start)
    calculator = job.calculator()
    if settings.cell != "fixed" and "stress" not in calculator.implemented_properties:
        raise ModelError("the model gives no stress, which a moving cell needs", hint="write cell: fixed")
    atoms = without_labels(start)
    atoms.calc = calculator
    pressure = None if settings.cell == "fixed" else job.pressure_GPa or 0.0
    sampling = Sampling(settings.steps, settings.every, may_end=True, ends=True, start=keep_start)
    conditions = Conditions(job.name, None, pressure, job.group)
    recorder = Recorder(start, sampling, conditions, standing_checks(settings.stop, start), job.progress)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        optimizer = FIRE(_movable(atoms, settings.cell, pressure), logfile=None)
        steps = optimizer.irun(fmax=settings.fmax_eV_per_A, steps=settings.steps)
        follow(steps, lambda: int(optimizer.nsteps), atoms, recorder)
    return recorder.trajectory()


def _movable(atoms: Atoms, cell: str, pressure_GPa: float | None) -> Any:
    """What the optimiser moves: the atoms, or the atoms and the cell."""
    from ase.filters import FrechetCellFilter

    if pressure_GPa is None:
        return atoms
    return FrechetCellFilter(
        atoms, hydrostatic_strain=cell == "isotropic", scalar_pressure=pressure_from_GPa(pressure_GPa)
    )
