"""Any file that ASE reads, as frames; whatever its readers make of a bad file is one error that names it."""

from __future__ import annotations

import difflib
import pickle
import struct
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pfd.errors import DataError, SettingError
from pfd.frames.frame import READER_NOTES

if TYPE_CHECKING:
    from ase import Atoms

UNREADABLE = (
    *(OSError, EOFError, ValueError, TypeError, AttributeError, LookupError, AssertionError, ArithmeticError),
    *(StopIteration, RuntimeError, SyntaxError, NameError, ImportError, BufferError, MemoryError),
    *(struct.error, zlib.error, zipfile.BadZipFile, pickle.UnpicklingError),
)
"""What readers raise at content that is not what they expect (xml's ParseError is a SyntaxError)."""
PFD_FORMATS = ("extxyz", "deepmd/npy", "OUTCAR", "vasprun.xml")
"""Names of formats, beside ASE's own, that ``format:`` takes for labelled sets."""


def read_with_ase(path: Path, kind: str | None = None) -> list[Atoms]:
    """All frames of a file, with what the file says of them as a calculator's results.

    Args:
        path: the file.
        kind: ASE's name of the format; None guesses it from name and content.

    Raises:
        DataError: if the file is missing, empty, cut or garbled.
        SettingError: if ASE knows no such format.
    """
    import sqlite3

    import ase.io
    from ase.io import ParseError
    from ase.io.formats import UnknownFileTypeError

    where = str(path)
    if not path.exists():
        raise DataError("no such file", where=where, hint="check the path")
    if kind is not None:
        require_format(kind, where)
    if path.is_file() and path.stat().st_size == 0:
        raise DataError("the file is empty", where=where, hint="check how it was written")
    try:
        found: Any = ase.io.read(path, index=":", format=kind, do_not_split_by_at_sign=True)
    except (*UNREADABLE, ParseError, UnknownFileTypeError, sqlite3.Error) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        what = f"not readable as {kind or 'a structure'} ({reason})"
        hint = "is it complete? Name ASE's format of the file with `format:` if it is another"
        raise DataError(what, where=where, hint=hint) from error
    frames: list[Atoms] = list(found) if isinstance(found, list | tuple) else [found]
    for frame in frames:
        _refuse_partly_occupied(frame, where)
        for note in READER_NOTES:
            frame.info.pop(note, None)
            frame.arrays.pop(note, None)
    return frames


def _refuse_partly_occupied(frame: Atoms, where: str) -> None:
    """ASE takes the first species of a site as if it were there always."""
    sites = frame.info.get("occupancy")
    for kinds in sites.values() if isinstance(sites, dict) else ():
        parts = list(kinds.values())
        if not all(isinstance(part, int | float) for part in parts):
            raise DataError("occupancies are no numbers", where=where, hint="is the file complete?")
        if len(parts) > 1 or min(parts, default=1.0) < 1.0:
            shown = ", ".join(f"{symbol} {part:g}" for symbol, part in kinds.items())
            hint = "write a cell whose sites are occupied or empty; structures.alloy puts elements on sites at random"
            raise DataError(f"sites are partly occupied ({shown})", where=where, hint=hint)


def require_format(kind: str, where: str) -> None:
    """Refuse a name that is no format of ASE.

    Raises:
        SettingError: naming the nearest one.
    """
    from ase.io.formats import ioformats

    if kind not in ioformats:
        near = difflib.get_close_matches(kind, [*PFD_FORMATS, *ioformats], n=1)
        guess = f"did you mean {near[0]!r}? " if near else ""
        hint = f"{guess}{', '.join(PFD_FORMATS)}, any format of ASE, or dpdata:NAME"
        raise SettingError(f"{kind!r} is no format", where=f"{where}: format", hint=hint)
