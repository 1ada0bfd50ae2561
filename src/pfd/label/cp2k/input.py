"""CP2K's input of one frame: the sections of Quickstep, and files with the basis sets and pseudopotentials in use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pfd.errors import InputError
from pfd.frames import frame_id
from pfd.label.cp2k.data_file import Entry
from pfd.label.cp2k.electrons import Electrons, electrons_of
from pfd.label.cp2k.open_boundary import centred, periodicity, poisson
from pfd.label.cp2k.sections import Tree, merged, written
from pfd.label.cp2k.settings import FUNCTIONALS, CP2KSettings
from pfd.label.k_mesh import k_divisions

if TYPE_CHECKING:
    from ase import Atoms


@dataclass(frozen=True)
class CP2KInput:
    """The files of one frame.

    Attributes:
        sections: of the input file.
        basis: content of the file BASIS: the entries of the frame's elements.
        potential: the same of the file POTENTIAL.
        links: name in the run's folder -> the file that it leads to.
        k_points: divisions of the mesh.
        electrons: charge and spin.
        shift: what was added to the frame's positions, Å: atoms stand in the middle of open directions.
        has_stress: whether CP2K is asked for the stress: not of frames that are open, nor with DFT+U, where its stress
            was found to be no gradient of the energy (docs/labels-cp2k.md).
    """

    sections: Tree
    basis: str
    potential: str
    links: Mapping[str, Path]
    k_points: tuple[int, int, int]
    electrons: Electrons
    shift: np.ndarray
    has_stress: bool

    def write(self, folder: Path, tuned: Tree) -> None:
        """Write the files, with some keys replaced."""
        text = "\n".join(written(merged(self.sections, tuned))) + "\n"
        for name, content in (("cp2k.inp", text), ("BASIS", self.basis), ("POTENTIAL", self.potential)):
            (folder / name).write_text(content, encoding="utf-8")
        for name, target in self.links.items():
            (folder / name).symlink_to(target)


def cp2k_input(
    settings: CP2KSettings,
    basis_sets: Mapping[str, Entry],
    potentials: Mapping[str, Entry],
    links: Mapping[str, Path],
    frame: Atoms,
) -> CP2KInput:
    """The input of one frame; constraints do not enter: labels are raw forces.

    Args:
        settings: of the labeler, with a cutoff.
        basis_sets: by element.
        potentials: by element.
        links: see ``CP2KInput``.
        frame: the frame.

    Raises:
        InputError: if the frame cannot be computed with these settings; nothing was run yet.
    """
    where = f"frame {frame_id(frame)}"
    elements = list(dict.fromkeys(frame.get_chemical_symbols()))
    if lacking := sorted(set(elements) - set(basis_sets)):
        hint = f"add it to finetune.label.basis_sets ({', '.join(sorted(basis_sets))})"
        raise InputError(f"no basis set for {', '.join(lacking)}", where=where, hint=hint)
    if frame.cell.rank < 3:
        what = "CP2K needs a cell, also along directions that are not periodic"
        raise InputError(what, where=where, hint="put the atoms into a box of twice their extent, and 6 Å at least")
    counts = k_divisions(frame, settings.kspacing_per_A)
    electrons = electrons_of(settings, potentials, frame)
    _refuse_impossible(settings, elements, counts, electrons, where)
    shift = centred(settings, frame)
    plus_u = any(element in settings.hubbard for element in elements)
    has_stress = bool(frame.pbc.all()) and not plus_u
    dft = _dft(settings, electrons, plus_u=plus_u)
    dft |= _k_points(counts) | poisson(settings, frame)
    kinds, rows = _atoms(settings, frame, frame.positions + shift, electrons.moments)
    own: dict[str, Any] = {
        "GLOBAL": {"PROJECT": "pfd", "RUN_TYPE": "ENERGY_FORCE", "PRINT_LEVEL": "MEDIUM"},
        "FORCE_EVAL": {
            "METHOD": "QUICKSTEP",
            "STRESS_TENSOR": "ANALYTICAL" if has_stress else "NONE",
            "DFT": dft,
            "SUBSYS": {
                "CELL": _cell(frame) | {"PERIODIC": periodicity(settings, frame)},
                "COORD": {"*": rows},
                "KIND": kinds,
                "PRINT": {"CELL": {"UNIT": "pm"}},
            },
            "PRINT": {"FORCES": {"_": "ON", "NDIGITS": 12}} | ({"STRESS_TENSOR": {"_": "ON"}} if has_stress else {}),
        },
    }
    return CP2KInput(
        sections=merged(own, settings.sections),
        basis="".join(basis_sets[element].of(element) for element in elements),
        potential="".join(potentials[element].of(element) for element in elements),
        links=links,
        k_points=counts,
        electrons=electrons,
        shift=shift,
        has_stress=has_stress,
    )


def _refuse_impossible(
    settings: CP2KSettings, elements: list[str], counts: tuple[int, int, int], electrons: Electrons, where: str
) -> None:
    """What CP2K has no code for, found before it is run."""
    if counts == (1, 1, 1):
        return
    if corrected := sorted(set(elements) & set(settings.hubbard)):
        what = f"CP2K knows DFT+U at Gamma only, and this cell has {counts[0]} x {counts[1]} x {counts[2]} k-points"
        remove = f"remove finetune.label.hubbard.{corrected[0]}"
        hint = f"{remove}, or take larger cells, for which finetune.label.kspacing_per_A gives one"
        raise InputError(what, where=where, hint=hint)
    if electrons.fixed and settings.smearing != "none":
        what = "CP2K cannot keep the spin of a frame with both smearing and k-points"
        hint = "leave the spin out (initial moments start it), or write smearing: none"
        raise InputError(what, where=where, hint=hint)


def _dft(settings: CP2KSettings, electrons: Electrons, *, plus_u: bool) -> dict[str, Any]:
    section, parametrisation = FUNCTIONALS[settings.functional]
    functional: dict[str, Any] = {section: {"PARAMETRIZATION": parametrisation} if parametrisation else {"_": True}}
    dft: dict[str, Any] = {
        "BASIS_SET_FILE_NAME": "BASIS",
        "POTENTIAL_FILE_NAME": "POTENTIAL",
        "CHARGE": electrons.charge,
        "MULTIPLICITY": electrons.multiplicity,
        "UKS": electrons.polarised,
        "QS": {"METHOD": "GPW", "EPS_DEFAULT": settings.eps_default},
        "MGRID": {"CUTOFF": settings.cutoff_Ry, "REL_CUTOFF": settings.rel_cutoff_Ry},
        "SCF": _scf(settings, electrons),
        "XC": {"XC_FUNCTIONAL": functional},
    }
    if settings.d3:
        pair = {
            "TYPE": "DFTD3(BJ)",
            "PARAMETER_FILE_NAME": "dftd3.dat",
            "REFERENCE_FUNCTIONAL": settings.functional,
            "R_CUTOFF": "[angstrom] 16.0",
        }
        dft["XC"]["VDW_POTENTIAL"] = {"POTENTIAL_TYPE": "PAIR_POTENTIAL", "PAIR_POTENTIAL": pair}
    return dft | ({"PLUS_U_METHOD": "MULLIKEN"} if plus_u else {})


def _scf(settings: CP2KSettings, electrons: Electrons) -> dict[str, Any]:
    """Diagonalisation with Broyden mixing; of the empty orbitals all, so that none that matters is left out."""
    scf: dict[str, Any] = {
        "SCF_GUESS": "ATOMIC",
        "EPS_SCF": settings.eps_scf,
        "MAX_SCF": settings.max_scf_steps,
        "DIAGONALIZATION": {"_": "ON"},
        "MIXING": {"METHOD": "BROYDEN_MIXING", "ALPHA": settings.mixing_alpha},
        "PRINT": {"RESTART": {"_": "OFF"}},
    }
    if settings.smearing != "none":
        smear = {"_": "ON", "METHOD": "FERMI_DIRAC", "ELECTRONIC_TEMPERATURE": settings.electronic_temperature_K}
        if electrons.fixed:
            smear["FIXED_MAGNETIC_MOMENT"] = float(electrons.multiplicity - 1)
        scf |= {"ADDED_MOS": [-1, -1] if electrons.polarised else -1, "SMEAR": smear}
    return scf


def _k_points(counts: tuple[int, int, int]) -> dict[str, Any]:
    """A Gamma-centred mesh: CP2K's own of an even number of points leaves Gamma out unless it is shifted.

    Source: H. J. Monkhorst, J. D. Pack, Phys. Rev. B 13, 5188 (1976); A. H. MacDonald, Phys. Rev. B 18, 5897 (1978).
    """
    if counts == (1, 1, 1):
        return {}
    shifts = [0.0 if count % 2 else 0.5 / count for count in counts]
    return {"KPOINTS": {"SCHEME": ["MACDONALD", *counts, *shifts], "SYMMETRY": False, "FULL_GRID": False}}


def _cell(frame: Atoms) -> dict[str, str]:
    return {name: _row(vector) for name, vector in zip("ABC", frame.cell.array, strict=True)}


def _atoms(
    settings: CP2KSettings, frame: Atoms, positions: np.ndarray, moments: np.ndarray | None
) -> tuple[list[dict[str, Any]], list[str]]:
    """The kinds, one for each element and initial moment, and the lines of COORD in the frame's order."""
    given = np.zeros(len(frame)) if moments is None else moments.round(6)
    kinds: dict[tuple[str, float], dict[str, Any]] = {}
    rows = []
    for symbol, moment, position in zip(frame.get_chemical_symbols(), given, positions, strict=True):
        kind = kinds.get((symbol, moment))
        if kind is None:
            name = f"{symbol}_{1 + sum(symbol == other for other, _ in kinds)}"
            kind = kinds[symbol, moment] = {"_": name, "ELEMENT": symbol}
            kind |= {"BASIS_SET": settings.basis_sets[symbol], "POTENTIAL": settings.potential_name(symbol)}
            kind |= {"MAGNETIZATION": float(moment)} if moments is not None else {}
            if each := settings.hubbard.get(symbol):
                kind["DFT_PLUS_U"] = {"L": each.angular_momentum, "U_MINUS_J": f"[eV] {each.U_eV:.12g}"}
        rows.append(f"{kind['_']} {_row(position)}")
    return list(kinds.values()), rows


def _row(numbers: np.ndarray) -> str:
    return " ".join(f"{number:.16g}" for number in numbers)
