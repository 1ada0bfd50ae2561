"""The energy that it takes to remove an atom."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from pfd.errors import DataError, TaskFailed
from pfd.evaluate.properties.equation_of_state import require_crystal
from pfd.evaluate.properties.property import Job, Measured, OfStructure, Repetitions
from pfd.evaluate.properties.relaxed import relaxed
from pfd.frames.perturb import perturb, repeated

if TYPE_CHECKING:
    from ase import Atoms

INWARD = (0.0, 0.2)
"""Where the relaxations start: by which part of their distance the neighbours are drawn in."""
SHELL = 1.2
"""Atoms within this factor of the shortest distance are neighbours."""


class Vacancy(OfStructure):
    """Formation energy of a neutral vacancy: E(N - 1 atoms) - E(N atoms) + mu, at the volume of the perfect crystal.

    mu is the energy per atom of the perfect crystal where that is an element, else ``chemical_potential_eV``. The
    perfect crystal's ions and cell are relaxed first; then the ions around the vacancy are, in the fixed cell, from two
    starts: the neighbours in place, and drawn in by a fifth of their distance. The lower energy counts (in
    Stillinger-Weber silicon the neighbours in place are a minimum 1.6 eV above the other); one that does not relax is
    left out, if the other does.

    Source: Freysoldt et al., Rev. Mod. Phys. 86, 253 (2014), without charge.
    """

    citations: ClassVar[tuple[str, ...]] = (
        "C. Freysoldt et al., Rev. Mod. Phys. 86, 253 (2014), doi:10.1103/RevModPhys.86.253",
    )
    quantities: ClassVar[tuple[str, ...]] = ("formation_energy_eV", "unrelaxed_formation_energy_eV")

    kind: Literal["vacancy"] = "vacancy"
    """Vacancy formation energy."""
    supercell: Repetitions = (2, 2, 2)
    """Repetitions of the structure: of a conventional cubic cell 2, 2, 2 is the least that is usual."""
    site: int = Field(default=0, ge=0)
    """Which atom of the structure is removed, counted from 0."""
    chemical_potential_eV: float | None = None
    """Energy of the removed atom in its reservoir, eV, by the same model or level of theory; needed in compounds."""
    cell: Literal["relaxed", "given"] = "relaxed"
    """The perfect crystal's cell: relaxed by the model, or as given; its ions are relaxed in it."""
    displacement_A: float = Field(default=0.05, ge=0, le=1)
    """Before they relax, the atoms are displaced at random by so much (root mean square), Å: without, the symmetry of
    the site holds them where the energy need not be lowest (silicon). 0 keeps it."""
    fmax_eV_per_A: float = Field(default=0.01, gt=0)
    """The largest force at which a structure counts as relaxed, eV/Å."""

    def require(self, structures: Mapping[str, Atoms]) -> None:
        """See ``Property.require``."""
        structure = structures["structure"]
        require_crystal(structure)
        where = str(structure.symbols)
        if self.site >= len(structure):
            what = f"there is no site {self.site} in {len(structure)} atoms"
            raise DataError(what, where=where, hint=f"name 0 to {len(structure) - 1}")
        if self.chemical_potential_eV is None and len(set(structure.get_chemical_symbols())) > 1:
            what = "the reservoir of the removed atom is not known in a compound"
            raise DataError(what, where=where, hint="add chemical_potential_eV")
        if len(structure) * self.supercell[0] * self.supercell[1] * self.supercell[2] < 2:
            raise DataError("no atom would be left", where=where, hint="take a supercell")

    def measure(self, job: Job) -> Measured:
        """See ``Property.measure``."""
        start = job.structure
        start.set_constraint()
        start.calc = job.calculator()
        start = relaxed(start, "cell" if self.cell == "relaxed" else "ions", self.fmax_eV_per_A)
        job.progress(0.2, "the perfect crystal is relaxed")
        perfect = repeated(start, self.supercell)
        perfect.calc = start.calc
        energy = float(perfect.get_potential_energy())
        reservoir = self.chemical_potential_eV
        reservoir = energy / len(perfect) if reservoir is None else reservoir
        vacant = perfect.copy()
        del vacant[self.site]
        vacant.calc = start.calc
        before = float(vacant.get_potential_energy()) - energy + reservoir
        ends: list[float] = []
        failed: list[TaskFailed] = []
        notes: list[str] = []
        for start_number, inward in enumerate(INWARD, 1):
            moved = _drawn_in(vacant, perfect.positions[self.site], inward)
            if self.displacement_A > 0:
                (moved,) = perturb(moved, 1, displacement_A=self.displacement_A, strain=0.0, seed=job.seed)
            moved.calc = start.calc
            try:
                ends.append(float(relaxed(moved, "ions", self.fmax_eV_per_A).get_potential_energy()))
            except TaskFailed as error:  # drawn in, atoms may be where a student was never taught anything
                failed.append(error)
                notes.append(f"with the neighbours drawn in by {100 * inward:g} % it did not relax: {error.what}")
            job.progress(0.2 + 0.4 * start_number, f"start {start_number} of {len(INWARD)} is relaxed")
        if not ends:
            raise failed[0]
        after = min(ends) - energy + reservoir
        values = {"formation_energy_eV": after, "unrelaxed_formation_energy_eV": before}
        return Measured(values=values, notes=tuple(notes))


def _drawn_in(vacant: Atoms, place: np.ndarray, part: float) -> Atoms:
    """A copy whose atoms next to an empty place are nearer to it by a part of their distance."""
    from ase.geometry import find_mic

    vectors, distances = find_mic(vacant.positions - place, vacant.cell, vacant.pbc)
    near = distances < SHELL * distances.min()
    copy = vacant.copy()
    copy.positions[near] -= part * vectors[near]
    return copy
