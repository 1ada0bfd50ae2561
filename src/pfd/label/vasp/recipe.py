"""What the settings of a VASP campaign say of all frames: INCAR keys, POTCARs, k-points, and the level of theory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pfd.digests import json_digest
from pfd.errors import InputError, SettingError
from pfd.label.hubbard import Hubbard
from pfd.label.vasp.incar import (
    DEFAULTS,
    ENFORCED,
    SMEARING,
    Value,
    mistake_in,
    physics_of,
    read_incar,
    shown,
    unknown_key,
)
from pfd.label.vasp.potcar import EXCHANGE, Potcar, one_exchange, read_potcar
from pfd.label.vasp.preset import Preset, preset_of
from pfd.label.vasp.settings import VaspSettings
from pfd.small_file import small_text

if TYPE_CHECKING:
    from ase import Atoms

DISPERSION = {
    1: "D2",
    10: "D2",
    11: "D3",
    12: "D3(BJ)",
    13: "D4",
    2: "TS",
    20: "TS",
    21: "TS/HI",
    202: "MBD",
    263: "MBD/FI",
    3: "ulg",
    4: "dDsC",
}
"""IVDW -> the usual name of the correction (https://vasp.at/wiki/IVDW)."""


@dataclass(frozen=True)
class KPoints:
    """Where k-points come from: exactly one of these.

    Attributes:
        spacing_per_A: largest distance, 1/Å, 2 pi included.
        text: content of a KPOINTS file.
        preset: the preset gives a mesh to each frame.
    """

    spacing_per_A: float | None = None
    text: str | None = None
    preset: bool = False


class VaspRecipe:
    """The settings with the files that they name, read once and checked.

    Args:
        settings: of the labeler.
    """

    def __init__(self, settings: VaspSettings) -> None:
        self.settings = settings

    @cached_property
    def user_keys(self) -> dict[str, Value]:
        """Keys of INCAR from the file and from the input, without KSPACING.

        Raises:
            SettingError: if the file cannot be read, both give a key, or a key may not be set.
        """
        keys = {key: value for key, value in self._all_user_keys.items() if key != "KSPACING"}
        polarised = keys.get("ISPIN", 2) != 1
        if not polarised and self.settings.magmoms:
            what, hint = "initial moments and ISPIN 1 exclude each other", "remove one"
            raise SettingError(what, where="finetune.label.magmoms", hint=hint)
        dipole = sorted({"LDIPOL", "IDIPOL", "DIPOL"} & set(keys))
        if dipole and self.settings.dipole_correction:
            hint = "remove dipole_correction, or these keys"
            raise SettingError(
                f"INCAR sets {', '.join(dipole)} too", where="finetune.label.dipole_correction", hint=hint
            )
        return keys

    @cached_property
    def _all_user_keys(self) -> dict[str, Value]:
        mine = self.settings.incar_keys()
        path = self.settings.incar_file
        if path is None:
            return mine
        where = f"finetune.label.incar_file ({path})"
        try:
            filed = read_incar(small_text(path))
        except (OSError, ValueError) as error:
            raise SettingError(f"not readable as an INCAR: {error}", where=where, hint="correct it") from error
        for key, value in filed.items():
            if wrong := unknown_key(key, self.settings.incar_also_known) or mistake_in(key, value):
                raise SettingError(key, where=where, hint=wrong)
        if both := sorted(set(filed) & set(mine)):
            hint = f"keep {'it' if len(both) == 1 else 'each'} in one place"
            raise SettingError(f"finetune.label.incar gives {', '.join(both)} too", where=where, hint=hint)
        return filed | mine

    @cached_property
    def potcars(self) -> dict[str, Potcar]:
        """Element -> its POTCAR.

        Raises:
            InputError: if one is missing or not of its element, or they do not fit each other.
        """
        named = self.settings.potcars
        if isinstance(named, list):
            chosen = self._usual.potcars
            named = {element: chosen[element] for element in self.settings.elements()}
        folder = self.settings.potcar_dir.expanduser()
        found = {element: read_potcar(folder, name, element) for element, name in sorted(named.items())}
        one_exchange(list(found.values()))
        return found

    @cached_property
    def k_points(self) -> KPoints:
        """Where the k-points come from.

        Raises:
            SettingError: if nothing gives them, more than one thing does, or the file cannot be read.
        """
        settings = self.settings
        spacing = self._all_user_keys.get("KSPACING")
        given = {
            "kspacing_per_A": settings.kspacing_per_A,
            "kpoints_file": settings.kpoints_file,
            "KSPACING in INCAR": spacing,
        }
        named = [name for name, value in given.items() if value is not None]
        if len(named) > 1:
            raise SettingError(f"k-points are given twice: {', '.join(named)}", where="label", hint="remove one")
        if settings.kpoints_file is not None:
            return KPoints(text=_read(settings.kpoints_file))
        if not named and settings.preset is not None:
            theirs = self._usual
            return KPoints(preset=True) if theirs.mesh else KPoints(spacing_per_A=theirs.kspacing_per_A)
        chosen = settings.kspacing_per_A if spacing is None else spacing
        if not isinstance(chosen, int | float) or isinstance(chosen, bool) or chosen <= 0:
            raise SettingError(
                "no k-points are given", where="label", hint="write kspacing_per_A: 0.2, or kpoints_file"
            )
        return KPoints(spacing_per_A=float(chosen))

    def preset(self, atoms: Atoms) -> Preset:
        """What the preset says of these atoms.

        Raises:
            InputError, MissingError: as ``preset_of``.
        """
        assert self.settings.preset is not None
        return preset_of(self.settings.preset, atoms)

    def plain_keys(self, preset: Preset | None) -> dict[str, Value]:
        """Keys of INCAR that no atom and no element decides.

        Raises:
            SettingError: if there is no ENCUT.
        """
        theirs = {} if preset is None else dict(preset.incar)
        named = theirs | self.user_keys
        smearing = {} if set(SMEARING) & set(named) else SMEARING
        keys = DEFAULTS | smearing | named | ENFORCED
        if "ENCUT" not in keys:
            hint = "write finetune.label.incar: {ENCUT: 520}; usual with stress: 1.3 times the largest ENMAX"
            raise SettingError("no ENCUT: VASP's own would depend on the elements of a frame", where="label", hint=hint)
        return keys

    def cutoff(self) -> float:
        """ENCUT, eV.

        Raises:
            SettingError: if there is none, or it is no number.
        """
        value = self.plain_keys(None if self.settings.preset is None else self._usual)["ENCUT"]
        if not isinstance(value, int | float):
            raise SettingError(f"ENCUT is {value!r}", where="finetune.label.incar.ENCUT", hint="write a number of eV")
        return float(value)

    def spelt_out(self) -> dict[str, Any]:
        """The settings that change if the keys of an INCAR file are written into the input."""
        spacing = self.settings.kspacing_per_A or self._all_user_keys.get("KSPACING")
        keys = {key: list(value) if isinstance(value, tuple) else value for key, value in self.user_keys.items()}
        return {"incar": keys, "incar_file": None, "kspacing_per_A": spacing}

    def spacing_of_mesh(self, frame: Atoms) -> float | None:
        """The distance of k-points in the preset's mesh for a frame, 1/Å with the factor 2 pi, where it is smallest.

        None of a frame that is not periodic.
        """
        mesh = self.preset(frame).mesh
        assert mesh is not None
        lengths = 2.0 * np.pi * np.linalg.norm(frame.cell.reciprocal().array, axis=1)
        found = [length / count for length, count, flag in zip(lengths, mesh[0], frame.pbc, strict=True) if flag]
        return float(min(found)) if found else None

    def hubbard(self, preset: Preset | None) -> dict[str, tuple[int, float, float]]:
        """Element -> (l, U, J), eV, of the elements that are corrected."""
        own = self.settings.hubbard
        if lacking := sorted(set(own) - set(self.settings.elements())):
            what = f"no POTCAR for {', '.join(lacking)}"
            raise SettingError(
                what, where="finetune.label.hubbard", hint="correct the symbol, or add it to finetune.label.potcars"
            )
        if own or preset is None:
            return {element: (each.angular_momentum, each.U_eV, each.J_eV) for element, each in sorted(own.items())}
        return dict(preset.hubbard)

    def magmoms(self, preset: Preset | None) -> dict[str, float]:
        """Element -> initial moment, Bohr magnetons, of frames that bring none."""
        return ({} if preset is None else dict(preset.magmoms)) | self.settings.magmoms

    def require_one_level(self, preset: Preset) -> None:
        """Refuse a frame to which the preset gives another physics than to frames of all the elements.

        Raises:
            InputError: such as for a metal without the +U that the preset gives to oxides.
        """
        usual = self._usual
        keys = set(preset.incar) | set(usual.incar)
        mine, theirs = (self.plain_keys(each) for each in (preset, usual))
        differing = [key for key in physics_of(dict.fromkeys(keys, 0)) if mine.get(key) != theirs.get(key)]
        elements = set(preset.potcars)
        expected = {element: each for element, each in self.hubbard(usual).items() if element in elements}
        if self.hubbard(preset) != expected:
            differing.append("the Hubbard U")
        if differing:
            name = ", ".join(differing)
            raise InputError(
                f"the preset {self.settings.preset} chooses {name} by the frame, and labels of one set need one level",
                where="finetune.label.preset",
                hint="write the value in finetune.label.incar, or U in finetune.label.hubbard",
            )

    def level_of_theory(self) -> str:
        """Functional, every key that changes the physics, k-points, moments, U, titles of the POTCARs, and a digest.

        Raises:
            InputError, MissingError: if a file is missing, or something does not fit.
        """
        preset = None if self.settings.preset is None else self._usual
        physics = physics_of(self.plain_keys(preset))
        magmoms, hubbard = self.magmoms(preset), self.hubbard(preset)
        magmoms = {element: magmoms[element] for element in self.settings.elements() if magmoms.get(element)}
        functional = functional_of(physics, list(self.potcars.values()), bool(hubbard))
        content = {
            "incar": {key: value.upper() if isinstance(value, str) else value for key, value in physics.items()},
            "k_points": [self.k_points.spacing_per_A, self.k_points.text, self.k_points.preset],
            "magmoms": magmoms,
            "hubbard": {element: list(each) for element, each in hubbard.items()},
            "dipole_correction": self.settings.dipole_correction,
            "potcars": {element: potcar.digest for element, potcar in self.potcars.items()},
        }
        parts = [
            f"VASP {functional}",
            *shown({"ENCUT": physics["ENCUT"]}),
            self._k_points_shown(),
            *shown({key: value for key, value in physics.items() if key not in {"ENCUT", "GGA", "METAGGA"}}),
            *(["dipole correction"] if self.settings.dipole_correction else []),
            *(f"{element} starts with {moment:g}" for element, moment in magmoms.items()),
            *(f"{element} {_hubbard(*each)}" for element, each in hubbard.items()),
            "POTCAR " + " + ".join(potcar.title for potcar in self.potcars.values()),
            f"digest {json_digest(content)[:12]}",
        ]
        return ", ".join(parts)

    def _k_points_shown(self) -> str:
        if self.k_points.text is not None:
            return f"KPOINTS {json_digest(self.k_points.text.split())[:8]}"
        spacing = self.k_points.spacing_per_A
        return f"k-points of {self.settings.preset}" if spacing is None else f"kspacing {spacing:g}/Å"

    @cached_property
    def _usual(self) -> Preset:
        """What the preset says of one atom of each element in a box, which goes by element only."""
        from ase import Atoms

        elements = self.settings.elements()
        places = [[index / len(elements), 0.0, 0.0] for index in range(len(elements))]
        cell = [3.0 * len(elements), 4.0, 4.0]
        return self.preset(Atoms(elements, scaled_positions=places, cell=cell, pbc=True))


def functional_of(physics: Mapping[str, Value], potcars: Sequence[Potcar], corrected: bool) -> str:
    """The functional's usual name with what is added to it: ``PBE``, ``r2SCAN+D3(BJ)``, ``PBE+U``.

    Args:
        physics: keys of INCAR.
        potcars: whose functional is used where INCAR names none.
        corrected: whether there is a Hubbard U.
    """
    if (meta := str(physics.get("METAGGA", "--")).upper()) not in {"--", "NONE"}:
        name = "r2SCAN" if meta == "R2SCAN" else meta
    elif (gga := str(physics.get("GGA", "--")).upper()) != "--":
        name = EXCHANGE.get(gga, gga)
    else:
        exchange = one_exchange(potcars)
        name = EXCHANGE.get(exchange, exchange)
    if physics.get("LHFCALC"):
        name += " hybrid"
    if physics.get("LUSE_VDW"):
        name += "+nonlocal vdW"
    if dispersion := physics.get("IVDW"):
        name += (
            f"+{DISPERSION.get(int(dispersion), f'IVDW {dispersion}') if isinstance(dispersion, int) else dispersion}"
        )
    return name + ("+U" if corrected else "")


def _hubbard(shell: int, u_eV: float, j_eV: float) -> str:
    return str(Hubbard(orbital="spdf"[shell], U_eV=u_eV, J_eV=j_eV))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise SettingError(
            f"not readable: {error}", where="finetune.label.kpoints_file", hint="correct the path"
        ) from error
