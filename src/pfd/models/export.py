"""A model as files that run without pfd: for LAMMPS, with an input that works, checked in LAMMPS itself."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pfd.errors import DataError, ModelError, TaskFailed
from pfd.frames import Labels
from pfd.lammps.session import LammpsPotential, LammpsSession
from pfd.models.family import MODEL_FILE, read_model
from pfd.models.training import check_elements, make_family, require_family

if TYPE_CHECKING:
    from ase import Atoms

INPUT_FILE, DATA_FILE, README_FILE = "in.lammps", "structure.data", "README.md"
OFF_EV_PER_A = 1e-4
"""Largest difference of a force component, eV/Å, and of an energy per atom, eV, between the model and its export."""


def export_lammps(folder: Path, frames: Sequence[Atoms], target: Path) -> None:
    """Write a model for LAMMPS: its files, a structure, an input that runs NVT at 300 K, and how to use them.

    The files are then read by LAMMPS again, and known frames predicted with them.

    Args:
        folder: the model.
        frames: known frames; the first is the structure of the input.
        target: an empty or new folder.

    Raises:
        ModelError: if the family has no pair style in LAMMPS.
        DataError: if there is no frame, or the target holds something else already.
        TaskFailed: if LAMMPS gives other energies or forces than the model.
    """
    model = read_model(folder)
    family = make_family(model.card.family)
    require_family(family)
    if family.lammps_potential(folder) is None:
        raise ModelError(
            f"models of {family.name!r} have no pair style in LAMMPS", where=str(folder), hint="export the student"
        )
    if not frames:
        raise DataError("no frame to check the export with", where=str(folder))
    check_elements(model.card, frames)
    _require_free(target)
    target.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path.name != MODEL_FILE:
            shutil.copyfile(path, target / path.name)
    potential = family.lammps_potential(target)
    assert potential is not None
    _check(family.predict(folder, frames), potential, frames)
    _write_data(frames[0], potential, target / DATA_FILE)
    (target / INPUT_FILE).write_text(lammps_input(potential, target, frames[0]), encoding="utf-8")
    (target / README_FILE).write_text(_readme(model.card.name, potential, target), encoding="utf-8")


def _require_free(target: Path) -> None:
    """Refuse a folder that holds anything but an earlier export."""
    if target.is_dir() and any(target.iterdir()) and not (target / INPUT_FILE).is_file():
        raise DataError("the folder is not empty", where=str(target), hint="name a new one")
    if target.exists() and not target.is_dir():
        raise DataError("that is a file", where=str(target), hint="name a folder")


def _check(predicted: Sequence[Labels], potential: LammpsPotential, frames: Sequence[Atoms]) -> None:
    with LammpsSession(potential) as session:
        for labels, frame in zip(predicted, frames, strict=True):
            session.place(frame)
            found = session.evaluate()
            off_energy = abs(found.energy - float(labels.energy or 0.0)) / len(frame)
            off_force = float(np.abs(found.forces - np.asarray(labels.forces)).max())
            if not (off_energy <= OFF_EV_PER_A and off_force <= OFF_EV_PER_A):
                raise TaskFailed(
                    f"LAMMPS is off the model by {off_energy:.1e} eV/atom and {off_force:.1e} eV/Å",
                    where=f"frame {frame.info.get('id', '')}",
                    hint="do not use these files; please report it with the model folder",
                )


def _write_data(frame: Atoms, potential: LammpsPotential, path: Path) -> None:
    from ase.io import write

    bare = frame.copy()
    bare.calc = None
    write(path, bare, format="lammps-data", specorder=list(potential.elements), masses=True, units="metal")


def pair_lines(potential: LammpsPotential, folder: Path) -> list[str]:
    """The commands of the pair style, files by their names alone."""
    here = f"{folder.resolve()}/"
    lines = [f"pair_style {potential.pair_style}", *(f"pair_coeff {arguments}" for arguments in potential.pair_coeff)]
    return [line.replace(here, "").replace('"', "") for line in lines]


def lammps_input(potential: LammpsPotential, folder: Path, frame: Atoms) -> str:
    """The content of an input that runs NVT of the structure at 300 K for 1000 steps."""
    boundary = " ".join("p" if periodic else "s" for periodic in frame.pbc)
    step = 0.0005 if (frame.numbers == 1).any() else 0.001
    lines = [
        "units metal",
        "atom_style atomic",
        f"boundary {boundary}",
        "box tilt large",
        f"read_data {DATA_FILE}",
        *pair_lines(potential, folder),
        "neighbor 1.0 bin",
        "neigh_modify every 1 delay 0 check yes",
        "velocity all create 300.0 1 mom yes rot no",
        f"timestep {step}",
        "fix bath all langevin 300.0 300.0 0.1 1 zero yes",
        "fix move all nve",
        "thermo 100",
        "thermo_style custom step temp pe press",
        "run 1000",
    ]
    return "\n".join(lines) + "\n"


def _readme(name: str, potential: LammpsPotential, folder: Path) -> str:
    lines = pair_lines(potential, folder)
    package = {"pod": "ML-POD", "snap": "ML-SNAP"}.get(next(w for w in ("pod", "snap", "") if w in lines[0]), "")
    needs = f" with the package {package}" if package else f" with {potential.needs}" if potential.needs else ""
    return (
        f"# {name}, for LAMMPS\n"
        f"Run `lmp -in {INPUT_FILE}` here: NVT of {DATA_FILE} at 300 K. Needs LAMMPS{needs}; units metal (eV, Å, ps).\n"
        f"Atom types, in this order: {', '.join(potential.elements)}. In an input of your own:\n\n"
        + "\n".join(f"    {line}" for line in lines)
        + "\n\nLAMMPS gave the model's energies and forces with these files when they were written.\n"
    )
