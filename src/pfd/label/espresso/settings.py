"""Settings of the Quantum ESPRESSO labeler: which belong to the physics, and which only to the way there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from pfd.label.engine_program import ProgramSettings
from pfd.label.labeler import Blank
from pfd.label.magnetic_starts import StartSettings

Scalar = bool | int | float | str

OWNED = {
    "control": {"calculation", "prefix", "outdir", "pseudo_dir", "tprnfor", "tstress", "restart_mode"},
    "system": {
        *("ibrav", "nat", "ntyp", "ecutwfc", "ecutrho", "occupations", "smearing", "degauss"),
        *("tot_charge", "tot_magnetization"),
    },
    "electrons": {"conv_thr", "electron_maxstep", "mixing_beta"},
}
"""Keys that the labeler writes itself."""
HARMLESS = {
    "control": {"verbosity", "disk_io", "max_seconds", "wf_collect", "title", "iprint", "lkpoint_dir", "wfcdir"},
    "system": {"nosym", "nosym_evc", "noinv", "use_all_frac", "nr1", "nr2", "nr3"},
}
"""Keys of control and system that do not change the physics."""
ELECTRONS_PHYSICS = {"efield", "efield_cart", "efield_phase", "tqr", "real_space"}
"""Keys of electrons that do; all others there say how to get to the ground state."""

SAWTOOTH = {"tefield", "dipfield", "edir", "emaxpos", "eopreg", "eamp"}
"""Keys of the sawtooth potential, which ``dipole_correction`` writes."""


class EspressoSettings(StartSettings, ProgramSettings):
    """Settings of pw.x."""

    paths: ClassVar[tuple[str, ...]] = (*ProgramSettings.paths, "pseudo_dir")
    form: ClassVar[Mapping[str, Blank]] = MappingProxyType(
        {
            "pseudo_dir": Blank("path/to/pseudopotentials", "the folder of the UPF files"),
            "pseudopotentials": Blank({"{element}": "{element}.upf"}, "their names"),
            "ecutwfc_Ry": Blank(60, "what their makers recommend, or more; converge it"),
        }
    )
    method: Literal["espresso"] = "espresso"
    command: str = "pw.x"
    """How pw.x is started, such as ``mpirun -np 4 pw.x``; no shell is involved."""
    pseudo_dir: Path
    """The folder of the pseudopotential files."""
    pseudopotentials: dict[str, str]
    """Chemical symbol -> file name (UPF) in ``pseudo_dir``; there is no default, since no choice fits all materials."""
    ecutwfc_Ry: float = Field(gt=0.0)
    """Cutoff of the wave functions, Ry; no default: the pseudopotentials decide, and their makers recommend one."""
    ecutrho_Ry: float | None = Field(default=None, gt=0.0)
    """Cutoff of the density, Ry; None is 4 times ``ecutwfc_Ry`` if all pseudopotentials are norm-conserving, else 8."""
    kspacing_per_A: float = Field(default=0.2, gt=0.0)
    """Largest distance of k-points, 1/Å (with the factor 2 pi), in a Gamma-centred grid: 0.2 suits most solids, metals
    may need 0.1. Directions that are not periodic get one k-point."""
    smearing: Literal["cold", "gaussian", "methfessel-paxton", "fermi-dirac", "none"] = "cold"
    """Occupations: cold smearing (Marzari-Vanderbilt), which metals, insulators and the liquids between all survive."""
    degauss_Ry: float = Field(default=0.01, gt=0.0)
    """Width of the smearing, Ry: 0.01, small enough to leave forces alone and large enough to converge."""
    conv_thr_Ry: float = Field(default=1e-8, gt=0.0)
    """SCF threshold on the energy of the whole frame, Ry: 1e-8, since errors of the forces go with its square root."""
    max_scf_steps: int = Field(default=80, ge=1)
    """SCF steps of the first try: 80, twice what a difficult good frame takes."""
    mixing_beta: float = Field(default=0.7, gt=0.0, le=1.0)
    """Share of the new density in each mixing: 0.7, pw.x's own."""
    dipole_correction: bool = False
    """Correct slabs for their dipole (tefield and dipfield along the vacuum, jumping in its middle, no field); periodic
    frames are left alone. Default false: without vacuum, or with two equal faces, there is nothing to correct."""
    ladder: bool = True
    """Try an unconverged frame twice more, with more steps and gentler mixing, then with conjugate gradients: neither
    changes the physics, and what was changed is recorded."""
    namelists: dict[Literal["control", "system", "electrons"], dict[str, Scalar]] = Field(default_factory=dict)
    """More keys of pw.x, such as ``{system: {vdw_corr: dft-d3}}``; those that the labeler writes itself are refused."""

    @field_validator("namelists")
    @classmethod
    def _not_owned(cls, namelists: dict[str, dict[str, Scalar]]) -> dict[str, dict[str, Scalar]]:
        for section, keys in namelists.items():
            for key in keys:
                if key.lower() in OWNED[section] or key.lower().startswith("starting_magnetization"):
                    raise ValueError(
                        f"{section}.{key} is written by the labeler: use its own settings, or the frame's charge, "
                        "spin and initial magnetic moments"
                    )
        return namelists

    @model_validator(mode="after")
    def _one_field(self) -> EspressoSettings:
        given = {key.lower() for keys in self.namelists.values() for key in keys}
        if self.dipole_correction and (both := sorted(given & SAWTOOTH)):
            raise ValueError(f"dipole_correction writes {', '.join(both)} itself: remove it, or the key from namelists")
        return self

    def extra_physics(self) -> dict[str, Scalar]:
        """Those of the additional keys that change the physics, lower case, sorted."""
        chosen: dict[str, Scalar] = {}
        for section, keys in self.namelists.items():
            for key, value in keys.items():
                name = key.lower()
                physics = name in ELECTRONS_PHYSICS if section == "electrons" else name not in HARMLESS[section]
                if physics:
                    chosen[name] = value
        return dict(sorted(chosen.items()))
