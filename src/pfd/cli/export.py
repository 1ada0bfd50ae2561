"""``pfd export``: a run's model as files that run without pfd."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pfd.cli.elsewhere import run_where_it_lives
from pfd.errors import RunError, SettingError
from pfd.frames import read_frames
from pfd.wording import shell_word

if TYPE_CHECKING:
    from ase import Atoms

FORMATS = ("lammps", "ase", "gpumd")
CHECKED = 4
"""Known frames that an export is checked with."""


def export_run(run: Path, target: Path, to: str, model: str) -> None:
    """Write one of a run's models.

    Raises:
        SettingError: if the format or the model is unknown.
        RunError: if the run has no such model yet.
    """
    if to not in FORMATS:
        raise SettingError(f"unknown format {to!r}", where="--to", hint=f"one of {', '.join(FORMATS)}")
    folder = run / "models" / model
    if not folder.is_dir():
        there = sorted(path.name for path in (run / "models").glob("*") if path.is_dir())
        hint = f"there are: {', '.join(there)}" if there else "it has none yet: wait until a loop has ended"
        raise RunError(f"no model {model!r}", where=str(run), hint=hint)
    if to == "ase":
        _export_ase(folder, target)
        return
    run_where_it_lives(folder, run)
    from pfd.models.export import INPUT_FILE, README_FILE, export_lammps, export_program

    if to == "lammps":
        export_lammps(folder, _known_frames(run), target)
    else:
        export_program(folder, _known_frames(run), target, to)
    print(f"{target}: {', '.join(sorted(path.name for path in target.iterdir()))}")
    print(
        f"cd {shell_word(target)}; lmp -in {INPUT_FILE}" if to == "lammps" else f"how to run it: {target / README_FILE}"
    )


def _export_ase(folder: Path, target: Path) -> None:
    import shutil

    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise SettingError("the folder is not empty", where=str(target), hint="name a new one")
    shutil.copytree(folder, target, dirs_exist_ok=True)
    print(f"{target}: the model folder; in Python: import pfd; atoms.calc = pfd.load({str(target)!r})")


def _known_frames(run: Path) -> list[Atoms]:
    for name in ("distill-test", "finetune-test"):
        path = run / "data" / f"{name}.extxyz"
        if path.is_file():
            return read_frames(path)[:CHECKED]
    return []
