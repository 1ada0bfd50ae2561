"""CP2K's own files of basis sets and GTH pseudopotentials: where they are, and one element's entry in them."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pfd.errors import InputError, MissingError

_HEAD = re.compile(r"^\s*([A-Z][A-Za-z]?)\s+([A-Za-z]\S*(?:\s+[A-Za-z]\S*)*)\s*$")
_ELECTRONS = re.compile(r"-q(\d+)$", re.IGNORECASE)


@dataclass(frozen=True)
class Entry:
    """One element's basis set or pseudopotential.

    Attributes:
        names: its names; the same set may have several.
        text: its lines below the names, without comments.
    """

    names: tuple[str, ...]
    text: str

    @property
    def electrons(self) -> int | None:
        """The number of valence electrons in its names (``-q4``), None if none of them tells."""
        told = [found for found in map(_ELECTRONS.search, self.names) if found]
        return int(told[0][1]) if told else None

    def of(self, element: str) -> str:
        """The entry for a file of one's own."""
        return f"{element} {' '.join(self.names)}\n{self.text}"

    def largest_exponent(self) -> float:
        """The largest exponent of a basis set, 1/Bohr^2; the first number of each row with a decimal point."""
        first = [line.split()[0] for line in self.text.splitlines()]
        return max((float(word) for word in first if "." in word), default=0.0)

    def valence(self) -> int:
        """The number of valence electrons of a pseudopotential: the sum of its first line, shell by shell."""
        return sum(int(word) for word in self.text.splitlines()[0].split())


def data_folder(chosen: Path | None, command: str) -> Path:
    """The folder of CP2K's data: the one that is chosen, $CP2K_DATA_DIR, or the one beside the program.

    Raises:
        InputError: if the chosen folder does not exist.
        MissingError: if none is found.
    """
    if chosen is not None:
        folder = chosen.expanduser()
        if not folder.is_dir():
            raise InputError(f"no such folder: {folder}", where="finetune.label.data_dir", hint="correct the path")
        return folder.absolute()
    places = [Path(os.environ["CP2K_DATA_DIR"])] if os.environ.get("CP2K_DATA_DIR") else []
    for word in shlex.split(command):
        if (program := shutil.which(word)) and "cp2k" in Path(word).name:
            prefix = Path(program).resolve().parent.parent
            places += [
                prefix / "share" / "cp2k",
                prefix / "share" / "cp2k" / "data",
                prefix / "data",
                prefix.parent / "data",
            ]
    for place in places:
        if (place / "GTH_POTENTIALS").is_file():
            return place.absolute()
    raise MissingError(
        "the folder of CP2K's basis sets and pseudopotentials is not found",
        where="finetune.label.data_dir",
        hint="name it with data_dir or CP2K_DATA_DIR, or apt install cp2k-data",
    )


def find_entry(element: str, name: str, files: Sequence[Path], where: str) -> Entry:
    """The first entry of that element and name, as CP2K finds it: names are compared in full, case apart.

    Raises:
        InputError: if no file has it; the message lists the names that the element has there.
    """
    known: list[str] = []
    for file in files:
        for entry in _entries(file, element):
            if name.upper() in (each.upper() for each in entry.names):
                return entry
            known += entry.names
    there = [file.name for file in files if file.is_file()]
    absent = [str(file) for file in files if not file.is_file()]
    hint = f"it has: {', '.join(dict.fromkeys(known))}" if known else "check the element and the files"
    missing = f"; not found: {', '.join(absent)}" if absent else ""
    raise InputError(f"{element} has no {name} in {', '.join(there) or 'any file'}{missing}", where=where, hint=hint)


def _entries(file: Path, element: str) -> list[Entry]:
    """All entries of an element in a file; none if there is no such file."""
    if not file.is_file():
        return []
    blocks: list[tuple[tuple[str, ...], list[str]]] = []
    inside = False
    for raw in file.read_text(encoding="utf-8", errors="replace").splitlines():
        line = raw.partition("#")[0].partition("!")[0].rstrip()
        if head := _HEAD.match(line):
            inside = head[1].capitalize() == element
            if inside:
                blocks.append((tuple(head[2].split()), []))
        elif inside and line.strip():
            blocks[-1][1].append(line)
    return [Entry(names, "\n".join(lines) + "\n") for names, lines in blocks]
