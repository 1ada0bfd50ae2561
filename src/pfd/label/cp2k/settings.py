"""Settings of the CP2K labeler: which belong to the physics, and which only to the way there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from pfd.label.cp2k.sections import leaves, replaced
from pfd.label.engine_program import ProgramSettings
from pfd.label.hubbard import Hubbard
from pfd.label.labeler import Blank
from pfd.label.magnetic_starts import StartSettings

FUNCTIONALS: dict[str, tuple[str, str]] = {
    "PBE": ("PBE", ""),
    "PBEsol": ("PBE", "PBESOL"),
    "revPBE": ("PBE", "REVPBE"),
    "BLYP": ("BLYP", ""),
    "LDA": ("PADE", ""),
}
"""Functional -> its section in CP2K's XC_FUNCTIONAL, and the parametrisation in that section."""
POTENTIAL_SETS = {"PBE": "GTH-PBE", "PBEsol": "GTH-PBE", "revPBE": "GTH-PBE", "BLYP": "GTH-BLYP", "LDA": "GTH-PADE"}
"""Functional -> the set of GTH pseudopotentials that is used with it; PBEsol and revPBE have no complete set."""

_DFT, _SCF = "FORCE_EVAL/DFT", "FORCE_EVAL/DFT/SCF"
OWNED = {
    **dict.fromkeys(("GLOBAL/PROJECT", "GLOBAL/PROJECT_NAME", "GLOBAL/RUN_TYPE"), "labels need it so"),
    **dict.fromkeys(("GLOBAL/PRINT_LEVEL", "FORCE_EVAL/METHOD", "FORCE_EVAL/STRESS_TENSOR"), "labels need it so"),
    **dict.fromkeys(("FORCE_EVAL/PRINT", "FORCE_EVAL/SUBSYS/PRINT", f"{_DFT}/QS/METHOD"), "labels need it so"),
    **dict.fromkeys(("FORCE_EVAL/SUBSYS/CELL", "FORCE_EVAL/SUBSYS/COORD"), "it is that of the frame"),
    "FORCE_EVAL/SUBSYS/KIND": "write finetune.label.basis_sets, potentials, magmoms, hubbard",
    f"{_DFT}/BASIS_SET_FILE_NAME": "write finetune.label.basis_files",
    f"{_DFT}/POTENTIAL_FILE_NAME": "write finetune.label.potential_files",
    f"{_DFT}/CHARGE": "the charge is that of the frame (info charge)",
    **dict.fromkeys((f"{_DFT}/MULTIPLICITY", f"{_DFT}/RELAX_MULTIPLICITY"), "the spin is the frame's (info spin)"),
    **dict.fromkeys((f"{_DFT}/UKS", f"{_DFT}/LSD"), "write finetune.label.spin_polarised"),
    f"{_DFT}/PLUS_U_METHOD": "write finetune.label.hubbard: {Fe: {orbital: d, U_eV: 4.0}}",
    f"{_DFT}/KPOINTS": "write finetune.label.kspacing_per_A",
    f"{_DFT}/POISSON": "write finetune.label.open_boundaries",
    f"{_DFT}/MGRID/CUTOFF": "write finetune.label.cutoff_Ry",
    f"{_DFT}/MGRID/REL_CUTOFF": "write finetune.label.rel_cutoff_Ry",
    f"{_DFT}/QS/EPS_DEFAULT": "write finetune.label.eps_default",
    f"{_DFT}/XC/XC_FUNCTIONAL": "write finetune.label.functional",
    f"{_DFT}/XC/VDW_POTENTIAL": "write finetune.label.d3",
    f"{_SCF}/EPS_SCF": "write finetune.label.eps_scf",
    f"{_SCF}/MAX_SCF": "write finetune.label.max_scf_steps",
    f"{_SCF}/MIXING/ALPHA": "write finetune.label.mixing_alpha",
    f"{_SCF}/SMEAR": "write finetune.label.smearing and finetune.label.electronic_temperature_K",
    **dict.fromkeys((f"{_SCF}/ADDED_MOS", f"{_SCF}/SCF_GUESS", f"{_SCF}/PRINT/RESTART"), "labels need it so"),
    **dict.fromkeys((f"{_SCF}/OT", f"{_SCF}/DIAGONALIZATION/_"), "metals need the diagonalisation"),
    f"{_SCF}/IGNORE_CONVERGENCE_FAILURE": "an unconverged run is no label",
}
"""Sections and keys that the labeler writes itself -> what to do instead."""
HARMLESS = (
    "GLOBAL/",
    *(
        f"{_SCF}/{name}"
        for name in ("MIXING/", "DIAGONALIZATION/", "OT/", "MAX_", "CHOLESKY", "EPS_DIIS", "EPS_EIGVAL")
    ),
    *(f"{_SCF}/{name}" for name in ("NCOL_BLOCK", "NROW_BLOCK", "NOTCONV_STOPALL", "LEVEL_SHIFT", "FORCE_SCF_CALC")),
)
"""How paths of keys begin that do not change the physics; so do those of all print sections."""


class CP2KSettings(StartSettings, ProgramSettings):
    """Settings of CP2K."""

    paths: ClassVar[tuple[str, ...]] = (*ProgramSettings.paths, "data_dir")
    form: ClassVar[Mapping[str, Blank]] = MappingProxyType(
        {
            "basis_sets": Blank(
                {"{element}": "DZVP-MOLOPT-SR-GTH"}, "TZVP is more accurate; cutoff_Ry and kspacing_per_A have defaults"
            )
        }
    )
    method: Literal["cp2k"] = "cp2k"
    command: str = "cp2k.psmp"
    """How CP2K is started, such as ``mpirun -np 8 cp2k.psmp``; no shell is involved."""
    data_dir: Path | None = None
    """The folder of CP2K's basis sets and pseudopotentials; if not given, $CP2K_DATA_DIR, or the folder that was
    installed with the program (share/cp2k, share/cp2k/data)."""
    basis_files: tuple[str, ...] = ("BASIS_MOLOPT", "BASIS_MOLOPT_UZH")
    """Files of basis sets, in ``data_dir`` or with a path; the first that has the element and the name counts."""
    potential_files: tuple[str, ...] = ("GTH_POTENTIALS", "POTENTIAL_UZH")
    """Files of pseudopotentials, in ``data_dir`` or with a path; the first that has the element and the name counts."""
    basis_sets: dict[str, str] = Field(min_length=1)
    """Chemical symbol -> name of its basis set, such as ``{Si: DZVP-MOLOPT-SR-GTH}``; no default: the number of
    functions decides cost and error, and the SR sets (short range) are those that condensed phases bear."""
    potentials: dict[str, str] = Field(default_factory=dict)
    """Chemical symbol -> name of its GTH pseudopotential, such as GTH-PBE-q4; if not given, the one that CP2K's files
    name for the functional without a number of electrons (GTH-PBE also for PBEsol and revPBE)."""
    functional: Literal["PBE", "PBEsol", "revPBE", "BLYP", "LDA"] = "PBE"
    """Exchange-correlation functional: PBE, that of most pre-trained models; others are those with GTH sets."""
    d3: bool = False
    """Add Grimme's D3 dispersion with Becke-Johnson damping: off, as most pre-trained models have none."""
    cutoff_Ry: float | None = Field(default=None, gt=0.0)
    """Cutoff of the finest grid, Ry; if not given, ``rel_cutoff_Ry`` times the largest exponent of ``basis_sets`` in
    1/Bohr^2, in steps of 50, and 200 at least: so the sharpest Gaussian, too, has a grid as fine as it needs. That is
    200 for silicon, 650 for hydrogen and oxygen (docs/labels-cp2k.md). A grid that is too coarse leaves a net force."""
    rel_cutoff_Ry: float = Field(default=60.0, gt=0.0)
    """Cutoff that decides which grid a Gaussian is mapped to, Ry."""
    eps_default: float = Field(default=1e-12, gt=0.0)
    """CP2K's EPS_DEFAULT, the threshold from which those of its integrals follow."""
    kspacing_per_A: float = Field(default=0.2, gt=0.0)
    """Largest distance of k-points in a Gamma-centred mesh, 1/Å, with the factor 2 pi: 0.2 suits most solids, metals
    may need 0.1. Directions that are not periodic get one k-point; Gamma alone is computed with real orbitals."""
    smearing: Literal["fermi-dirac", "none"] = "fermi-dirac"
    """Occupations: Fermi-Dirac smearing, which metals, insulators and the liquids between all survive; none keeps them
    fixed, which suits insulators only."""
    electronic_temperature_K: float = Field(default=1000.0, gt=0.0)
    """Temperature of the electrons, K: 1000 (kT = 0.086 eV), small enough to leave forces alone and large enough to
    converge."""
    open_boundaries: Literal["analytic", "periodic"] = "analytic"
    """Electrostatics along directions that are not periodic: analytic cuts the Coulomb interaction off, so that images
    do not feel each other's dipoles and charges, and needs a box of twice the atoms' extent; periodic takes the box as
    it is, as plane-wave codes do."""
    spin_polarised: bool = False
    """Compute all frames with spin; without it those that ask for moments or a spin are, and, of an odd number of
    electrons, molecules and frames without smearing."""
    magmoms: dict[str, float] = Field(default_factory=dict)
    """Chemical symbol -> initial moment, Bohr magnetons, of frames that bring none of their own; other elements start
    with 0. Any moment makes the run spin-polarised."""
    hubbard: dict[str, Hubbard] = Field(default_factory=dict)
    """Chemical symbol -> DFT+U, such as ``{Fe: {orbital: d, U_eV: 4.0}}``, on Mulliken populations; U stands for U - J
    here. CP2K knows it at Gamma only, so it needs large cells; its stress is no gradient of the energy then, and such
    labels have none."""
    eps_scf: float = Field(default=1e-6, gt=0.0)
    """SCF threshold on the largest change of the density matrix."""
    max_scf_steps: int = Field(default=80, ge=2)
    """SCF steps of the first try: 80, twice what a difficult good frame takes."""
    mixing_alpha: float = Field(default=0.4, gt=0.0, le=1.0)
    """Share of the new density in each Broyden mixing: 0.4, CP2K's own."""
    ladder: bool = True
    """Try an unconverged frame twice more, with more steps and gentler mixing: it does not change the physics, and what
    was changed is recorded."""
    sections: dict[str, Any] = Field(default_factory=dict)
    """More of CP2K's input, section by section from the top, such as ``{FORCE_EVAL: {DFT: {SCF: {MIXING: {NBUFFER:
    8}}}}}``; ``_`` is the parameter of a section, a list of sections repeats it. Keys that the labeler writes itself
    are refused, and unknown ones stop CP2K."""

    @field_validator("sections")
    @classmethod
    def _not_owned(cls, sections: dict[str, Any]) -> dict[str, Any]:
        inner = {own.rsplit("/", depth)[0] for own in OWNED for depth in range(1, own.count("/") + 1)}
        if path := replaced(sections, inner):
            raise ValueError(f"{path}: the labeler writes this section; give the keys to add to it, once")
        for path, value in leaves(sections):
            owner = next((own for own in OWNED if f"{path}/".startswith(f"{own}/")), None)
            if owner:
                raise ValueError(f"{path}: the labeler writes it itself; {OWNED[owner]}")
            for part in value if isinstance(value, list) else [value]:
                if not isinstance(part, bool | int | float | str) or "\n" in str(part):
                    raise ValueError(f"{path}: write a number, a word, or a list of them, not {part!r}")
            if not path.startswith(("GLOBAL/", "FORCE_EVAL/")):
                raise ValueError(f"{path}: a single point takes only what stands in FORCE_EVAL or GLOBAL")
        return sections

    @model_validator(mode="after")
    def _consistent(self) -> CP2KSettings:
        if lacking := sorted(set(self.potentials) - set(self.basis_sets)):
            raise ValueError(f"potentials: {lacking[0]} has no basis set; add it to basis_sets")
        if lacking := sorted({*self.hubbard, *self.magmoms} - set(self.basis_sets)):
            raise ValueError(f"hubbard, magmoms: {lacking[0]} has no basis set; add it to basis_sets")
        if exchange := [element for element, each in self.hubbard.items() if each.J_eV]:
            raise ValueError(f"hubbard.{exchange[0]}: CP2K knows U - J only; write it as U_eV")
        if self.smearing == "none" and self.moved("electronic_temperature_K"):
            raise ValueError("electronic_temperature_K is without effect with smearing: none; remove it")
        if self.d3 and self.functional == "LDA":
            raise ValueError("d3: D3 has no parameters for LDA")
        return self

    def cutoff_for(self, exponent: float) -> float:
        """``cutoff_Ry``, or its default for the largest exponent of a Gaussian, 1/Bohr^2; in Ry."""
        return self.cutoff_Ry or max(200.0, 50.0 * math.ceil(self.rel_cutoff_Ry * exponent / 50.0))

    def potential_name(self, element: str) -> str:
        """The name of an element's pseudopotential."""
        return self.potentials.get(element, POTENTIAL_SETS[self.functional])

    def extra_physics(self) -> list[tuple[str, Any]]:
        """Those of the additional keys that change the physics, sorted by their paths."""
        chosen = [
            (path, value)
            for path, value in leaves(self.sections)
            if not path.startswith(HARMLESS) and "/PRINT/" not in path
        ]
        return sorted(chosen, key=str)
