"""pymatgen's static input sets of the Materials Project and MatPES, as presets of VASP's input."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pfd.errors import InputError
from pfd.label.vasp.incar import Value, incar_value
from pfd.plugins import install_command, require_modules

if TYPE_CHECKING:
    from ase import Atoms

PresetName = Literal["MatPES-PBE", "MatPES-PBE+U", "MatPES-r2SCAN", "MP-static", "MP-r2SCAN-static"]
_SETS: dict[str, tuple[str, dict[str, str]]] = {
    "MatPES-PBE": ("MatPESStaticSet", {"xc_functional": "PBE"}),
    "MatPES-PBE+U": ("MatPESStaticSet", {"xc_functional": "PBE+U"}),
    "MatPES-r2SCAN": ("MatPESStaticSet", {"xc_functional": "R2SCAN"}),
    "MP-static": ("MPStaticSet", {}),
    "MP-r2SCAN-static": ("MPScanStaticSet", {}),
}
_BY_SPECIES = ("LDAUL", "LDAUU", "LDAUJ")
_FILES = {"LWAVE", "LCHARG", "LAECHG", "LVTOT", "LVHAR", "LELF"}
LOOSEST_EDIFF = 1e-5
"""eV. MP-static asks for 5e-5 per atom: enough for its energies, not for forces of large frames."""


@dataclass(frozen=True)
class Preset:
    """What a preset says of one structure.

    Attributes:
        incar: keys, without those that go by atom or element, or only ask for large files; EDIFF is tightened to 1e-5.
        magmoms: initial moment of each element, Bohr magnetons.
        hubbard: element -> (l, U, J), eV, of those that are corrected.
        kspacing_per_A: VASP's KSPACING, None if it gives a mesh.
        mesh: divisions, and whether the mesh is centred at Gamma; None if it gives KSPACING.
        potcars: element -> name of its POTCAR.
        release: the release of POTCARs it was made for, as pymatgen calls it (``PBE_64``).
    """

    incar: Mapping[str, Value]
    magmoms: Mapping[str, float]
    hubbard: Mapping[str, tuple[int, float, float]]
    kspacing_per_A: float | None
    mesh: tuple[tuple[int, int, int], bool] | None
    potcars: Mapping[str, str]
    release: str


def preset_of(name: PresetName, atoms: Atoms) -> Preset:
    """Ask pymatgen's set; POTCARs are not needed for it.

    Args:
        name: the preset.
        atoms: their order plays no part.

    Raises:
        MissingError: if pymatgen is not installed.
        InputError: if the set does not know an element.

    Source: https://pymatgen.org/pymatgen.io.vasp.html (module sets).
    """
    require_modules(("pymatgen",), what=f"the preset {name}", install=install_command("structures"))
    from pymatgen.core import Structure
    from pymatgen.io.vasp import sets

    kind, options = _SETS[name]
    structure = Structure(atoms.cell.array, atoms.get_chemical_symbols(), atoms.get_scaled_positions(wrap=False))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of POTCARs that are looked for elsewhere, and of cobalt's low spin
        chosen = getattr(sets, kind)(structure, **options)
        try:
            incar, kpoints, names = dict(chosen.incar), chosen.kpoints, list(chosen.potcar_symbols)
        except KeyError as error:
            what = f"the preset {name} does not know {error.args[0]}"
            raise InputError(what, where="finetune.label.preset", hint="write the keys of INCAR out") from error
    symbols = [site.specie.symbol for site in chosen.structure]  # the set has sorted the atoms
    elements = list(dict.fromkeys(symbols))
    shells = zip(elements, *(incar.get(key, [0] * len(elements)) for key in _BY_SPECIES), strict=True)
    return Preset(
        incar=_plain(incar),
        magmoms=dict(zip(symbols, map(float, incar.get("MAGMOM", ())), strict=False)),
        hubbard={element: (int(shell), float(u), float(j)) for element, shell, u, j in shells if u or j},
        kspacing_per_A=None if "KSPACING" not in incar else float(incar["KSPACING"]),
        mesh=None if kpoints is None else _mesh(kpoints),
        potcars=dict(zip(elements, names, strict=True)),
        release=str(chosen.user_potcar_functional),
    )


def _plain(incar: Mapping[str, Any]) -> dict[str, Value]:
    apart = {"MAGMOM", "KSPACING", "LDAU", "LDAUTYPE", *_BY_SPECIES, *_FILES}
    plain = {key: incar_value(key, value) for key, value in incar.items() if key not in apart}
    return plain | {"EDIFF": min(float(incar.get("EDIFF", LOOSEST_EDIFF)), LOOSEST_EDIFF)}


def _mesh(kpoints: Any) -> tuple[tuple[int, int, int], bool]:
    first, second, third = (int(count) for count in kpoints.kpts[0])
    return (first, second, third), str(kpoints.style).lower().startswith("gamma")
