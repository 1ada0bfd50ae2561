"""Phonon frequencies from finite displacements, by phonopy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from pfd.errors import DataError
from pfd.evaluate.properties.equation_of_state import require_crystal
from pfd.evaluate.properties.property import Curve, Job, Measured, OfStructure, Repetitions
from pfd.evaluate.properties.relaxed import relaxed
from pfd.plugins import install_command, require_modules

if TYPE_CHECKING:
    from ase import Atoms

GAMMA = "Gamma"
SYMMETRIC_A = 1e-3
"""How far atoms may be from where symmetry puts them, Å: a relaxation by a model leaves so much."""


class Phonons(OfStructure):
    """Phonon frequencies, THz, at points of the Brillouin zone of the primitive cell; imaginary ones are negative.

    At each point P, ``P_1_THz`` is the lowest branch, ``P_2_THz`` the next, and ``P_max_THz`` the highest. Splitting by
    long-range electric fields is left out, which models of short range do not know.

    Source: Togo and Tanaka, Scr. Mater. 108, 1 (2015), phonopy; the points: Setyawan and Curtarolo, Comput. Mater. Sci.
    49, 299 (2010).
    """

    citations: ClassVar[tuple[str, ...]] = (
        "A. Togo, I. Tanaka, Scr. Mater. 108, 1 (2015), doi:10.1016/j.scriptamat.2015.07.021",
        "W. Setyawan, S. Curtarolo, Comput. Mater. Sci. 49, 299 (2010), doi:10.1016/j.commatsci.2010.05.010",
    )
    quantities: ClassVar[tuple[str, ...]] = (r"\w+_(\d+|max)_THz", "lowest_THz")
    told: ClassVar[str] = "Gamma_1_THz, Gamma_max_THz, X_1_THz ..., lowest_THz"
    headline: ClassVar[str] = r"\w+_max_THz|lowest_THz"
    modules: ClassVar[tuple[str, ...]] = ("phonopy",)
    extra: ClassVar[str] = "phonons"

    kind: Literal["phonons"] = "phonons"
    """Phonon frequencies."""
    supercell: Repetitions = (2, 2, 2)
    """Repetitions of the structure, in which atoms are displaced: at least twice the range of the forces in length."""
    displacement_A: float = Field(default=0.01, gt=0, le=0.2)
    """How far atoms are displaced, Å: 0.01 is usual; more where the model computes in single precision."""
    points: dict[str, tuple[float, float, float]] = Field(default_factory=dict)
    """Name -> point in units of the primitive cell's reciprocal vectors. Default: Gamma, and those of the lattice's
    usual paths (X, L ...)."""
    cell: Literal["relaxed", "given"] = "relaxed"
    """The crystal's cell: relaxed by the model, or as given."""
    fmax_eV_per_A: float = Field(default=0.001, gt=0)
    """The largest force at which a structure counts as relaxed, eV/Å."""

    @model_validator(mode="after")
    def _sensible(self) -> Phonons:
        if bad := [name for name in self.points if not name.isidentifier()]:
            raise ValueError(f"points: {bad[0]!r} cannot name a point; write letters, digits and underscores")
        return self

    def require(self, structures: Mapping[str, Atoms]) -> None:
        """See ``Property.require``."""
        require_crystal(structures["structure"])

    def measure(self, job: Job) -> Measured:
        """See ``Property.measure``.

        Raises:
            MissingError: if phonopy is not installed where the model runs.
            DataError: if a limit is about a branch that the crystal does not have.
        """
        require_modules(self.modules, what="the property phonons", install=install_command(self.extra))
        start = job.structure
        start.set_constraint()
        start.calc = job.calculator()
        start = relaxed(start, "cell" if self.cell == "relaxed" else "ions", self.fmax_eV_per_A)
        lattice = self._force_constants(start, job)
        values: dict[str, float] = {}
        branches: dict[str, Curve] = {}
        for name, point in self._points_of(lattice.primitive.cell).items():
            lattice.run_qpoints([point])
            found = np.sort(np.array(lattice.qpoints.frequencies)[0])
            values |= {f"{name}_{number}_THz": float(value) for number, value in enumerate(found, start=1)}
            values[f"{name}_max_THz"] = float(found[-1])
            points = tuple((float(number), float(value)) for number, value in enumerate(found, start=1))
            branches[name] = Curve(x=f"branch at {name}", y="frequency, THz", points=points, line=False)
        values["lowest_THz"] = min(values.values())
        return Measured(values=values, curves=branches)

    def _force_constants(self, start: Atoms, job: Job) -> Any:
        """Phonopy's object with the forces of all displaced supercells."""
        from ase import Atoms as AseAtoms
        from phonopy import Phonopy
        from phonopy.structure.atoms import PhonopyAtoms
        from phonopy.structure.cells import guess_primitive_matrix

        unit = PhonopyAtoms(
            symbols=start.get_chemical_symbols(),
            cell=start.cell.array,
            scaled_positions=start.get_scaled_positions(),
            masses=start.get_masses(),
        )
        primitive = guess_primitive_matrix(unit, symprec=SYMMETRIC_A)
        lattice = Phonopy(unit, np.diag(self.supercell), primitive_matrix=primitive, symprec=SYMMETRIC_A, log_level=0)
        lattice.generate_displacements(distance=self.displacement_A)
        forces, cells = [], lattice.supercells_with_displacements
        for number, cell in enumerate(cells):
            frame = AseAtoms(cell.symbols, cell=cell.cell, scaled_positions=cell.scaled_positions, pbc=True)
            frame.set_masses(cell.masses)
            frame.calc = start.calc
            forces.append(frame.get_forces())
            job.progress((number + 1) / len(cells), f"displacement {number + 1} of {len(cells)}")
        lattice.forces = np.array(forces)
        lattice.produce_force_constants()
        lattice.symmetrize_force_constants()
        return lattice

    def _points_of(self, primitive: np.ndarray) -> dict[str, Any]:
        """The points asked for, or those of the lattice's usual paths."""
        from ase.cell import Cell

        if self.points:
            return dict(self.points)
        try:
            special = Cell(primitive).bandpath(npoints=0).special_points
        except RuntimeError as error:
            hint = "name points"
            raise DataError("the lattice of the primitive cell is not known", where="phonons", hint=hint) from error
        return {GAMMA: [0.0, 0.0, 0.0]} | {name: point for name, point in special.items() if name != "G"}
