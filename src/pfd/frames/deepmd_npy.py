"""Labelled sets in DeePMD-kit's folders of arrays: type.raw, type_map.raw, set.*/{coord, energy, force, ...}.npy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pfd.errors import DataError
from pfd.frames.labels import Labels, with_labels
from pfd.voigt import to_voigt

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
                stress=_stress(virials, index, frame),
            )
        except (ValueError, IndexError) as error:
            raise DataError(f"arrays of different sizes, at frame {index} ({error})", where=where) from error
        frames.append(with_labels(frame, labels))
    return frames


def _stress(virials: np.ndarray | None, index: int, frame: Atoms) -> np.ndarray | None:
    if virials is None or not frame.pbc.all():
        return None
    return to_voigt(-np.asarray(virials[index], dtype=float).reshape(3, 3) / frame.get_volume())


def _read_system(system: Path) -> list[Atoms]:
    types = np.loadtxt(system / "type.raw", dtype=int, ndmin=1).ravel()
    if not (system / "type_map.raw").is_file():
        raise DataError(
            "no type_map.raw: which elements are these?", where=str(system), hint="write their symbols there"
        )
    names = (system / "type_map.raw").read_text(encoding="utf-8").split()
    frames: list[Atoms] = []
    for part in sorted(system.glob("set.*")):
        coords = _array(part, "coord")
        if coords is None:
            raise DataError("no coord.npy", where=str(part), hint="is the set complete?")
        mixed = _array(part, "real_atom_types")
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


def _array(part: Path, name: str) -> np.ndarray | None:
    path = part / f"{name}.npy"
    if not path.is_file():
        return None
    try:
        return np.asarray(np.load(path, allow_pickle=False), dtype=float)
    except (ValueError, OSError, EOFError) as error:
        raise DataError(f"not an array ({error})", where=str(path), hint="is the file complete?") from error
