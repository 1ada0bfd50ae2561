"""A ``nep.txt`` evaluated by the C++ code of calorine, which is not the code that it was trained with."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pfd.frames import Labels
from pfd.frames.label_calculator import LabelCalculator
from pfd.models.family import require_elements
from pfd.models.nep_file import read_header

if TYPE_CHECKING:
    from ase import Atoms


class NEPCalculator(LabelCalculator):
    """Energy (eV), forces (eV/Å) and, where periodic in all directions, stress (eV/Å^3) of a ``nep.txt``.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from calorine.calculators import CPUNEP
        self._path = path
        header, _ = read_header(path)
        self._elements, self._cutoff_A = header.elements, max(header.cutoffs_A)
        self._engine = CPUNEP(str(path))

    def labels(self, frame: Atoms) -> Labels:
        """See ``LabelCalculator``.

        Raises:
            ModelError: if the model does not know one of the elements.
        """
        require_elements([frame], self._elements, str(self._path))
        self._engine.calculate(periodic_twin(frame, self._cutoff_A), ["energy", "forces", "stress"])
        found = self._engine.results
        return Labels(float(found["energy"]), found["forces"], found["stress"] if frame.pbc.all() else None)


def periodic_twin(frame: Atoms, cutoff_A: float) -> Atoms:
    """A frame periodic in all directions that looks the same to each atom, all atoms within its cell.

    Directions without periodicity become so long that no atom sees an image: the C++ code knows none, and takes atoms
    outside the cell for further away than their images are.
    """
    from ase.geometry import complete_cell

    twin = frame.copy()
    if not frame.pbc.all():
        cell = np.where(frame.pbc[:, None], frame.cell.array, 0.0)
        normals = complete_cell(cell)
        for axis in np.flatnonzero(~frame.pbc):
            cell[axis] = normals[axis] * (np.ptp(frame.positions @ normals[axis]) + cutoff_A + 1.0)
        twin.set_cell(cell)
        twin.pbc = True
    twin.wrap(eps=0.0)
    return twin
