"""What a file that a command is to write must be, said before the work and not after it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from pfd.errors import SettingError


def require_new(out: Path, where: str, hint: str = "name another file, or remove it") -> None:
    """Refuse a file that is there already, or whose folder is not.

    Args:
        out: the file.
        where: the option that names it.
        hint: what to try if it is there.

    Raises:
        SettingError
    """
    if out.exists() or out.is_symlink():
        raise SettingError("it is there already", where=f"{where} {out}", hint=hint)
    require_writable(out, [], where)


def require_extended_xyz(out: Path, where: str) -> None:
    """Refuse a name that says another format than the one that frames are written in.

    Raises:
        SettingError
    """
    if out.suffix.lower() not in {".extxyz", ".xyz"}:
        hint = f"name it {out.with_suffix('.extxyz').name}; `ase convert` makes other formats of it"
        raise SettingError(
            "frames are written as extended XYZ, and this name says something else", where=f"{where} {out}", hint=hint
        )


def require_writable(out: Path, inputs: Iterable[Path], where: str, example: str = "frames.extxyz") -> None:
    """Refuse a file that cannot be written, or that would overwrite an input.

    Args:
        out: the file.
        inputs: what the command reads.
        where: the option that names it.
        example: what the file may be called.

    Raises:
        SettingError: saying what stands in the way.
    """
    folder, place = out.parent, f"{where} {out}"
    if out.is_dir():
        raise SettingError("a folder, not a file", where=place, hint=f"name a file in it: {out / example}")
    if not folder.is_dir():
        raise SettingError(f"no such folder: {folder}", where=place, hint="make it, or name a file in another")
    if not os.access(out if out.exists() else folder, os.W_OK):
        raise SettingError("not writable", where=place, hint="name a file in a folder of yours")
    if out.resolve() in {path.resolve() for path in inputs}:
        raise SettingError("the output is one of the inputs", where=place, hint="name another file")
