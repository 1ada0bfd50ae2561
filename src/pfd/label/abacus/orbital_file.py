"""A file of numerical atomic orbitals, as ABACUS reads it: element and digest."""

from __future__ import annotations

import re
from pathlib import Path

from pfd.digests import file_digest
from pfd.errors import InputError


def orbital_digest(path: Path, element: str) -> str:
    """sha256 of the file, if it holds orbitals of the element.

    Raises:
        InputError: if it is missing, is no orbital file, or is of another element.

    Source: https://abacus.deepmodeling.com/en/latest/advanced/pp_orb.html.
    """
    where = f"finetune.label.orbitals.{element}"
    if not path.is_file():
        raise InputError(
            f"no such orbital file: {path}", where=where, hint="check finetune.label.orbital_dir and the name"
        )
    with path.open(encoding="utf-8", errors="replace") as stream:
        head = stream.read(2000)
    found = re.search(r"^\s*Element\s+(\w+)", head, re.MULTILINE)
    if found is None or "Cutoff" not in head:
        raise InputError(f"{path.name} is no file of numerical atomic orbitals", where=where, hint="use .orb files")
    if found[1].capitalize() != element:
        raise InputError(f"{path.name} holds orbitals of {found[1]}", where=where, hint=f"name those of {element}")
    return file_digest(path)
