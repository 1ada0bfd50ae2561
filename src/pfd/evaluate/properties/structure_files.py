"""The structures that a property names, read and found fit for it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pfd.errors import DataError
from pfd.evaluate.properties.property import Property
from pfd.frames.structures import read_starting

if TYPE_CHECKING:
    from ase import Atoms


def read_structures(settings: Property, files: Mapping[str, Path]) -> dict[str, Atoms]:
    """One structure of each file, by key.

    Args:
        settings: of the property.
        files: key of ``settings.files()`` -> path of that file.

    Raises:
        DataError: if a file is missing, holds another number of structures than one, or one that does not fit.
    """
    structures = {}
    for key, path in files.items():
        found = read_starting(path)
        if len(found) != 1:
            what = f"{len(found)} structures, and one is needed"
            raise DataError(what, where=f"{path}", hint="write the one that is meant into a file of its own")
        structures[key] = found[0]
    settings.require(structures)
    return structures
