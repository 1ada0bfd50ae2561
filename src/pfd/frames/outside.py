"""Labelled sets that others made (extended XYZ, deepmd/npy, VASP, any format of ASE or dpdata) as labelled frames."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pfd.errors import DataError, SettingError
from pfd.frames.ase_reader import UNREADABLE, read_with_ase
from pfd.frames.deepmd_npy import frames_from_arrays, read_deepmd_npy
from pfd.frames.io import normalised, read_frames
from pfd.frames.labels import count_labels
from pfd.frames.taken_labels import LABEL_KEYS
from pfd.frames.vasp_convergence import unconverged_steps
from pfd.plugins import install_command, require_modules

if TYPE_CHECKING:
    from ase import Atoms

DPDATA_PREFIX = "dpdata:"


@dataclass(frozen=True)
class OutsideSet:
    """A labelled set as it was found.

    Attributes:
        frames: those that may be trained on, each with labels and an id.
        left_out: one reason for each frame that may not.
        counts: how many of the frames carry energy, forces and stress (see ``count_labels``).
    """

    frames: list[Atoms]
    left_out: tuple[str, ...]
    counts: dict[str, int]


def read_labelled(path: Path, file_format: str | None = None, labels: Mapping[str, str] | None = None) -> list[Atoms]:
    """The frames of ``read_outside``; those that are left out are warned of, one line each.

    Raises:
        DataError, SettingError, MissingError: as ``read_outside``.
    """
    found = read_outside(path, file_format, labels)
    for reason in found.left_out:
        warnings.warn(f"{path.name}: left out: {reason}", UserWarning, stacklevel=2)
    return found.frames


def read_outside(
    path: Path,
    file_format: str | None = None,
    labels: Mapping[str, str] | None = None,
    *,
    needs_labels: bool = True,
) -> OutsideSet:
    """Read labelled frames; energies are those whose gradient the forces are (VASP's "free energy TOTEN").

    Args:
        path: a file, or a deepmd/npy folder.
        file_format: ``extxyz``, ``deepmd/npy``, ``OUTCAR``, ``vasprun.xml``, a name that ASE knows, or ``dpdata:NAME``;
            None guesses it from the name of the file.
        labels: label name -> key, for extended XYZ with keys of its own.
        needs_labels: whether a set without any label is refused; a pool needs none.

    Raises:
        DataError: if the file is missing, empty, cannot be read, or has no frame (with a usable label).
        SettingError: if ``labels`` names something that is no label.
        MissingError: if dpdata is asked for and not installed.
    """
    keys = _checked_keys(labels or {})
    if not path.exists():
        raise DataError("no such file or folder", where=str(path), hint="check the path")
    kind = _canonical(file_format) if file_format else guess_format(path)
    if keys and kind != "extxyz":
        raise SettingError(
            f"key names are for extended XYZ, and this is {kind}", where=f"{path}: labels", hint="remove labels"
        )
    left_out: dict[int, str] = {}
    if kind == "extxyz":
        frames = read_frames(path, keys)
    elif kind == "deepmd/npy":
        frames = _numbered(read_deepmd_npy(path), path)
    elif kind.startswith(DPDATA_PREFIX):
        frames = _numbered(_read_dpdata(path, kind.removeprefix(DPDATA_PREFIX)), path)
    else:
        frames = _numbered(read_with_ase(path, kind), path)
        if kind in {"vasp-out", "vasp-xml"}:
            left_out = unconverged_steps(path, len(frames))
    kept = [frame for index, frame in enumerate(frames) if index not in left_out]
    counts = count_labels(kept)
    reasons = tuple(f"frame {index}: {reason}" for index, reason in sorted(left_out.items()))
    _require_something(counts, reasons, path, needs_labels)
    return OutsideSet(kept, reasons, counts)


def guess_format(path: Path) -> str:
    """The format that a file's name tells: ``deepmd/npy``, ``vasp-out``, ``vasp-xml``, ``extxyz``, or ASE's guess.

    Raises:
        DataError: if ASE cannot tell either.
    """
    name = path.name.lower()
    if path.is_dir():
        return "deepmd/npy"
    if "outcar" in name:
        return "vasp-out"
    if "vasprun" in name and name.endswith(".xml"):
        return "vasp-xml"
    if name.endswith((".xyz", ".extxyz")):
        return "extxyz"
    from ase.io.formats import UnknownFileTypeError, filetype, ioformats

    try:
        found = str(filetype(str(path)))
    except (*UNREADABLE, UnknownFileTypeError) as error:
        raise DataError(f"unknown format ({error})", where=str(path), hint="name it with `format:`") from error
    if found not in ioformats:  # where ASE knows nothing, it gives the suffix back
        raise DataError(f"unknown format {found!r}", where=str(path), hint="name it with `format:`")
    return found


def _canonical(name: str) -> str:
    plain = {"outcar": "vasp-out", "vasprun.xml": "vasp-xml", "vasprun": "vasp-xml", "xyz": "extxyz"}
    return plain.get(name.lower(), name)


def _checked_keys(labels: Mapping[str, str]) -> dict[str, str]:
    for name in labels:
        if name not in LABEL_KEYS:
            near = difflib.get_close_matches(name, LABEL_KEYS, n=1)
            guess = f"did you mean {near[0]!r}? " if near else ""
            raise SettingError(
                f"{name!r} is no label", where="labels", hint=f"{guess}there are: {', '.join(LABEL_KEYS)}"
            )
    return dict(labels)


def _read_dpdata(path: Path, kind: str) -> list[Atoms]:
    require_modules(("dpdata",), what=f"the format dpdata:{kind}", install=install_command("data"))
    import dpdata

    try:
        data: dict[str, Any] = dpdata.LabeledSystem(str(path), fmt=kind).data
    except UNREADABLE as error:
        raise DataError(
            f"dpdata cannot read it as {kind} ({error})", where=str(path), hint="check the format"
        ) from error
    names = [str(name) for name in data["atom_names"]]
    types = [[names[kind] for kind in data["atom_types"]]] * len(data["cells"])
    cells = None if data.get("nopbc") else data["cells"]
    return frames_from_arrays(
        types,
        coords=data["coords"],
        cells=cells,
        energies=data.get("energies"),
        forces=data.get("forces"),
        virials=data.get("virials"),
        where=str(path),
    )


def _numbered(frames: list[Atoms], path: Path) -> list[Atoms]:
    return [normalised(frame, {}, where=f"{path}, frame {index}") for index, frame in enumerate(frames)]


def _require_something(counts: dict[str, int], left_out: tuple[str, ...], path: Path, needs_labels: bool) -> None:
    if counts["frames"] == 0:
        what = f"no frame may be used; the first: {left_out[0]}" if left_out else "the file holds no frame"
        raise DataError(what, where=str(path), hint="check the file, or leave it out")
    if needs_labels and counts["energy"] == 0 and counts["forces"] == 0:
        raise DataError(
            f"none of the {counts['frames']} frames carries energy or forces",
            where=str(path),
            hint="name the keys that hold the labels, e.g. labels: {energy: REF_energy, forces: REF_forces}",
        )
