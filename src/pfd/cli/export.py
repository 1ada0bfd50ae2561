"""``pfd export``: a run's model as files that run without pfd."""

from __future__ import annotations

import json
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


def export_run(run: Path, target: Path, to: str, model: str, *, as_json: bool = False) -> None:
    """Write one of a run's models, and tell how it is used.

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
        name = str(target)
        _tell(target, to, f"in Python: import pfd; atoms.calc = pfd.load({name!r})", as_json)
        return
    run_where_it_lives(folder, run)
    from pfd.models.export import INPUT_FILE, README_FILE, export_lammps, export_program

    if to == "lammps":
        export_lammps(folder, _known_frames(run), target)
    else:
        export_program(folder, _known_frames(run), target, to)
    lammps = f"cd {shell_word(target)}; lmp -in {INPUT_FILE}"
    _tell(target, to, lammps if to == "lammps" else f"how to run it: {target / README_FILE}", as_json)


def _tell(target: Path, to: str, use: str, as_json: bool) -> None:
    files = sorted(path.name for path in target.iterdir())
    if as_json:
        print(json.dumps({"folder": str(target), "to": to, "files": files, "use": use}, indent=1))
        return
    print(f"{target}: {', '.join(files)}")
    print(use)


def _export_ase(folder: Path, target: Path) -> None:
    import shutil

    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise SettingError("the folder is not empty", where=str(target), hint="name a new one")
    shutil.copytree(folder, target, dirs_exist_ok=True)


def _known_frames(run: Path) -> list[Atoms]:
    for name in ("distill-test", "finetune-test"):
        path = run / "data" / f"{name}.extxyz"
        if path.is_file():
            return read_frames(path)[:CHECKED]
    return []
