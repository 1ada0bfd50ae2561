"""Copies of input files that a run keeps in its ``inputs``, so that it can be moved: named by digest and name."""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = "inputs"
_PREFIX = re.compile(r"^[0-9a-f]{8}-")


def original_name(path: Path) -> str:
    """The name of a file, or of the file that it is a kept copy of."""
    return _PREFIX.sub("", path.name) if path.parent.name == FOLDER else path.name


def kept_copies(folder: Path, name: str) -> list[Path]:
    """The copies of files of a name that are kept in a run folder, sorted; none if it is no run folder."""
    found = sorted((folder / FOLDER).glob("*"))
    return [copy for copy in found if _PREFIX.match(copy.name) and _PREFIX.sub("", copy.name) == name]


def here_or_kept(folder: Path, path: Path) -> Path:
    """A path that starts at a folder; if nothing is there, the one kept copy of that name, if there is one."""
    whole = folder / path.expanduser()
    copies = [] if whole.exists() else kept_copies(folder, path.name)
    return copies[0] if len(copies) == 1 else whole
