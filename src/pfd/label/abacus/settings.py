"""Settings of the ABACUS labeler: which belong to the physics, and which only to the way there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from pfd.label.engine_program import ProgramSettings
from pfd.label.hubbard import Hubbard
from pfd.label.labeler import Blank
from pfd.label.magnetic_starts import StartSettings

Scalar = bool | int | float | str

OWNED = {
    **dict.fromkeys(("suffix", "calculation", "stru_file", "kpoint_file", "ntype", "init_chg"), "labels need it so"),
    **dict.fromkeys(("cal_force", "cal_stress", "latname", "gamma_only", "esolver_type"), "labels need it so"),
    **dict.fromkeys(("nelec", "nelec_delta"), "the charge is that of the frame (info charge)"),
    "nupdown": "the spin is that of the frame (info spin)",
    "pseudo_dir": "write finetune.label.pseudo_dir",
    "orbital_dir": "write finetune.label.orbital_dir",
    "basis_type": "write finetune.label.basis",
    "ecutwfc": "write finetune.label.ecutwfc_Ry",
    "kspacing": "write finetune.label.kspacing_per_A (1/Å; ABACUS counts in 1/Bohr)",
    **dict.fromkeys(
        ("smearing_method", "smearing_sigma", "smearing_sigma_temp"),
        "write finetune.label.smearing and finetune.label.sigma_Ry",
    ),
    "scf_thr": "write finetune.label.scf_thr",
    "scf_nmax": "write finetune.label.max_scf_steps",
    "mixing_beta": "write finetune.label.mixing_beta",
    **dict.fromkeys(
        ("dft_plus_u", "orbital_corr", "hubbard_u"), "write finetune.label.hubbard: {Fe: {orbital: d, U_eV: 5.3}}"
    ),
    **dict.fromkeys(("noncolin", "lspinorb"), "moments are collinear here"),
    **dict.fromkeys(
        ("efield_flag", "dip_cor_flag", "efield_dir", "efield_amp"), "write finetune.label.dipole_correction: true"
    ),
}
"""Keys that the labeler writes itself -> what to do instead."""
HARMLESS = (
    *(
        "ks_solver",
        "mixing_",
        "scf_ene_thr",
        "scf_os_",
        "symmetry",
        "kpar",
        "bndpar",
        "diago_",
        "pw_diag_",
        "diag_subspace",
    ),
    *("nb2d", "device", "out_", "printe", "init_wfc", "pw_seed", "bx", "by", "bz", "elpa_num_thread", "num_stream"),
    *("restart_save", "min_dist_coef", "mem_saver", "chg_extrap", "test_", "timer_", "cell_factor"),
)
"""How names of keys begin that do not change the physics."""


class AbacusSettings(StartSettings, ProgramSettings):
    """Settings of ABACUS."""

    paths: ClassVar[tuple[str, ...]] = (*ProgramSettings.paths, "pseudo_dir", "orbital_dir", "kpt_file")
    form: ClassVar[Mapping[str, Blank]] = MappingProxyType(
        {
            "pseudo_dir": Blank("path/to/pseudopotentials", "the folder of the UPF files, norm-conserving"),
            "pseudopotentials": Blank({"{element}": "{element}.upf"}, "their names"),
            "ecutwfc_Ry": Blank(100, "what their makers recommend, or more; converge it"),
        }
    )
    method: Literal["abacus"] = "abacus"
    command: str = "abacus"
    """How ABACUS is started, such as ``mpirun -np 8 abacus``; no shell is involved."""
    basis: Literal["pw", "lcao"] = "pw"
    """Plane waves, or numerical atomic orbitals, which are faster for large frames and need ``orbitals``."""
    pseudo_dir: Path
    """The folder of the pseudopotential files."""
    pseudopotentials: dict[str, str] = Field(min_length=1)
    """Chemical symbol -> file name (UPF, norm-conserving) in ``pseudo_dir``."""
    orbital_dir: Path | None = None
    """The folder of the orbital files; ``pseudo_dir`` if not given."""
    orbitals: dict[str, str] = Field(default_factory=dict)
    """Chemical symbol -> file name of its numerical atomic orbitals, with ``basis: lcao``."""
    ecutwfc_Ry: float = Field(gt=0.0)
    """Cutoff of the wave functions, Ry; with orbitals, of the grid. No default: the pseudopotentials decide."""
    kspacing_per_A: float = Field(default=0.2, gt=0.0)
    """Largest distance of k-points in a Gamma-centred mesh, 1/Å, with the factor 2 pi (ABACUS's own key counts in
    1/Bohr): 0.2 suits most solids, metals may need 0.1. Directions that are not periodic get one k-point."""
    kpt_file: Path | None = None
    """A KPT file in the place of ``kspacing_per_A``, used as it is for every frame."""
    smearing: Literal["gaussian", "cold", "methfessel-paxton", "fermi-dirac", "none"] = "gaussian"
    """Occupations: Gaussian smearing, ABACUS's own; none keeps them fixed, which suits insulators only."""
    sigma_Ry: float = Field(default=0.01, gt=0.0)
    """Width of the smearing, Ry: 0.01, small enough to leave forces alone and large enough to converge."""
    scf_thr: float | None = Field(default=None, gt=0.0)
    """SCF threshold on the density (ABACUS's scf_thr): 1e-9 with plane waves, 1e-7 with orbitals, ABACUS's own."""
    max_scf_steps: int = Field(default=100, ge=2)
    """SCF steps of the first try: 100, ABACUS's own, twice what a difficult good frame takes."""
    mixing_beta: float = Field(default=0.4, gt=0.0, le=1.0)
    """Share of the new density in each mixing: 0.4, ABACUS's own with spin; 0.8, its own without, is faster."""
    magmoms: dict[str, float] = Field(default_factory=dict)
    """Chemical symbol -> initial moment, Bohr magnetons, of frames that bring none of their own; other elements start
    with 0. Any moment makes the run spin-polarised (nspin 2)."""
    hubbard: dict[str, Hubbard] = Field(default_factory=dict)
    """Chemical symbol -> DFT+U (dft_plus_u 1), such as ``{Fe: {orbital: d, U_eV: 5.3}}``; U stands for U - J here."""
    dipole_correction: bool = False
    """Correct slabs for their dipole (efield_flag, dip_cor_flag along the vacuum, no field); periodic frames are left
    alone."""
    ladder: bool = True
    """Try an unconverged frame twice more, with more steps and gentler mixing: it does not change the physics, and what
    was changed is recorded."""
    input: dict[str, Scalar | list[Scalar]] = Field(default_factory=dict)
    """More keys of INPUT, such as ``{vdw_method: d3_bj, nspin: 2}``; those that the labeler writes itself are refused,
    and unknown ones stop ABACUS."""

    @field_validator("input")
    @classmethod
    def _not_owned(cls, more: dict[str, Scalar | list[Scalar]]) -> dict[str, Scalar | list[Scalar]]:
        lower = {key.lower(): value for key, value in more.items()}
        for key, value in lower.items():
            if key in OWNED:
                raise ValueError(f"{key}: the labeler writes it itself; {OWNED[key]}")
            if key == "nspin" and value not in {1, 2}:
                raise ValueError("nspin: moments are collinear here; write 1 or 2")
        return lower

    @model_validator(mode="after")
    def _consistent(self) -> AbacusSettings:
        if self.basis == "lcao" and (lacking := sorted(set(self.pseudopotentials) - set(self.orbitals))):
            raise ValueError(f"orbitals: basis lcao needs those of {', '.join(lacking)} too")
        if self.basis == "pw" and self.orbitals:
            raise ValueError("orbitals: plane waves need none; write basis: lcao, or remove them")
        if self.kpt_file is not None and self.moved("kspacing_per_A"):
            raise ValueError("kpt_file and kspacing_per_A exclude each other: remove one")
        if exchange := [element for element, each in self.hubbard.items() if each.J_eV]:
            raise ValueError(f"hubbard.{exchange[0]}: ABACUS knows U only; write U - J as U_eV")
        if plain := [element for element, each in self.hubbard.items() if each.orbital == "s"]:
            raise ValueError(f"hubbard.{plain[0]}: ABACUS corrects p, d and f shells")
        return self

    def extra_physics(self) -> dict[str, Scalar | list[Scalar]]:
        """Those of the additional keys that change the physics, sorted."""
        own = {"nspin": 1}
        chosen = {key: self.input[key] for key in sorted(self.input) if not key.startswith(HARMLESS)}
        return {key: value for key, value in chosen.items() if own.get(key) != value}
