"""Energy against volume: equilibrium volume, lattice constants and bulk modulus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field

from pfd.errors import DataError, TaskFailed
from pfd.evaluate.properties.lattice import lattice_of
from pfd.evaluate.properties.property import Curve, Job, Measured, OfStructure
from pfd.evaluate.properties.relaxed import relaxed
from pfd.frames import Labels, is_bulk, without_labels
from pfd.units import GPA_PER_EV_PER_A3

if TYPE_CHECKING:
    from ase import Atoms


SHIFTS = 3
"""How often the volumes are moved towards a minimum that is not among them: each time by ``range``."""
DONE_BY_FIRST = 0.9
"""How far the work is once the first volumes are done, which is nearly always all there is."""


class EquationOfState(OfStructure):
    """Equation of state (Birch-Murnaghan): volume and energy at zero pressure, lattice constants, bulk modulus.

    All cells have the shape of the structure, which a cubic crystal keeps; for others, ``relax: shape`` finds the best
    one at each volume. Lattice constants are those of the conventional cell if the structure is a primitive or
    conventional cell, by the names that the file gives to its axes; of a supercell they are the supercell's.
    """

    citations: ClassVar[tuple[str, ...]] = ("F. Birch, Phys. Rev. 71, 809 (1947), doi:10.1103/PhysRev.71.809",)
    quantities: ClassVar[tuple[str, ...]] = (
        "[abc]_A",
        "volume_A3_per_atom",
        "bulk_modulus_GPa",
        "bulk_modulus_slope",
        "energy_eV_per_atom",
    )
    told: ClassVar[str] = "a_A, b_A, c_A, volume_A3_per_atom, bulk_modulus_GPa, bulk_modulus_slope, energy_eV_per_atom"

    kind: Literal["equation_of_state"] = "equation_of_state"
    """Energy against volume."""
    volumes: int = Field(default=9, ge=5, le=51)
    """How many volumes: nine, for four parameters of the fit."""
    range: float = Field(default=0.06, gt=0, le=0.3)
    """Volumes from 1 - range to 1 + range of the structure's: 0.06 is 2 % in length, where the fit is good and what
    models have learnt. Where no energy is below both its neighbours, they are moved to the lower end, up to three
    times (those of labels stay)."""
    relax: Literal["none", "ions", "shape"] = "ions"
    """What relaxes at each volume: nothing; the ions; ions and the cell at this volume. Labels of these cells, as
    ``reference: label`` asks for, need ``none``, which in cubic crystals without free coordinates is the same."""
    fmax_eV_per_A: float = Field(default=0.002, gt=0)
    """The largest force at which a structure counts as relaxed, eV/Å."""

    def labelled(self) -> bool:
        """See ``Property.labelled``."""
        return self.relax == "none"

    def cell_count(self) -> int:
        """See ``Property.cell_count``."""
        return self.volumes

    def needs_numbers(self) -> str:
        """See ``Property.needs_numbers``."""
        return "labels of single cells are not relaxed; write relax: none"

    def require(self, structures: Mapping[str, Atoms]) -> None:
        """See ``Property.require``."""
        require_crystal(structures["structure"])

    def cells(self, structure: Atoms) -> list[Atoms]:
        """The structure at each volume, smallest first."""
        factors = np.linspace(1.0 - self.range, 1.0 + self.range, self.volumes)
        return [_scaled(structure, float(factor)) for factor in factors]

    def of_labels(self, structure: Atoms, cells: list[Atoms], labels: list[Labels]) -> Measured:
        """See ``Property.of_labels``."""
        energies = [each.energy for each in labels if each.energy is not None]
        return _fitted(structure, cells, np.array(energies))

    def measure(self, job: Job) -> Measured:
        """See ``Property.measure``."""
        cells, energies = self._energies(job, job.structure)
        looked = [cell.get_volume() / len(cell) for cell in cells]
        for shift in range(1, SHIFTS + 1):
            if not np.isfinite(energies).all() or _has_minimum(energies):
                break
            lowest = cells[int(np.argmin(energies))]
            try:
                cells, energies = self._energies(job, lowest, shift)
            except TaskFailed:
                break
            looked += [cell.get_volume() / len(cell) for cell in cells]
        return _fitted(job.structure, cells, energies, (min(looked), max(looked)))

    def _energies(self, job: Job, middle: Atoms, shift: int = 0) -> tuple[list[Atoms], Float[np.ndarray, " cells"]]:
        """The cells around one volume, relaxed as asked for, and their energies, eV."""
        calculator, energies, cells = job.calculator(), [], self.cells(middle)
        moved = f", moved {shift} of at most {SHIFTS} times" if shift else ""
        for number, cell in enumerate(cells):
            cell.calc = calculator
            if self.relax != "none":
                cells[number] = relaxed(cell, self.relax, self.fmax_eV_per_A)
            energies.append(float(cells[number].get_potential_energy()))
            done = 1.0 if shift else (number + 1) / len(cells)
            job.progress(DONE_BY_FIRST * done, f"volume {number + 1} of {len(cells)}{moved}")
        return cells, np.array(energies)


def _has_minimum(energies: Float[np.ndarray, " cells"]) -> bool:
    """Whether an energy is below both of its neighbours."""
    inner = energies[1:-1]
    return bool(((inner <= energies[:-2]) & (inner <= energies[2:])).any())


def require_crystal(frame: Atoms) -> None:
    """Refuse what has no volume of its own.

    Raises:
        DataError: if there is vacuum, or a direction that is not periodic.
    """
    if not is_bulk(frame):
        what = "this property needs a structure that is periodic in all directions and has no vacuum"
        raise DataError(what, where=str(frame.symbols), hint="name a bulk structure")


def _scaled(structure: Atoms, volume_factor: float) -> Atoms:
    cell = without_labels(structure)
    cell.set_constraint()
    cell.set_cell(structure.cell.array * volume_factor ** (1 / 3), scale_atoms=True)
    return cell


def _fitted(
    structure: Atoms,
    cells: Sequence[Atoms],
    energies: Float[np.ndarray, " cells"],
    looked: tuple[float, float] | None = None,
) -> Measured:
    """The third-order Birch-Murnaghan curve through the points, by least squares.

    Source: Birch, Phys. Rev. 71, 809 (1947): of third order in the Eulerian strain, the energy E is a cubic polynomial
    of x = V^(-2/3). Where dE/dx = 0, B = 4/9 x^(7/2) E2 and dB/dP = 4 + 2/3 x E3/E2; E2, E3 are its next derivatives.

    Raises:
        TaskFailed: if the minimum is not among the volumes.
    """
    atoms = len(structure)
    volumes = np.array([cell.get_volume() / atoms for cell in cells])
    per_atom = energies / atoms
    fit = np.polynomial.Polynomial.fit(volumes ** (-2 / 3), per_atom, 3)
    first, second, third = fit.deriv(1), fit.deriv(2), fit.deriv(3)
    looked = looked or (volumes.min(), volumes.max())
    places = [float(root.real) for root in first.roots() if abs(root.imag) < 1e-9 and second(root.real) > 0]
    places = [x for x in places if volumes.min() <= x**-1.5 <= volumes.max()]
    if not places or not np.isfinite(per_atom).all():
        raise TaskFailed(
            "no curve with a minimum fits energies between {:.3f} and {:.3f} Å³ per atom".format(*looked),
            where=str(structure.symbols),
            hint=f"the lowest of the last ones is at {volumes[np.nanargmin(per_atom)]:.3f}: start there, or raise range"
            if np.isfinite(per_atom).any()
            else "start from another structure",
        )
    x = places[0]
    volume = x**-1.5
    bulk = 4 / 9 * x**3.5 * float(second(x))
    slope = 4.0 + 2 / 3 * x * float(third(x)) / float(second(x))
    grid = np.linspace(volumes.min(), volumes.max(), 61)
    energies_at = fit(grid ** (-2 / 3))
    axes = ("volume, Å³/atom", "energy, eV/atom")
    return Measured(
        values={f"{name}_A": length for name, length in _constants_at(volume, volumes, cells).items()}
        | {
            "volume_A3_per_atom": volume,
            "bulk_modulus_GPa": bulk * GPA_PER_EV_PER_A3,
            "bulk_modulus_slope": slope,
            "energy_eV_per_atom": float(fit(x)),
        },
        curves={
            "energy_volume": curve(axes, volumes, per_atom, line=False),
            "energy_volume_fit": curve(axes, grid, energies_at),
        },
    )


def _constants_at(volume: float, volumes: Float[np.ndarray, " cells"], cells: Sequence[Atoms]) -> dict[str, float]:
    """Lattice constants at a volume, Å, from those of the cells: a parabola in the cube root of the volume."""
    found = [lattice_of(cell).constants_A for cell in cells]
    if any(each.keys() != found[0].keys() for each in found):
        return {}
    roots = np.cbrt(volumes)
    fits = {name: np.polynomial.Polynomial.fit(roots, [each[name] for each in found], 2) for name in found[0]}
    return {name: float(fit(np.cbrt(volume))) for name, fit in fits.items()}


def curve(
    axes: tuple[str, str], x: Float[np.ndarray, " points"], y: Float[np.ndarray, " points"], *, line: bool = True
) -> Curve:
    """A curve from two arrays."""
    return Curve(x=axes[0], y=axes[1], points=tuple(zip(map(float, x), map(float, y), strict=True)), line=line)
