"""Elastic constants from stresses of small strains, with ions clamped and relaxed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field

from pfd.errors import DataError
from pfd.evaluate.properties.equation_of_state import require_crystal
from pfd.evaluate.properties.lattice import lattice_of, turned
from pfd.evaluate.properties.property import Job, Measured, OfStructure
from pfd.evaluate.properties.relaxed import relaxed, require_stress
from pfd.frames import Labels, without_labels
from pfd.units import GPA_PER_EV_PER_A3
from pfd.voigt import from_voigt

if TYPE_CHECKING:
    from ase import Atoms

Stiffness = Float[np.ndarray, "6 6"]
"""Elastic constants, eV/Å^3, Voigt order xx yy zz yz xz xy."""
UNLIKE = 0.05
"""Constants that should be equal by symmetry and differ by more, as a part of C11, are told of."""
SWOLLEN = 0.1
"""Change of volume by relaxation that is told."""
CUBIC_KINDS = {
    "C11": ((0, 0), (1, 1), (2, 2)),
    "C12": ((0, 1), (0, 2), (1, 2)),
    "C44": ((3, 3), (4, 4), (5, 5)),
}
"""What a cubic crystal has, and where it stands in the matrix."""


class Elastic(OfStructure):
    """Elastic constants C_ij = d(stress_i)/d(strain_j), by central differences of the stress.

    Six strains, one for each component of Voigt's order xx yy zz yz xz xy, with both signs; shears are engineering
    strains (gamma_yz = 2 epsilon_yz), tension is positive, as in ASE. The ions stay at their fractional coordinates
    (``..._clamped_...``), and are then relaxed. Components refer to the crystal's axes, which docs/properties.md lays
    down. Of a cubic crystal C11, C12 and C44 are the means of those that symmetry makes equal; of others all 21 are
    told. Moduli are Voigt-Reuss-Hill means.

    Source: Nielsen and Martin, Phys. Rev. B 32, 3792 (1985), from stresses of strained cells; Hill, Proc. Phys. Soc. A
    65, 349 (1952), the moduli.
    """

    citations: ClassVar[tuple[str, ...]] = (
        "O. H. Nielsen, R. M. Martin, Phys. Rev. B 32, 3792 (1985), doi:10.1103/PhysRevB.32.3792",
        "R. Hill, Proc. Phys. Soc. A 65, 349 (1952), doi:10.1088/0370-1298/65/5/307",
    )
    quantities: ClassVar[tuple[str, ...]] = (
        r"C[1-6][1-6](_clamped)?_GPa",
        r"bulk_modulus(_clamped)?_GPa",
        r"shear_modulus(_clamped)?_GPa",
    )
    told: ClassVar[str] = "C11_GPa ... C66_GPa, bulk_modulus_GPa, shear_modulus_GPa, and C11_clamped_GPa ..."

    from_labels: ClassVar[str] = r"\w+_clamped_GPa"

    kind: Literal["elastic"] = "elastic"
    """Elastic constants."""
    strain: float = Field(default=0.005, gt=0, le=0.02)
    """Size of the strains: 0.005 is small enough for what is not linear to cancel to a per cent, and large enough for
    the rounding of models in single precision. Beyond 0.02 another quantity is measured."""
    cell: Literal["relaxed", "given"] = "relaxed"
    """What is strained: the structure after its cell and ions are relaxed by the model, or as it is given. Labels, as
    ``reference: label`` asks for, need ``given``: the same cells for all."""
    fmax_eV_per_A: float = Field(default=0.001, gt=0)
    """The largest force at which a structure counts as relaxed, eV/Å."""

    def labelled(self) -> bool:
        """See ``Property.labelled``."""
        return self.cell == "given"

    def cell_count(self) -> int:
        """See ``Property.cell_count``."""
        return 12

    def needs_numbers(self) -> str:
        """See ``Property.needs_numbers``."""
        return "labels are of the same cells for all; write cell: given"

    def labels_give(self) -> str:
        """See ``Property.labels_give``."""
        return "they give the constants with clamped ions, such as C11_clamped_GPa"

    def require(self, structures: Mapping[str, Atoms]) -> None:
        """See ``Property.require``."""
        require_crystal(structures["structure"])

    def cells(self, structure: Atoms) -> list[Atoms]:
        """The twelve strained cells: each component of the strain, negative and positive; ions clamped."""
        start = without_labels(structure)
        start.set_constraint()
        return strained(_along_axes(start), self.strain)

    def of_labels(self, structure: Atoms, cells: list[Atoms], labels: list[Labels]) -> Measured:
        """The clamped-ion constants.

        Raises:
            DataError: if a label has no stress.
        """
        stresses = [each.stress for each in labels if each.stress is not None]
        if len(stresses) < len(labels):
            what = "elastic constants are taken from stresses, and some labels have none"
            raise DataError(what, where="elastic", hint="let the labeler give stresses")
        stiffness, _ = stiffness_of(np.array(stresses), self.strain)
        return _named(stiffness, _along_axes(structure), "_clamped")

    def measure(self, job: Job) -> Measured:
        """See ``Property.measure``."""
        start = job.structure
        start.set_constraint()
        start.calc = calculator = job.calculator()
        require_stress(start)
        notes: list[str] = []
        if self.cell == "relaxed":
            given = start.get_volume()
            start = relaxed(start, "cell", self.fmax_eV_per_A)
            if abs(swelling := start.get_volume() / given - 1.0) > SWOLLEN:
                notes.append(f"of the relaxed cell, whose volume is {100 * swelling:+.0f} % off the given one's")
        start = _along_axes(start)
        cells = strained(start, self.strain)
        clamped, free = [], []
        for number, cell in enumerate(cells):
            cell.calc = calculator
            clamped.append(cell.get_stress())
            free.append(relaxed(cell, "ions", self.fmax_eV_per_A).get_stress())
            job.progress((number + 1) / len(cells), f"strain {number + 1} of {len(cells)}")
        found = Measured(notes=tuple(notes))
        for stresses, suffix in ((clamped, "_clamped"), (free, "")):
            stiffness, asymmetry = stiffness_of(np.array(stresses), self.strain)
            named = _named(stiffness, start, suffix)
            notes = [*found.notes, *named.notes]
            if asymmetry > UNLIKE:
                notes.append(f"C_ij and C_ji{suffix} differ by up to {100 * asymmetry:.0f} % of the largest constant")
            found = Measured(values=found.values | named.values, notes=tuple(dict.fromkeys(notes)))
        return found


def _along_axes(structure: Atoms) -> Atoms:
    return turned(structure, lattice_of(structure).rotation)


def strained(structure: Atoms, size: float) -> list[Atoms]:
    """Each component of Voigt's order with -size, then +size; a shear's two tensor components are half of it."""
    cells = []
    for component in range(6):
        for sign in (-1.0, 1.0):
            voigt = np.zeros(6)
            voigt[component] = sign * size * (1.0 if component < 3 else 0.5)
            cell = structure.copy()
            cell.set_cell(structure.cell.array @ (np.eye(3) + from_voigt(voigt)), scale_atoms=True)
            cells.append(cell)
    return cells


def stiffness_of(stresses: Float[np.ndarray, "12 6"], size: float) -> tuple[Stiffness, float]:
    """The symmetric matrix from the stresses of ``strained``, and how far from symmetric it was.

    Args:
        stresses: eV/Å^3, Voigt order, tension positive.
        size: of the strains.

    Returns:
        The constants; and the largest difference of C_ij and C_ji over the largest constant.
    """
    slopes = (stresses[1::2] - stresses[0::2]).T / (2.0 * size)
    off = float(np.abs(slopes - slopes.T).max() / np.abs(slopes).max())
    return 0.5 * (slopes + slopes.T), off


def moduli(stiffness: Stiffness) -> tuple[float, float]:
    """Bulk and shear modulus of the polycrystal, Voigt-Reuss-Hill means, in the unit of the constants.

    Source: Hill, Proc. Phys. Soc. A 65, 349 (1952).
    """
    normal, mixed, shears = _sums(stiffness)
    of_normal, of_mixed, of_shears = _sums(np.linalg.inv(stiffness))
    bulk = 0.5 * ((normal + 2 * mixed) / 9 + 1 / (of_normal + 2 * of_mixed))
    shear = 0.5 * ((normal - mixed + 3 * shears) / 15 + 15 / (4 * of_normal - 4 * of_mixed + 3 * of_shears))
    return bulk, shear


def _sums(matrix: Stiffness) -> tuple[float, float, float]:
    """Of the three diagonal normal components, the three others of those, and the three shears."""
    return (
        float(matrix[0, 0] + matrix[1, 1] + matrix[2, 2]),
        float(matrix[0, 1] + matrix[0, 2] + matrix[1, 2]),
        float(matrix[3, 3] + matrix[4, 4] + matrix[5, 5]),
    )


def _named(stiffness: Stiffness, structure: Atoms, suffix: str) -> Measured:
    """Constants and moduli by name, GPa."""
    in_GPa = stiffness * GPA_PER_EV_PER_A3
    notes = []
    if lattice_of(structure).cubic:
        constants = {}
        for name, places in CUBIC_KINDS.items():
            alike = [in_GPa[place] for place in places]
            constants[name] = float(np.mean(alike))
            if np.ptp(alike) > UNLIKE * abs(in_GPa[0, 0]):
                least, most = min(alike), max(alike)
                notes.append(f"the components that make {name}{suffix} are {least:.4g} to {most:.4g} GPa")
    else:
        constants = {f"C{i + 1}{j + 1}": float(in_GPa[i, j]) for i in range(6) for j in range(i, 6)}
    if np.isfinite(in_GPa).all() and (least := float(np.linalg.eigvalsh(in_GPa)[0])) <= 0.0:
        notes.append(f"not stable: the smallest eigenvalue of C_ij{suffix} is {least:.3g} GPa (Born's criterion)")
    bulk, shear = moduli(in_GPa)
    values = {f"{name}{suffix}_GPa": value for name, value in constants.items()}
    values |= {f"bulk_modulus{suffix}_GPa": bulk, f"shear_modulus{suffix}_GPa": shear}
    return Measured(values=values, notes=tuple(notes))
