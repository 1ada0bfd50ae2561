"""ABACUS's input of one frame: INPUT, STRU and KPT, with links to the pseudopotentials and orbitals."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pfd.errors import InputError
from pfd.frames import frame_id
from pfd.frames.state import electronic_state
from pfd.label.abacus.settings import AbacusSettings
from pfd.label.k_mesh import k_divisions
from pfd.label.pseudopotential import Pseudopotential
from pfd.label.species_order import species_order
from pfd.units import A_PER_BOHR

if TYPE_CHECKING:
    from ase import Atoms

SUFFIX = "pfd"
"""The output stands in the folder ``OUT.pfd``."""
SMEARING = {"gaussian": "gauss", "cold": "mv", "methfessel-paxton": "mp", "fermi-dirac": "fd", "none": "fixed"}
_MESH = re.compile(r"^\s*K\w*[^\n]*\n\s*0\b[^\n]*\n\s*(?:Gamma|MP)\b[^\n]*\n\s*(\d+)\s+(\d+)\s+(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class AbacusInput:
    """The three files of one frame.

    Attributes:
        keys: of INPUT.
        stru: content of STRU; atoms of one element stand together, elements in the order of their first atoms.
        kpt: content of KPT.
        links: name in the run's folder -> the pseudopotential or orbital file that it leads to.
        order: STRU's atom i is the frame's atom ``order[i]``.
    """

    keys: Mapping[str, Any]
    stru: str
    kpt: str
    links: Mapping[str, Path]
    order: np.ndarray

    def write(self, folder: Path, tuned: Mapping[str, Any]) -> None:
        """Write the files, with some keys of INPUT replaced."""
        keys = {**self.keys, **tuned}
        lines = ["INPUT_PARAMETERS", *(f"{key:<20}{_written(value)}" for key, value in keys.items())]
        (folder / "INPUT").write_text("\n".join(lines) + "\n", encoding="utf-8")
        (folder / "STRU").write_text(self.stru, encoding="utf-8")
        (folder / "KPT").write_text(self.kpt, encoding="utf-8")
        for name, target in self.links.items():
            (folder / name).symlink_to(target)


def _written(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " ".join(_written(part) for part in value)
    if isinstance(value, bool):
        return str(int(value))
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def abacus_input(
    settings: AbacusSettings, pseudopotentials: Mapping[str, Pseudopotential], frame: Atoms, kpt_text: str | None
) -> AbacusInput:
    """The input of one frame; constraints do not enter: labels are raw forces.

    Args:
        settings: of the labeler.
        pseudopotentials: by element, for the numbers of electrons.
        frame: the frame.
        kpt_text: content of the KPT file, if one is given.

    Raises:
        InputError: if the frame cannot be computed with these settings; nothing was run yet.
    """
    where = f"frame {frame_id(frame)}"
    lacking = sorted(set(frame.get_chemical_symbols()) - set(pseudopotentials))
    if lacking:
        hint = f"add it to finetune.label.pseudopotentials ({', '.join(sorted(pseudopotentials))})"
        raise InputError(f"no pseudopotential for {', '.join(lacking)}", where=where, hint=hint)
    if frame.cell.rank < 3:
        what = "ABACUS needs a cell, also along directions that are not periodic"
        raise InputError(what, where=where, hint="put the atoms into a box with at least 8 Å of vacuum")
    order = species_order(frame)
    symbols = [frame.get_chemical_symbols()[index] for index in order]
    elements = list(dict.fromkeys(symbols))
    keys = _plain_keys(settings, frame, len(elements))
    moments = _moments(settings, frame, symbols, order, where)
    keys |= _spin(settings, frame, moments, where) | _charge(frame, symbols, pseudopotentials)
    keys |= _hubbard(settings, elements) | _dipole(settings, frame, where)
    keys |= {key: value for key, value in settings.input.items() if key not in keys}
    stru = _stru(frame, symbols, order, moments, orbitals=settings.basis == "lcao")
    return AbacusInput(keys, stru, _kpt(settings, frame, kpt_text, where), _links(settings, elements), order)


def _links(settings: AbacusSettings, elements: list[str]) -> dict[str, Path]:
    """``Si.upf`` and ``Si.orb`` -> the files of silicon, whatever they are called."""
    folder = settings.pseudo_dir.expanduser().absolute()
    links = {f"{element}.upf": folder / settings.pseudopotentials[element] for element in elements}
    if settings.basis == "lcao":
        folder = (settings.orbital_dir or settings.pseudo_dir).expanduser().absolute()
        links |= {f"{element}.orb": folder / settings.orbitals[element] for element in elements}
    return links


def _plain_keys(settings: AbacusSettings, frame: Atoms, species: int) -> dict[str, Any]:
    keys = {
        "suffix": SUFFIX,
        "calculation": "scf",
        "esolver_type": "ksdft",
        "basis_type": settings.basis,
        "ntype": species,
        "stru_file": "STRU",
        "kpoint_file": "KPT",
        "pseudo_dir": "./",
        "orbital_dir": "./",
        "ecutwfc": settings.ecutwfc_Ry,
        "scf_thr": settings.scf_thr or (1e-9 if settings.basis == "pw" else 1e-7),
        "scf_nmax": settings.max_scf_steps,
        "mixing_beta": settings.mixing_beta,
        "smearing_method": SMEARING[settings.smearing],
        "cal_force": True,
        "cal_stress": bool(frame.pbc.all()),
        "init_chg": "atomic",
    }
    return keys if settings.smearing == "none" else keys | {"smearing_sigma": settings.sigma_Ry}


def _moments(
    settings: AbacusSettings, frame: Atoms, symbols: list[str], order: np.ndarray, where: str
) -> np.ndarray | None:
    """Initial moments in STRU's order, Bohr magnetons; None if there are none."""
    given = electronic_state(frame).magmoms
    if given is not None and given.ndim != 1:
        raise InputError("the frame's moments are vectors", where=where, hint="give one number per atom")
    if given is not None:
        ordered: np.ndarray = given[order]
        return ordered
    if any(settings.magmoms.get(symbol) for symbol in symbols):
        return np.array([settings.magmoms.get(symbol, 0.0) for symbol in symbols])
    return None


def _spin(settings: AbacusSettings, frame: Atoms, moments: np.ndarray | None, where: str) -> dict[str, Any]:
    multiplicity = electronic_state(frame).multiplicity
    asked = moments is not None or multiplicity not in {None, 1}
    if asked and settings.input.get("nspin") == 1:
        hint = "remove nspin from finetune.label.input, or the moments and the spin from the frame"
        raise InputError("the frame asks for a spin, and finetune.label.input says nspin 1", where=where, hint=hint)
    keys = {"nspin": 2} if asked else {}
    return keys | ({"nupdown": multiplicity - 1} if asked and multiplicity is not None else {})


def _charge(frame: Atoms, symbols: list[str], pseudopotentials: Mapping[str, Pseudopotential]) -> dict[str, Any]:
    charge = electronic_state(frame).charge
    if not charge:
        return {}
    return {"nelec": round(sum(pseudopotentials[symbol].valence for symbol in symbols) - charge, 8)}


def _hubbard(settings: AbacusSettings, elements: list[str]) -> dict[str, Any]:
    """Lists with one number per species in STRU's order; -1 is ABACUS's for no correction."""
    corrected = [settings.hubbard.get(element) for element in elements]
    if not any(corrected):
        return {}
    return {
        "dft_plus_u": 1,
        "orbital_corr": [-1 if each is None else each.angular_momentum for each in corrected],
        "hubbard_u": [0.0 if each is None else each.U_eV for each in corrected],
    }


def _dipole(settings: AbacusSettings, frame: Atoms, where: str) -> dict[str, Any]:
    if not settings.dipole_correction or frame.pbc.all():
        return {}
    open_axes = [axis for axis in range(3) if not frame.pbc[axis]]
    if len(open_axes) != 1:
        what = "ABACUS corrects the dipole of slabs only, which are periodic in two directions"
        raise InputError(what, where=where, hint="leave dipole_correction out")
    return {"efield_flag": True, "dip_cor_flag": True, "efield_dir": open_axes[0], "efield_amp": 0.0}


def _kpt(settings: AbacusSettings, frame: Atoms, text: str | None, where: str) -> str:
    if text is None:
        counts = " ".join(map(str, k_divisions(frame, settings.kspacing_per_A)))
        return f"K_POINTS\n0\nGamma\n{counts} 0 0 0\n"
    found = _MESH.search(text)
    if not frame.pbc.all() and not (
        found and all(flag or int(count) == 1 for count, flag in zip(found.groups(), frame.pbc, strict=True))
    ):
        what = "the KPT file does not give one k-point along the directions that are not periodic"
        raise InputError(what, where=where, hint="write kspacing_per_A instead, which knows them")
    return text


def _stru(
    frame: Atoms,
    symbols: list[str],
    order: np.ndarray,
    moments: np.ndarray | None,
    *,
    orbitals: bool,
) -> str:
    """The text of STRU, in units that its echo keeps: a whole number of Bohr, no shorter than the longest cell vector.

    ABACUS echoes cell vectors with six digits, in units of that length.
    """
    from ase.data import atomic_masses, atomic_numbers

    unit = math.ceil(frame.cell.lengths().max() / A_PER_BOHR - 1e-9)
    vectors = frame.cell.array / (unit * A_PER_BOHR)
    fractional = frame.get_scaled_positions(wrap=False)[order]
    elements = list(dict.fromkeys(symbols))
    species = [f"{element} {atomic_masses[atomic_numbers[element]]:.4f} {element}.upf" for element in elements]
    lines = ["ATOMIC_SPECIES", *species, ""]
    if orbitals:
        lines += ["NUMERICAL_ORBITAL", *(f"{element}.orb" for element in elements), ""]
    lines += ["LATTICE_CONSTANT", str(unit), "", "LATTICE_VECTORS", *(_row(vector) for vector in vectors), ""]
    lines += ["ATOMIC_POSITIONS", "Direct"]
    for element in elements:
        mine = [index for index, symbol in enumerate(symbols) if symbol == element]
        lines += ["", element, "0.0", str(len(mine))]
        for index in mine:
            moment = "" if moments is None else f" mag {moments[index]:.6f}"
            lines.append(f"{_row(fractional[index])} m 1 1 1{moment}")
    return "\n".join(lines) + "\n"


def _row(numbers: np.ndarray) -> str:
    return " ".join(f"{number:.16f}" for number in numbers)
