"""POD: a linear student on proper orthogonal descriptors, fitted in seconds, run by LAMMPS' ``pair_style pod``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pfd.models.linear_potential import LinearPotential
from pfd.models.linear_student import LinearStudent
from pfd.models.pod_fit import PODFitSettings, potential_for
from pfd.models.pod_potential import PODPotential
from pfd.settings import Settings

if TYPE_CHECKING:
    from ase import Atoms


class POD(LinearStudent):
    """Proper orthogonal descriptors; the folder holds LAMMPS' two files and one that names elements and cutoffs."""

    name: ClassVar[str] = "pod"
    student_sizes: ClassVar[tuple[Mapping[str, Any], ...]] = tuple({"size": size} for size in ("XS", "S", "M", "L"))
    FitSettings: ClassVar[type[Settings] | None] = PODFitSettings
    Potential: ClassVar[type[LinearPotential]] = PODPotential
    citation: ClassVar[str] = (
        "Nguyen and Rohskopf, J. Comput. Phys. 480, 112030 (2023); Nguyen, Phys. Rev. B 107, 144103 (2023)"
    )

    def potential_for(self, train: Sequence[Atoms], valid: Sequence[Atoms], settings: Settings) -> LinearPotential:
        """See ``LinearStudent.potential_for``."""
        assert isinstance(settings, PODFitSettings)
        return potential_for(train, valid, settings)

    def coefficients(self, settings: Settings, elements: int) -> int:
        """See ``Family.coefficients``."""
        assert isinstance(settings, PODFitSettings)
        return settings.basis_of(elements).count(elements)

    def name_of(self, settings: Settings) -> str:
        """See ``LinearStudent.name_of``."""
        assert isinstance(settings, PODFitSettings)
        return "custom" if settings.basis else settings.size
