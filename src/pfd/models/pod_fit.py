"""The settings of a POD student, and what its frames say of its distances."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from pfd.errors import SettingError
from pfd.models.linear_fit import LinearFitSettings, ranges_of
from pfd.models.pod_basis import PODBasis
from pfd.models.pod_potential import PODPotential

if TYPE_CHECKING:
    from ase import Atoms

INNER = 0.4
"""The default inner cutoff over the shortest distance in the training frames."""
_SMALL = PODBasis(radial=(8, 8, 8, 8, 8, 8), angular=(2, 2, 2, 2, 2))
PRESETS = {
    "XS": _SMALL,
    "S": _SMALL,
    "M": PODBasis(radial=(8, 6, 6, 6, 6, 6), angular=(4, 4, 4, 4, 4)),
    "L": PODBasis(radial=(8, 7, 7, 7, 7, 7), angular=(4, 4, 4, 4, 4)),
}
"""Sizes of one element. Bodies five to seven are all the products that there are: they take next to no time."""
_SMALL_OF_SEVERAL = PODBasis(radial=(6, 4, 4, 4, 4, 4), angular=(3, 3, 3, 3, 3))
PRESETS_OF_SEVERAL = {
    "XS": _SMALL_OF_SEVERAL,
    "S": _SMALL_OF_SEVERAL,
    "M": PODBasis(radial=(8, 5, 5, 5, 4, 4), angular=(4, 4, 4, 3, 3)),
    "L": PODBasis(radial=(8, 6, 6, 6, 5, 5), angular=(5, 5, 5, 4, 4)),
}
"""Sizes of two and more elements, whose products multiply: all of those of M would be 16 828 for two, these 5560."""
FEW_NEIGHBOURS = 16.0
"""Neighbours within the default cutoff of XS: the first two shells of diamond, most of those of other crystals."""


class PODFitSettings(LinearFitSettings):
    """How a POD student is fitted."""

    size: Literal["XS", "S", "M", "L"] = "M"
    """How many functions; XS has those of S, and a cutoff that holds 16 neighbours. Three quarters of the labels of
    silicon and of molybdenum (PBE, many phases) left, on the others, meV/Å: S 137 and 235, M 106 and 192, L 98 and 179,
    at 18, 40 and 46 µs per atom and step (silicon). Two elements have fewer functions, three and more no bodies five to
    seven, four and more no body four: of five, S has 1355 coefficients instead of 518 355. ``basis`` is taken as it
    stands."""
    basis: PODBasis | None = None
    """Numbers of functions of your own instead of a size."""
    inner_cutoff_A: float | None = Field(default=None, gt=0.0)
    """Where the radial functions begin, Å. Default: 0.4 of the shortest distance in the training frames. Below it they
    grow without bound: with 0.8 frames a little denser than those trained on had errors of 1 to 8 eV/Å on molybdenum
    (now 0.27 to 0.32), and two atoms could fall into each other. On silicon M left 108 instead of 128 meV/Å."""

    @property
    def neighbours(self) -> float:
        """See ``LinearFitSettings.neighbours``."""
        return FEW_NEIGHBOURS if self.size == "XS" else super().neighbours

    def basis_of(self, elements: int) -> PODBasis:
        """Numbers of functions of a model of so many elements."""
        sizes = PRESETS if elements == 1 else PRESETS_OF_SEVERAL
        return self.basis or sizes[self.size].for_elements(elements)

    @model_validator(mode="after")
    def _one_basis(self) -> PODFitSettings:
        if self.basis is not None and self.moved("size"):
            raise ValueError("basis takes the place of size; remove one of the two")
        return self


def potential_for(train: Sequence[Atoms], valid: Sequence[Atoms], settings: PODFitSettings) -> PODPotential:
    """The potential, its cutoffs chosen by the frames where the settings leave them open.

    Raises:
        DataError: if the validation frames have elements that the training frames lack.
        SettingError: if the inner cutoff is not below the outer one.
    """
    found = ranges_of(train, valid, settings, "POD")
    inner = settings.inner_cutoff_A or round(min(INNER * found.closest_A, 0.5 * found.cutoff_A), 3)
    if inner >= found.cutoff_A:
        raise SettingError(f"inner_cutoff_A ({inner}) is not below cutoff_A ({found.cutoff_A})", where="POD")
    return PODPotential(
        elements=found.elements,
        basis=settings.basis_of(len(found.elements)),
        inner_cutoff_A=inner,
        cutoff_A=found.cutoff_A,
        repulsion_A=found.repulsion_A,
    )
