"""Labelled sets in DeePMD-kit's folders of arrays: type.raw, type_map.raw, set.*/{coord, energy, force, ...}.npy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pfd.errors import DataError
from pfd.frames.ase_reader import UNREADABLE
from pfd.frames.labels import Labels, with_labels
from pfd.frames.virial import stress_of_virial

if TYPE_CHECKING:
    from ase import Atoms


def read_deepmd_npy(folder: Path) -> list[Atoms]:
    """The frames of a system folder (also of mixed type), or of all system folders below it, in sorted order.

    Units there are eV and Å; the virial is minus stress times volume, in eV.

    Raises:
        DataError: if it is no such folder, an element is unknown, or arrays do not fit each other.

    Source: DeePMD-kit's documentation, "Formats of a system".
    """
    systems = sorted(path.parent for path in folder.rglob("type.raw")) if folder.is_dir() else []
    if not systems:
        raise DataError(
            "no deepmd/npy system here: no type.raw", where=str(folder), hint="name the folder that holds it"
        )
    return [frame for system in systems for frame in _read_system(system)]


def frames_from_arrays(
    symbols: Sequence[Sequence[str]],
    *,
    coords: np.ndarray,
    cells: np.ndarray | None,
    energies: np.ndarray | None,
    forces: np.ndarray | None,
    virials: np.ndarray | None,
    where: str,
) -> list[Atoms]:
    """Frames with labels from arrays as DeePMD-kit and dpdata keep them.

    Args:
        symbols: chemical symbols of each frame.
        coords: Å, frames x (atoms x 3).
        cells: Å, frames x 9 as rows; None if nothing is periodic.
        energies: eV, frames.
        forces: eV/Å, like ``coords``.
        virials: eV, frames x 9: -stress x volume.
        where: what to name in errors.

    Raises:
        DataError: if an element is unknown, or arrays do not fit each other.
    """
    from ase import Atoms
    from ase.data import atomic_numbers

    frames = []
    for index, names in enumerate(symbols):
        unknown = sorted({name for name in names if name not in atomic_numbers or name == "X"})
        if unknown:
            hint = "write chemical symbols into type_map.raw"
            raise DataError(f"{', '.join(unknown)} is no chemical element", where=where, hint=hint)
        try:
            positions = np.asarray(coords[index], dtype=float).reshape(-1, 3)[: len(names)]
            cell = None if cells is None else np.asarray(cells[index], dtype=float).reshape(3, 3)
            frame = Atoms(list(names), positions=positions, cell=cell, pbc=cell is not None)
            labels = Labels(
                energy=None if energies is None else float(np.ravel(energies)[index]),
                forces=None if forces is None else np.asarray(forces[index], dtype=float).reshape(-1, 3)[: len(names)],
                stress=None if virials is None else stress_of_virial(frame, virials[index], where),
            )
        except (ValueError, IndexError) as error:
            raise DataError(f"arrays of different sizes, at frame {index} ({error})", where=where) from error
        frames.append(with_labels(frame, labels))
    return frames


def _read_system(system: Path) -> list[Atoms]:
    types, names = _types(system)
    frames: list[Atoms] = []
    for part in sorted(system.glob("set.*")):
        coords = _array(part, "coord")
        if coords is None:
            raise DataError("no coord.npy", where=str(part), hint="is the set complete?")
        mixed = _array(part, "real_atom_types")
        if mixed is not None and mixed.ndim != 2:
            raise DataError("real_atom_types.npy is no table of frames x atoms", where=str(part))
        rows: Any = [types] * len(coords) if mixed is None else [row[row >= 0] for row in mixed.astype(int)]
        if any(row.min(initial=0) < 0 or row.max(initial=0) >= len(names) for row in rows):
            raise DataError("a type has no name in type_map.raw", where=str(system), hint="add its chemical symbol")
        cells = None if (system / "nopbc").exists() else _array(part, "box")
        symbols = [[names[kind] for kind in row] for row in rows]
        energies, forces, virials = (_array(part, name) for name in ("energy", "force", "virial"))
        frames += frames_from_arrays(
            symbols,
            coords=coords,
            cells=cells,
            energies=energies,
            forces=forces,
            virials=virials,
            where=str(part),
        )
    return frames


def _types(system: Path) -> tuple[np.ndarray, list[str]]:
    """The type of each atom, and the chemical symbol of each type."""
    if not (system / "type_map.raw").is_file():
        raise DataError(
            "no type_map.raw: which elements are these?", where=str(system), hint="write their symbols there"
        )
    try:
        words = (system / "type.raw").read_text(encoding="utf-8").split()
        types = np.array([int(word) for word in words], dtype=int)
        names = (system / "type_map.raw").read_text(encoding="utf-8").split()
    except (ValueError, OSError, OverflowError) as error:
        what = f"type.raw or type_map.raw is not readable ({error})"
        raise DataError(what, where=str(system), hint="type.raw holds one whole number per atom") from error
    if not len(types):
        raise DataError("type.raw names no atom", where=str(system), hint="it holds one whole number per atom")
    return types, names


def _array(part: Path, name: str) -> np.ndarray | None:
    path = part / f"{name}.npy"
    if not path.is_file():
        return None
    try:
        array = np.asarray(np.load(path, allow_pickle=False), dtype=float)
    except UNREADABLE as error:
        raise DataError(f"not an array ({error})", where=str(path), hint="is the file complete?") from error
    if array.ndim == 0:
        raise DataError("one number where an array is needed", where=str(path), hint="is the file complete?")
    if not np.isfinite(array).all():
        raise DataError("not all numbers are finite", where=str(path), hint="is the file complete?")
    return array
