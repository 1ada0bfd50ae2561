"""Settings of the VASP labeler: INCAR, k-points, POTCARs, moments and Hubbard terms."""

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
from pfd.label.vasp.incar import Value, incar_value, mistake_in, unknown_key
from pfd.label.vasp.preset import PresetName

Scalar = bool | int | float | str
OF_INCAR = frozenset({"preset", "incar_file"})
"""Settings that bring an INCAR."""


class VaspSettings(StartSettings, ProgramSettings):
    """Settings of VASP."""

    paths: ClassVar[tuple[str, ...]] = (*ProgramSettings.paths, "potcar_dir", "incar_file", "kpoints_file")
    form: ClassVar[Mapping[str, Blank]] = MappingProxyType(
        {
            "potcar_dir": Blank("path/to/potcars", "the folder of your POTCARs, of Ti_pv/POTCAR and the like"),
            "potcars": Blank({"{element}": "{element}"}, "or Ti_pv, Ti_sv ..."),
            "incar": Blank({"ENCUT": 520}, "converge ENCUT for these POTCARs; more keys as in INCAR", OF_INCAR),
            "kspacing_per_A": Blank(
                0.2,
                "largest distance of k-points, factor 2 pi included; metals may need 0.1",
                OF_INCAR | {"kpoints_file"},
            ),
        }
    )
    method: Literal["vasp"] = "vasp"
    command: str = "vasp_std"
    """How VASP is started, such as ``mpirun -np 16 vasp_std``; no shell is involved."""
    preset: PresetName | None = None
    """Static input set of MatPES or the Materials Project, as pymatgen has it (needs pymatgen); keys of ``incar_file``
    and ``incar``, and the k-points given here, replace the preset's."""
    incar_file: Path | None = None
    """An INCAR to take keys from."""
    incar: dict[str, Scalar | list[Scalar]] = Field(default_factory=dict)
    """Keys of INCAR, such as ``{ENCUT: 520, ISMEAR: 0, SIGMA: 0.05}``; one that the file gives too is refused. A run is
    static (NSW 0, IBRION -1, ISIF 2), and without another value PREC is Accurate, EDIFF 1e-6, NELM 100, ISMEAR 0 with
    SIGMA 0.05, LWAVE and LCHARG off. ENCUT has no default: VASP's own depends on the elements of the frame."""
    incar_also_known: list[str] = Field(default_factory=list)
    """Keys of INCAR that your VASP knows and our list does not; unknown keys are refused, since VASP passes over a
    misspelt one without a word."""
    kpoints_file: Path | None = None
    """A KPOINTS file, used as it is for every frame: right where all frames have cells of about one size."""
    kspacing_per_A: float | None = Field(default=None, gt=0.0)
    """Largest distance of k-points in a Gamma-centred mesh, 1/Å, with the factor 2 pi: VASP's KSPACING. Directions that
    are not periodic get one k-point. Give this, ``kpoints_file``, a preset, or KSPACING in INCAR."""
    potcar_dir: Path
    """The folder of your POTCARs: of ``Ti_pv/POTCAR`` or ``POTCAR.Ti_pv``, gzipped or not, or of files that ``potcars``
    names as they are."""
    potcars: dict[str, str] | list[str] = Field(min_length=1)
    """Chemical symbol -> name of its POTCAR, such as ``{Ti: Ti_pv, O: O}``; with a preset a list of elements is enough,
    since the preset names their POTCARs. Title and digest are in the level of theory; the content is kept nowhere."""
    magmoms: dict[str, float] = Field(default_factory=dict)
    """Chemical symbol -> initial moment, Bohr magnetons, of frames that bring none of their own; other elements start
    with the preset's moment, or with 0. Any moment makes the run spin-polarised (ISPIN 2)."""
    hubbard: dict[str, Hubbard] = Field(default_factory=dict)
    """Chemical symbol -> DFT+U, such as ``{Fe: {orbital: d, U_eV: 5.3}}``; it replaces a preset's. LDAUTYPE is 2
    (Dudarev) unless INCAR says otherwise."""
    dipole_correction: bool = False
    """Correct energy and potential of slabs and molecules for their dipole (LDIPOL, IDIPOL along the vacuum, DIPOL in
    the middle of the atoms); frames that are periodic in three directions are left alone."""
    ladder: bool = True
    """Try an unconverged frame twice more, with more steps and linear mixing, then with another algorithm: neither
    changes the physics, and what was changed is recorded. The smearing stays: it is part of the free energy."""

    @field_validator("incar")
    @classmethod
    def _upper_case(cls, incar: dict[str, Scalar | list[Scalar]]) -> dict[str, Scalar | list[Scalar]]:
        upper = {key.upper(): value for key, value in incar.items()}
        if len(upper) != len(incar):
            raise ValueError("a key stands twice, in upper and lower case")
        return upper

    @model_validator(mode="after")
    def _consistent(self) -> VaspSettings:
        for key, value in self.incar_keys().items():
            if wrong := unknown_key(key, self.incar_also_known) or mistake_in(key, value):
                raise ValueError(f"incar.{key}: {wrong}")
        if self.kpoints_file is not None and self.kspacing_per_A is not None:
            raise ValueError("kpoints_file and kspacing_per_A exclude each other: remove one")
        if isinstance(self.potcars, list) and self.preset is None:
            raise ValueError("potcars: without a preset, name the POTCAR of each element, such as {Ti: Ti_pv}")
        return self

    def incar_keys(self) -> dict[str, Value]:
        """The keys of ``incar``, in the form in which values are compared."""
        return {key: incar_value(key, value) for key, value in self.incar.items()}

    def elements(self) -> list[str]:
        """The elements that have a POTCAR, sorted."""
        return sorted(self.potcars)
