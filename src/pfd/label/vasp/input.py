"""VASP's input of one frame: INCAR, KPOINTS, POSCAR, POTCAR, and the order of atoms in them."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pfd.errors import InputError
from pfd.frames import frame_id
from pfd.frames.state import ElectronicState, electronic_state
from pfd.label.k_mesh import k_divisions
from pfd.label.species_order import species_order
from pfd.label.vasp.incar import Value, incar_text
from pfd.label.vasp.potcar import Potcar, potcar_text
from pfd.label.vasp.preset import Preset
from pfd.label.vasp.recipe import VaspRecipe

if TYPE_CHECKING:
    from ase import Atoms

_MESH = re.compile(r"^[^\n]*\n\s*0\b[^\n]*\n\s*([gGmM])[^\n]*\n\s*(\d+)\s+(\d+)\s+(\d+)", re.MULTILINE)


@dataclass(frozen=True)
class VaspInput:
    """The four files of one frame.

    Attributes:
        incar: its keys.
        kpoints: content of KPOINTS.
        poscar: content of POSCAR; atoms of one element stand together, elements in the order of their first atoms.
        potcars: in POSCAR's order of elements.
        order: POSCAR's atom i is the frame's atom ``order[i]``.
    """

    incar: Mapping[str, Value]
    kpoints: str
    poscar: str
    potcars: tuple[Potcar, ...]
    order: np.ndarray

    def write(self, folder: Path, tuned: Mapping[str, Value]) -> None:
        """Write the files, with some keys of INCAR replaced; an ALGO among them also replaces its older form IALGO."""
        keys = {key: value for key, value in self.incar.items() if not (key == "IALGO" and "ALGO" in tuned)}
        (folder / "INCAR").write_text(incar_text({**keys, **tuned}), encoding="utf-8")
        (folder / "KPOINTS").write_text(self.kpoints, encoding="utf-8")
        (folder / "POSCAR").write_text(self.poscar, encoding="utf-8")
        potcar = "".join(potcar_text(each.path).rstrip("\n") + "\n" for each in self.potcars)
        (folder / "POTCAR").write_text(potcar, encoding="latin-1")


def vasp_input(recipe: VaspRecipe, frame: Atoms) -> VaspInput:
    """The input of one frame; constraints and velocities do not enter: labels are raw forces of a static calculation.

    Raises:
        InputError: if the frame cannot be computed with these settings; nothing was run yet.
    """
    where = f"frame {frame_id(frame)}"
    _check_cell(frame, where)
    lacking = sorted(set(frame.get_chemical_symbols()) - set(recipe.potcars))
    if lacking:
        hint = f"add it to finetune.label.potcars ({', '.join(sorted(recipe.potcars))})"
        raise InputError(f"no POTCAR for {', '.join(lacking)}", where=where, hint=hint)
    order = species_order(frame)
    atoms = _plain(frame, order)
    preset = None
    if recipe.settings.preset is not None:
        preset = recipe.preset(atoms)
        recipe.require_one_level(preset)
    potcars = tuple(recipe.potcars[element] for element in dict.fromkeys(atoms.get_chemical_symbols()))
    keys = recipe.plain_keys(preset)
    divisions, kpoints = _k_points(recipe, atoms, preset, where)
    if keys.get("ISMEAR") == -5 and divisions is not None and np.prod(divisions) < 4:
        what = f"the tetrahedron method (ISMEAR -5) needs 4 k-points, and the frame has {np.prod(divisions)}"
        raise InputError(what, where=where, hint="write finetune.label.incar: {ISMEAR: 0, SIGMA: 0.05}")
    keys |= _spin(recipe, electronic_state(frame), atoms, order, preset, where)
    keys |= _charge(electronic_state(frame), atoms, potcars)
    keys |= _hubbard(recipe, atoms, preset)
    keys |= _dipole(recipe, atoms, where)
    return VaspInput(keys, kpoints, _poscar(atoms), potcars, order)


def _check_cell(frame: Atoms, where: str) -> None:
    if frame.cell.rank < 3:
        what = "VASP needs a cell, also along directions that are not periodic"
        raise InputError(what, where=where, hint="put the atoms into a box with at least 8 Å of vacuum")
    if frame.cell.handedness < 0:
        what = "VASP takes right-handed cells only"
        raise InputError(what, where=where, hint="exchange two cell vectors of the structure, and the coordinates")


def _plain(frame: Atoms, order: np.ndarray) -> Atoms:
    from ase import Atoms as PlainAtoms

    return PlainAtoms(frame.numbers[order], positions=frame.positions[order], cell=frame.cell, pbc=frame.pbc)


def _poscar(atoms: Atoms) -> str:
    from ase.io.vasp import write_vasp

    stream = io.StringIO()
    write_vasp(stream, atoms, direct=True, vasp5=True)
    return stream.getvalue()


def _k_points(
    recipe: VaspRecipe, atoms: Atoms, preset: Preset | None, where: str
) -> tuple[tuple[int, int, int] | None, str]:
    """Divisions (None if the file gives other than a mesh) and the content of KPOINTS."""
    chosen = recipe.k_points
    if chosen.text is not None:
        found = _MESH.search(chosen.text)
        divisions = (int(found[2]), int(found[3]), int(found[4])) if found else None
        if not atoms.pbc.all() and (divisions is None or _along_vacuum(divisions, atoms) != divisions):
            what = "the KPOINTS file does not give one k-point along the directions that are not periodic"
            raise InputError(what, where=where, hint="write kspacing_per_A instead, which knows them")
        return divisions, chosen.text
    centred = True
    if chosen.spacing_per_A is not None:
        divisions = k_divisions(atoms, chosen.spacing_per_A)
    else:
        assert preset is not None
        assert preset.mesh is not None
        divisions, centred = _along_vacuum(preset.mesh[0], atoms), preset.mesh[1]
    counts = " ".join(map(str, divisions))
    return divisions, f"k-points\n0\n{'Gamma' if centred else 'Monkhorst'}\n{counts}\n0 0 0\n"


def _along_vacuum(divisions: tuple[int, int, int], atoms: Atoms) -> tuple[int, int, int]:
    first, second, third = (count if flag else 1 for count, flag in zip(divisions, atoms.pbc, strict=True))
    return first, second, third


def _spin(
    recipe: VaspRecipe, state: ElectronicState, atoms: Atoms, order: np.ndarray, preset: Preset | None, where: str
) -> dict[str, Value]:
    """ISPIN, MAGMOM and NUPDOWN."""
    user = recipe.user_keys
    free = bool(user.get("LNONCOLLINEAR") or user.get("LSORBIT"))
    moments = None if state.magmoms is None else state.magmoms[order]
    by_element = recipe.magmoms(preset)
    if moments is None and any(by_element.get(symbol) for symbol in atoms.get_chemical_symbols()):
        moments = np.array([by_element.get(symbol, 0.0) for symbol in atoms.get_chemical_symbols()])
    asked = moments is not None or state.multiplicity not in {None, 1}
    if asked and user.get("ISPIN") == 1:
        hint = "remove ISPIN from INCAR, or the moments and the spin from the frame"
        raise InputError("the frame asks for a spin, and INCAR says ISPIN 1", where=where, hint=hint)
    keys: dict[str, Value] = {}
    if asked and not free:
        keys["ISPIN"] = 2
    if moments is not None:
        if moments.ndim == 2 and not free:
            what, hint = (
                "the frame's moments are vectors",
                "add LNONCOLLINEAR: true to finetune.label.incar, or give numbers",
            )
            raise InputError(what, where=where, hint=hint)
        if free and moments.ndim == 1:
            moments = np.outer(moments, [0.0, 0.0, 1.0])
        keys["MAGMOM"] = tuple(round(float(moment), 6) for moment in moments.ravel())
    if asked and state.multiplicity is not None:
        unpaired = state.multiplicity - 1
        if free or user.get("NUPDOWN", unpaired) != unpaired:
            what = f"the frame's spin fixes {unpaired} unpaired electrons, and INCAR says otherwise"
            raise InputError(what, where=where, hint="remove NUPDOWN and LNONCOLLINEAR, or the spin from the frame")
        keys["NUPDOWN"] = unpaired
    return keys


def _charge(state: ElectronicState, atoms: Atoms, potcars: tuple[Potcar, ...]) -> dict[str, Value]:
    if not state.charge:
        return {}
    valence = {potcar.element: potcar.valence for potcar in potcars}
    electrons = sum(valence[symbol] for symbol in atoms.get_chemical_symbols()) - state.charge
    return {"NELECT": round(electrons, 8)}


def _hubbard(recipe: VaspRecipe, atoms: Atoms, preset: Preset | None) -> dict[str, Value]:
    """LDAU and its lists, one number per element in POSCAR's order; l = -1 is VASP's for none."""
    elements = list(dict.fromkeys(atoms.get_chemical_symbols()))
    corrected = recipe.hubbard(preset)
    shells = [corrected.get(element, (-1, 0.0, 0.0)) for element in elements]
    if all(shell < 0 for shell, _, _ in shells):
        return {}
    plain = recipe.plain_keys(preset)
    largest = max(shell for shell, _, _ in shells)
    return {
        "LDAU": True,
        "LDAUTYPE": plain.get("LDAUTYPE", 2),
        "LDAUL": tuple(shell for shell, _, _ in shells),
        "LDAUU": tuple(u_eV for _, u_eV, _ in shells),
        "LDAUJ": tuple(j_eV for _, _, j_eV in shells),
        "LMAXMIX": plain.get("LMAXMIX", max(2, 2 * largest)),
    }


def _dipole(recipe: VaspRecipe, atoms: Atoms, where: str) -> dict[str, Value]:
    """LDIPOL along the vacuum of a slab, or in all directions for a molecule, about the middle of the atoms."""
    if not recipe.settings.dipole_correction or atoms.pbc.all():
        return {}
    open_axes = [axis for axis in range(3) if not atoms.pbc[axis]]
    if len(open_axes) == 2:
        what = "VASP corrects the dipole of slabs and molecules, not of wires"
        raise InputError(what, where=where, hint="leave dipole_correction out")
    middle = atoms.get_scaled_positions(wrap=False).mean(axis=0)
    return {
        "LDIPOL": True,
        "IDIPOL": open_axes[0] + 1 if len(open_axes) == 1 else 4,
        "DIPOL": tuple(round(float(part), 6) for part in middle),
    }
