"""The folder of a user's program: the frame goes in as frame.extxyz, and its labels come out as labelled.extxyz."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pfd.errors import DataError, LabelRejected
from pfd.frames import frame_id, labels_of, read_frames, write_frames
from pfd.frames.ase_reader import read_with_ase
from pfd.label.labeler import Outcome

if TYPE_CHECKING:
    from ase import Atoms

FRAME_FILE = "frame.extxyz"
LABELLED_FILE = "labelled.extxyz"
HINT = "look at it in the task folder"


def write_frame_file(folder: Path, frame: Atoms) -> None:
    """Write the frame as ``frame.extxyz``: atoms, cell, periodicity, and the electronic state it asks for.

    Constraints are left out, because labels are raw forces; so are labels, origin and conditions.
    """
    from ase import Atoms

    plain = Atoms(frame.numbers, frame.positions, cell=frame.cell, pbc=frame.pbc)
    for key in ("initial_magmoms", "initial_charges"):
        if key in frame.arrays:
            plain.set_array(key, frame.arrays[key])
    plain.info = {key: frame.info[key] for key in ("charge", "spin") if key in frame.info}
    plain.info["id"] = frame_id(frame)
    write_frames(folder / FRAME_FILE, [plain])


def read_labelled_file(path: Path, frame: Atoms, *, needs_stress: bool) -> Outcome:
    """What a program says of the frame, as it stands in ``labelled.extxyz``; the judge compares the atoms.

    Labels stand under ASE's names: ``energy`` (eV), ``forces`` (eV/Å), ``stress`` (eV/Å^3). The energy is the one whose
    gradient the forces are: ``free_energy`` if that is given, and then ``energy`` is the one extrapolated to zero
    smearing, as in ASE; ``energy_sigma0`` may name it too. Of the rest of the header, ``converged`` (T or F),
    ``scf_steps``, ``max_scf_steps`` and ``magmom`` are read, and the column ``magmoms``.

    Raises:
        LabelRejected: if the file is cut, garbled, holds other than one frame, or a number that is none.
    """
    where = f"frame {frame_id(frame)}"
    try:
        found = read_frames(path)
        raw = read_with_ase(path, "extxyz") if found else []
    except DataError as error:
        raise LabelRejected(f"{path.name}: {error.what}", where=where, hint=HINT) from error
    if len(found) != 1:
        what = f"{path.name} holds {len(found)} frames instead of one"
        raise LabelRejected(what, where=where, hint="write the labels of frame.extxyz, of nothing else")
    if (found[0].pbc != frame.pbc).any():
        what = f"{path.name} is periodic in {_axes(found[0])}, and frame.extxyz in {_axes(frame)}"
        raise LabelRejected(what, where=where, hint="keep cell and pbc of frame.extxyz")
    info, results = raw[0].info, raw[0].calc.results if raw[0].calc is not None else {}
    converged = info.get("converged", True)
    if not isinstance(converged, bool | np.bool_):
        raise LabelRejected(f"{path.name}: converged is {converged!r}", where=where, hint="write T or F")
    return Outcome(
        labels_of(found[0]),
        converged=bool(converged),
        echoed=found[0],
        scf_steps=_count(info, "scf_steps"),
        max_scf_steps=_count(info, "max_scf_steps"),
        needs_stress=needs_stress and bool(frame.pbc.all()),
        extra=_extra({**info, **results}),
    )


def _axes(frame: Atoms) -> str:
    return "".join(axis for axis, periodic in zip("xyz", frame.pbc, strict=True) if periodic) or "no direction"


def _count(info: dict[str, Any], key: str) -> int | None:
    value = info.get(key)
    return int(value) if isinstance(value, int | np.integer) and not isinstance(value, bool) else None


def _extra(told: dict[str, Any]) -> dict[str, float | list[float]]:
    """What is kept beside the labels, as far as it is finite."""
    sigma0 = told.get("energy_sigma0")
    if sigma0 is None and told.get("free_energy", told.get("energy")) != told.get("energy"):
        sigma0 = told["energy"]
    numbers = {"energy_sigma0_eV": sigma0, "total_magmom": told.get("magmom")}
    kept: dict[str, float | list[float]] = {
        key: float(value)
        for key, value in numbers.items()
        if isinstance(value, int | float | np.number) and math.isfinite(value)
    }
    moments = np.asarray(told.get("magmoms", []))
    if moments.ndim == 1 and moments.size and moments.dtype.kind == "f" and np.isfinite(moments).all():
        kept["local_magmoms"] = [float(value) for value in moments]
    return kept
