"""The barrier between two structures, by the nudged elastic band."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from pfd.arrays import Positions
from pfd.errors import DataError, TaskFailed
from pfd.evaluate.properties.equation_of_state import curve
from pfd.evaluate.properties.property import Job, Measured, OfStructure
from pfd.evaluate.properties.relaxed import relaxed

if TYPE_CHECKING:
    from ase import Atoms

STEPS = 500
"""More steps are not taken."""
ONE_MINIMUM_A = 0.1
"""Relaxed ends in which no atom is farther apart lie in one minimum, from which forces of fmax keep each a little."""


class Barrier(OfStructure):
    """Energy barrier between two minima in one cell, by the climbing-image nudged elastic band.

    Both ends are relaxed first, and must not end in one minimum; the images between start on a straight line, made even
    in distances (IDPP).

    Source: Henkelman, Uberuaga and Jónsson, J. Chem. Phys. 113, 9901 (2000); Smidstrup et al., J. Chem. Phys. 140,
    214106 (2014), IDPP.
    """

    citations: ClassVar[tuple[str, ...]] = (
        "G. Henkelman, B. P. Uberuaga, H. Jónsson, J. Chem. Phys. 113, 9901 (2000), doi:10.1063/1.1329672",
        "S. Smidstrup et al., J. Chem. Phys. 140, 214106 (2014), doi:10.1063/1.4878664",
    )
    quantities: ClassVar[tuple[str, ...]] = ("barrier_eV", "reverse_barrier_eV", "reaction_energy_eV")

    kind: Literal["barrier"] = "barrier"
    """Energy barrier between ``structure`` and ``final``."""
    final: Path
    """File of the other structure: the same atoms in the same order, in the same cell."""
    images: int = Field(default=5, ge=1, le=51)
    """Images between the two ends."""
    fmax_eV_per_A: float = Field(default=0.03, gt=0)
    """The largest force at which the ends, and the path, count as relaxed, eV/Å."""

    def files(self) -> dict[str, Path]:
        """See ``Property.files``."""
        return {"structure": self.structure, "final": self.final}

    def require(self, structures: Mapping[str, Atoms]) -> None:
        """See ``Property.require``.

        Raises:
            DataError: if the two structures are not of the same atoms in the same cell.
        """
        first, last = structures["structure"], structures["final"]
        if first.get_chemical_symbols() != last.get_chemical_symbols():
            hint = "write both with the same atoms in the same order"
            raise DataError("the two ends have other atoms, or in another order", where="final", hint=hint)
        if not np.allclose(first.cell.array, last.cell.array, atol=1e-4) or (first.pbc != last.pbc).any():
            hint = "write both in one cell"
            raise DataError("the two ends have different cells", where="final", hint=hint)

    def measure(self, job: Job) -> Measured:
        """See ``Property.measure``.

        Raises:
            TaskFailed: if both ends relax into one minimum, or the path is not relaxed after ``STEPS`` steps.
        """
        from ase.mep import NEB
        from ase.optimize import FIRE

        calculator = job.calculator()
        ends = []
        for name in ("structure", "final"):
            end = job.structures[name].copy()
            end.calc = calculator
            end = relaxed(end, "ions", self.fmax_eV_per_A)
            ends.append(end)
        farthest = float(np.linalg.norm(_vectors(*ends), axis=1).max())
        if farthest < ONE_MINIMUM_A:
            what = f"both ends relax into one minimum: no atom is farther apart than {farthest:.2g} Å"
            hint = "bring other ends; if they are two minima of the reference, the model has lost one"
            raise TaskFailed(what, where=self.title(), hint=hint)
        energies = [float(end.get_potential_energy()) for end in ends]
        path = [ends[0], *(ends[0].copy() for _ in range(self.images)), ends[1]]
        for image in path:
            image.calc = calculator
        band = NEB(path, climb=True, method="improvedtangent", allow_shared_calculator=True)
        band.interpolate(method="idpp", mic=bool(ends[0].pbc.any()))
        optimiser = FIRE(band, logfile=None)
        if not optimiser.run(fmax=self.fmax_eV_per_A, steps=STEPS):
            hint = "raise fmax_eV_per_A or images, or bring ends that are nearer to each other"
            raise TaskFailed(f"the path is not relaxed after {STEPS} steps", where=self.title(), hint=hint)
        along = [energies[0], *(float(image.get_potential_energy()) for image in path[1:-1]), energies[1]]
        top = max(along)
        distances = np.cumsum([0.0, *(_apart(one, other) for one, other in pairwise(path))])
        return Measured(
            values={
                "barrier_eV": top - along[0],
                "reverse_barrier_eV": top - along[-1],
                "reaction_energy_eV": along[-1] - along[0],
            },
            curves={"path": curve(("path, Å", "energy - first, eV"), distances, np.array(along) - along[0])},
        )


def _apart(one: Atoms, other: Atoms) -> float:
    """Distance of two images in the space of all coordinates, Å."""
    return float(np.linalg.norm(_vectors(one, other)))


def _vectors(one: Atoms, other: Atoms) -> Positions:
    """From each atom to where it is in the other image, the nearest way, Å."""
    from ase.geometry import find_mic

    vectors, _ = find_mic(other.positions - one.positions, one.cell, one.pbc)
    return np.asarray(vectors)
