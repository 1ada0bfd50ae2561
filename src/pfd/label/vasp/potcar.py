"""The POTCAR of an element in the user's own folder: title, valence and functional from its header, a digest of it."""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pfd.errors import InputError

EXCHANGE = {
    "PE": "PBE",
    "CA": "LDA",
    "PZ": "LDA",
    "91": "PW91",
    "PS": "PBEsol",
    "RP": "RPBE",
    "RE": "revPBE",
    "AM": "AM05",
    "MK": "optB86b",
    "BO": "optPBE",
    "OR": "optPBE",
    "ML": "vdW-DF2",
    "B3": "B3LYP",
}
"""LEXCH of a POTCAR, or GGA of an INCAR -> the functional's usual name (https://vasp.at/wiki/GGA)."""


@dataclass(frozen=True)
class Potcar:
    """What a calculation needs to know of a POTCAR. Its content is the user's licensed property and is kept nowhere.

    Attributes:
        path: the file.
        element: chemical symbol.
        title: what follows TITEL, such as ``PAW_PBE Ti_pv 07Sep2000``.
        valence: number of valence electrons, e.
        exchange: LEXCH, the functional it was made with.
        digest: sha256 of its text.
    """

    path: Path
    element: str
    title: str
    valence: float
    exchange: str
    digest: str


def read_potcar(folder: Path, name: str, element: str) -> Potcar:
    """Read the header of ``NAME/POTCAR``, ``POTCAR.NAME`` (either of them gzipped or not) or the file NAME in a folder.

    Raises:
        InputError: if there is none, it is cut, it holds several data sets, or it is of another element.
    """
    where = f"finetune.label.potcars.{element}"
    candidates = [
        Path(name) / "POTCAR",
        Path(name) / "POTCAR.gz",
        Path(f"POTCAR.{name}"),
        Path(f"POTCAR.{name}.gz"),
        Path(name),
    ]
    path = next((folder / each for each in candidates if (folder / each).is_file()), None)
    if path is None:
        tried = ", ".join(str(each) for each in candidates)
        raise InputError(
            f"no POTCAR {name!r} in {folder}", where=where, hint=f"check finetune.label.potcar_dir; tried {tried}"
        )
    text = potcar_text(path)
    title, valence, exchange, species = (
        re.findall(pattern, text, re.MULTILINE)
        for pattern in (r"TITEL\s*=\s*(.+?)\s*$", r"ZVAL\s*=\s*([\d.]+)", r"LEXCH\s*=\s*(\w+)", r"VRHFIN\s*=\s*(\w+)")
    )
    if len(title) > 1:
        what = f"{path} holds {len(title)} data sets: {', '.join(title)}"
        raise InputError(what, where=where, hint="name the folder of one element's POTCAR; they are joined here")
    if not (title and valence and exchange and species and text.rstrip().endswith("End of Dataset")):
        raise InputError(f"{path} is no POTCAR, or is cut short", where=where, hint="copy it again from the release")
    if species[0].capitalize() != element:
        raise InputError(f"{path} is of {species[0]}", where=where, hint=f"name one of {element}")
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Potcar(path, element, title[0], float(valence[0]), exchange[0].upper(), digest)


def potcar_text(path: Path) -> str:
    """The content of a POTCAR, unpacked if its name ends with ``.gz``."""
    raw = path.read_bytes()
    return (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("latin-1")


def one_exchange(potcars: Sequence[Potcar]) -> str:
    """LEXCH of all of these.

    Raises:
        InputError: if they were made with different functionals, which VASP refuses as well.
    """
    kinds = sorted({potcar.exchange for potcar in potcars})
    if len(kinds) != 1:
        raise InputError(
            f"the POTCARs were made with different functionals: {', '.join(kinds)}",
            where="finetune.label.potcars",
            hint="take all from one release",
        )
    return kinds[0]
