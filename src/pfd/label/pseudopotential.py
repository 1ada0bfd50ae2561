"""A pseudopotential file in UPF: its element, valence, functional and kind, read from the header."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pfd.digests import file_digest
from pfd.errors import InputError

_SHORT_NAMES = {
    "SLA PZ NOGX NOGC": "PZ",
    "SLA PZ": "PZ",
    "LDA": "PZ",
    "SLA PW NOGX NOGC": "PW",
    "SLA PW PBE PBE": "PBE",
    "SLA PW PBX PBC": "PBE",
    "SLA PW PSX PSC": "PBESOL",
    "SLA LYP B88 BLYP": "BLYP",
}
"""Quantum ESPRESSO's lists of parts -> the name of the whole (Modules/funct.f90); PBE is written in two ways."""


@dataclass(frozen=True)
class Pseudopotential:
    """What a calculation needs to know of a pseudopotential.

    Attributes:
        valence: number of valence electrons, e.
        functional: the exchange-correlation functional it was made with, such as ``PBE``.
        norm_conserving: whether four times the wave-function cutoff is enough for the density.
        digest: sha256 of the file.
    """

    valence: float
    functional: str
    norm_conserving: bool
    digest: str


def read_pseudopotential(path: Path, element: str) -> Pseudopotential:
    """Read the header of a UPF file, version 1 or 2.

    Raises:
        InputError: if the file is missing, is no UPF, or is of another element.
    """
    where = f"finetune.label.pseudopotentials.{element}"
    if not path.is_file():
        raise InputError(
            f"no such pseudopotential file: {path}", where=where, hint="check finetune.label.pseudo_dir and the name"
        )
    text = path.read_text(encoding="utf-8", errors="replace")
    header = re.search(r"<PP_HEADER(.*?)(?:/>|</PP_HEADER>|>)", text, re.DOTALL)
    version_one = re.search(r"<PP_HEADER>(.*?)</PP_HEADER>", text, re.DOTALL)
    if version_one:
        found = _version_one(version_one[1])
    else:
        found = dict(re.findall(r"(\w+)\s*=\s*\"([^\"]*)\"", header[1])) if header else {}
    try:
        symbol, valence, functional = found["element"].strip(), float(found["z_valence"]), found["functional"]
    except (KeyError, ValueError) as error:
        raise InputError(f"{path.name} is not a UPF pseudopotential", where=where, hint="use UPF files") from error
    if symbol.capitalize() != element:
        raise InputError(f"{path.name} is a pseudopotential of {symbol}", where=where, hint=f"name one of {element}")
    kind = found.get("pseudo_type", "NC").strip().upper()
    soft = "true" in (found.get("is_ultrasoft", "").lower(), found.get("is_paw", "").lower())
    return Pseudopotential(
        valence=valence,
        functional=functional_name(functional),
        norm_conserving=kind in {"NC", "SL", "1/R"} and not soft,
        digest=file_digest(path),
    )


def functional_name(parts: str) -> str:
    """The functional's short name, so that two spellings of one functional compare equal.

    >>> functional_name(" SLA  PW   PBX  PBC")
    'PBE'
    """
    spelled = " ".join(parts.upper().replace("-", " ").split())
    return _SHORT_NAMES.get(spelled, spelled)


def _version_one(header: str) -> dict[str, str]:
    """The header's lines are values followed by what they are."""
    found: dict[str, str] = {}
    for line in header.strip().splitlines():
        words = line.split()
        if "Element" in words:
            found["element"] = words[0]
        elif "Z valence" in line:
            found["z_valence"] = words[0]
        elif "Exchange-Correlation functional" in line:
            found["functional"] = " ".join(words[:4])
        elif words and words[0] in {"NC", "US", "PAW", "SL"}:
            found["pseudo_type"] = words[0]
    return found


def one_functional(pseudopotentials: Sequence[Pseudopotential]) -> str:
    """The functional that all pseudopotentials share.

    Raises:
        InputError: if they were made with different ones.
    """
    names = sorted({pseudopotential.functional for pseudopotential in pseudopotentials})
    if len(names) != 1:
        raise InputError(
            f"the pseudopotentials were made with different functionals: {', '.join(names)}",
            where="finetune.label.pseudopotentials",
            hint="take all from one set, or say which functional to use: namelists: {system: {input_dft: PBE}}",
        )
    return names[0]
