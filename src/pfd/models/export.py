"""A model as files that run without pfd: for LAMMPS, with an input that works, checked in LAMMPS itself."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pfd.errors import DataError, ModelError
from pfd.lammps.session import LammpsPotential
from pfd.models.agreement import require_agreement_in_lammps
from pfd.models.environment import require_family
from pfd.models.family import MODEL_FILE, Family, read_model
from pfd.models.training import check_elements, make_family

if TYPE_CHECKING:
    from ase import Atoms

INPUT_FILE, DATA_FILE, README_FILE = "in.lammps", "structure.data", "README.md"
DO_NOT_USE = "do not use these files; please report it with the model folder"


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
    name, family = _model_of(folder)
    if family.lammps_potential(folder) is None:
        hint = _other_programs(family) or "--to ase; pfd models tells which families have a pair style"
        raise ModelError(f"models of {family.name!r} have no pair style in LAMMPS", where=str(folder), hint=hint)
    _prepare(folder, frames, target, earlier=(INPUT_FILE, README_FILE))
    for name_of_export in (INPUT_FILE, README_FILE):  # what an earlier export promised does not hold for these files
        (target / name_of_export).unlink(missing_ok=True)
    for path in folder.iterdir():
        if path.name != MODEL_FILE:
            shutil.copyfile(path, target / path.name)
    potential = family.lammps_potential(target)
    assert potential is not None
    require_agreement_in_lammps(potential, family.predict(folder, frames), frames, DO_NOT_USE)
    _write_data(frames[0], potential, target / DATA_FILE)
    (target / INPUT_FILE).write_text(lammps_input(potential, target, frames[0]), encoding="utf-8")
    (target / README_FILE).write_text(_readme(name, potential, target), encoding="utf-8")


def export_program(folder: Path, frames: Sequence[Atoms], target: Path, program: str) -> None:
    """Write a model for a program other than LAMMPS (see ``Family.export``); arguments as in ``export_lammps``.

    Raises:
        ModelError: if the family writes nothing for that program.
        DataError: if there is no frame, or the target is not empty.
        TaskFailed: if the files give other energies or forces than the model.
    """
    _, family = _model_of(folder)
    if program not in family.exports:
        what = f"models of {family.name!r} cannot be exported for {program}"
        lammps = " or lammps" if family.lammps_potential(folder) is not None else ""
        raise ModelError(what, where=str(folder), hint=_other_programs(family) or f"--to ase{lammps}")
    _prepare(folder, frames, target)
    family.export(folder, program, frames, target)


def _model_of(folder: Path) -> tuple[str, Family]:
    """The name of a model and its family, which is installed."""
    card = read_model(folder).card
    family = make_family(card.family)
    require_family(family)
    return card.name, family


def _other_programs(family: Family) -> str:
    return " or ".join(f"--to {program}" for program in family.exports)


def _prepare(folder: Path, frames: Sequence[Atoms], target: Path, earlier: Sequence[str] = ()) -> None:
    """Make the target; refuse what cannot be checked, and a target in use unless it has these files of an export."""
    if not frames:
        raise DataError("no frame to check the export with", where=str(folder))
    check_elements(read_model(folder).card, frames)
    replaced = bool(earlier) and all((target / name).is_file() for name in earlier)
    if target.is_dir() and any(target.iterdir()) and not replaced:
        raise DataError("the folder is not empty", where=str(target), hint="name a new one")
    if target.exists() and not target.is_dir():
        raise DataError("that is a file", where=str(target), hint="name a folder")
    target.mkdir(parents=True, exist_ok=True)


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
    packages = {"pod": "ML-POD", "snap": "ML-SNAP", "uf3": "ML-UF3, MANYBODY"}
    package = packages.get(next((name for name in packages if name in lines[0]), ""), "")
    needs = f" with {package}" if package else f" with {potential.needs}" if potential.needs else ""
    return (
        f"# {name}, for LAMMPS\n"
        f"Run `lmp -in {INPUT_FILE}` here: NVT of {DATA_FILE} at 300 K. Needs LAMMPS{needs}; units metal (eV, Å, ps).\n"
        f"Atom types, in this order: {', '.join(potential.elements)}. In an input of your own:\n\n"
        + "\n".join(f"    {line}" for line in lines)
        + "\n\nLAMMPS gave the model's energies and forces with these files when they were written.\n"
    )
