"""Files that an input names, looked for from its copy in a run on: kept in ``inputs``, or where the input lay."""

from __future__ import annotations

import re
from pathlib import Path

from pfd.errors import SettingError

FOLDER = "inputs"
ORIGIN = "input-folder.txt"
"""File of a run that tells where the input lay that it was submitted with: what is too large to keep stays there."""
_PREFIX = re.compile(r"^[0-9a-f]{8}-")


def original_name(path: Path) -> str:
    """The name of a file, or of the file that it is a kept copy of."""
    return _PREFIX.sub("", path.name) if path.parent.name == FOLDER else path.name


def kept_copies(folder: Path, name: str) -> list[Path]:
    """The copies of files of a name that are kept in a run folder, sorted; none if it is no run folder."""
    found = sorted((folder / FOLDER).glob("*"))
    return [copy for copy in found if _PREFIX.match(copy.name) and _PREFIX.sub("", copy.name) == name]


def here_or_there(folder: Path, path: Path) -> Path:
    """A path that starts at a folder; in a run folder without it, where it was from the first input's folder on."""
    whole = folder / _at_home(path)
    told = folder / ORIGIN
    if _is_there(whole) or not told.is_file():
        return whole
    there = Path(told.read_text(encoding="utf-8").strip()) / _at_home(path)
    return there if _is_there(there) else whole


def here_or_kept(folder: Path, path: Path, where: str) -> Path:
    """A path that starts at a folder; if nothing is there, the one kept copy of that name, or the file at its origin.

    A run that was ended in its first moments has kept nothing yet.

    Raises:
        SettingError: at ``where``, if several are kept, since the file was edited between two submissions.
    """
    whole = folder / _at_home(path)
    copies = [] if _is_there(whole) else kept_copies(folder, path.name)
    if len(copies) > 1:
        names = ", ".join(copy.name for copy in copies)
        hint = f"put {path} back, or leave only the right one of {names} in {copies[0].parent}"
        raise SettingError(f"no such file: {path}, and {len(copies)} kept ones of that name", where=where, hint=hint)
    return copies[0] if copies else here_or_there(folder, path)


def _is_there(path: Path) -> bool:
    """Whether there is such a path; nothing has a name that is too long."""
    try:
        return path.exists()
    except OSError:
        return False


def _at_home(path: Path) -> Path:
    """The path with its ``~`` written out, if there is such a user."""
    try:
        return path.expanduser()
    except RuntimeError:
        return path
