"""Settings of the GPAW labeler: plane waves, functional, k-points, smearing, convergence and setups."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Literal

from pydantic import Field

from pfd.environments.launch import EnvironmentSettings
from pfd.label.ase_calculator.launcher import LaunchedSettings
from pfd.label.labeler import Blank
from pfd.label.magnetic_starts import StartSettings
from pfd.settings import Settings


class GPAWConvergence(Settings):
    """When GPAW's SCF cycle has converged; see its manual, ``convergence``."""

    energy_eV_per_electron: float = Field(default=5e-4, gt=0.0)
    """Largest change of the energy in three steps, eV per valence electron: GPAW's own; the other two decide."""
    density_per_electron: float = Field(default=1e-5, gt=0.0)
    """Largest change of the density in a step, electrons per valence electron: a tenth of GPAW's own, because forces
    are of first order in it."""
    eigenstates_eV2_per_electron: float = Field(default=4e-8, gt=0.0)
    """Largest residual of the wave functions, eV² per valence electron: GPAW's own."""

    def keywords(self) -> dict[str, float]:
        """GPAW's names of them."""
        return {
            "energy": self.energy_eV_per_electron,
            "density": self.density_per_electron,
            "eigenstates": self.eigenstates_eV2_per_electron,
        }


class GPAWSettings(StartSettings, LaunchedSettings):
    """Settings of GPAW."""

    form: ClassVar[Mapping[str, Blank]] = MappingProxyType(
        {"ecut_eV": Blank(600, "converge it: the stress needs more than the forces")}
    )
    method: Literal["gpaw"] = "gpaw"
    environment: EnvironmentSettings | None = None
    """How an interpreter with GPAW is started. Default: what the section ``environments`` says of ``gpaw``, else the
    environment that ``pfd env create gpaw`` built, else the one that pfd runs in."""
    ecut_eV: float = Field(gt=0.0)
    """Cutoff of the plane waves, eV. No default: the elements decide. GPAW's own 340 is enough for silicon; in MgO 500
    gives good forces and a stress of the wrong sign (docs/labels-gpaw.md)."""
    xc: str = Field(default="PBE", min_length=1)
    """Functional: LDA, PBE, RPBE or revPBE, for which there are setups; others need a GPAW with Libxc."""
    kspacing_per_A: float = Field(default=0.2, gt=0.0)
    """Largest distance of k-points in a Gamma-centred mesh, 1/Å, with the factor 2 pi: 0.2 suits most solids, metals
    may need 0.1. Directions that are not periodic get one k-point."""
    smearing: Literal["fermi-dirac", "marzari-vanderbilt", "methfessel-paxton", "none"] = "fermi-dirac"
    """Occupations: Fermi-Dirac, GPAW's own; none fills the lowest states, which suits insulators and molecules only."""
    width_eV: float = Field(default=0.1, gt=0.0)
    """Width of the smearing, eV: 0.1, GPAW's own for periodic frames. It is part of the label, the free energy."""
    max_scf_steps: int = Field(default=100, ge=2)
    """SCF steps of the first try: 100, three times what a difficult good frame takes; GPAW's own 333 costs more than
    the next try of the ladder."""
    mixing_beta: float | None = Field(default=None, gt=0.0, le=1.0)
    """Share of the new density in each mixing. Default none: GPAW's own mixer with its own share."""
    convergence: GPAWConvergence = GPAWConvergence()
    """When the SCF cycle has converged."""
    setups: dict[str, str] = Field(default_factory=dict)
    """Chemical symbol (or ``default``) -> GPAW's name of another setup, such as ``{Mg: '2'}``, or with DFT+U
    ``{Fe: ':d,4.0'}``. Without it the standard setup of each element is taken."""
    magmoms: dict[str, float] = Field(default_factory=dict)
    """Chemical symbol -> initial moment, Bohr magnetons, of frames that bring none of their own; other elements start
    with 0. Any moment makes the run spin-polarised."""
    dipole_correction: bool = False
    """Correct slabs, periodic in two directions, for their dipole; other frames are left alone."""
    ladder: bool = True
    """Try an unconverged frame twice more, with more steps, gentler mixing and more work on the wave functions, then
    with another mixer: neither changes the physics, and what was changed is recorded."""
