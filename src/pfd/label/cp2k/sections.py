"""Sections of CP2K's input as nested dictionaries: their keys, how two are put together, and their text."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

Tree = Mapping[str, Any]
"""A section: names of keys and sections -> values, sections, or lists of sections that repeat. ``_`` is the parameter
of the section itself, and ``*`` a list of lines without a key."""


def sections_in(value: Any) -> list[Tree]:
    """The sections that a value is: one, several, or none if it is the value of a key."""
    several = value if isinstance(value, list) else [value]
    return several if several and all(isinstance(each, Mapping) for each in several) else []


def leaves(tree: Tree, above: str = "") -> Iterator[tuple[str, Any]]:
    """The path of each key, upper case, such as FORCE_EVAL/DFT/SCF/EPS_SCF, and its value."""
    for name, value in tree.items():
        path = f"{above}{name.upper()}"
        sections = sections_in(value)
        for each in sections:
            yield from leaves(each, f"{path}/")
        if not sections:
            yield path, value


def replaced(tree: Tree, written_sections: Collection[str], above: str = "") -> str:
    """The path of the first of some sections in whose place a tree puts something else, a value or several; or none."""
    for name, value in tree.items():
        path = f"{above}{name.upper()}"
        if path in written_sections and not isinstance(value, Mapping):
            return path
        if isinstance(value, Mapping) and (below := replaced(value, written_sections, f"{path}/")):
            return below
    return ""


def merged(tree: Tree, more: Tree) -> dict[str, Any]:
    """A section with the keys of another added, or put in the place of its own; sections that repeat are replaced."""
    result = {name.upper(): value for name, value in tree.items()}
    for name, value in more.items():
        mine = result.get(name.upper())
        both = isinstance(mine, Mapping) and isinstance(value, Mapping)
        result[name.upper()] = merged(mine or {}, value) if both else value
    return result


def written(tree: Tree, depth: int = 0) -> list[str]:
    """The lines of a section's content.

    >>> written({"SMEAR": {"_": "ON", "METHOD": "FERMI_DIRAC", "LIST": [1.0, 0.5]}})
    ['&SMEAR ON', '  METHOD FERMI_DIRAC', '  LIST 1 0.5', '&END SMEAR']
    """
    indent = "  " * depth
    lines: list[str] = []
    for name, value in tree.items():
        sections = sections_in(value)
        for each in sections:
            lines.append(f"{indent}&{name} {_words(each.get('_', ''))}".rstrip())
            lines += [*written(each, depth + 1), f"{indent}&END {name}"]
        if name == "*":
            lines += [f"{indent}{line}" for line in value]
        elif name != "_" and not sections:
            lines.append(f"{indent}{name} {_words(value)}")
    return lines


def _words(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(_words, value))
    if isinstance(value, bool):
        return "T" if value else "F"
    return f"{value:.12g}" if isinstance(value, float) else str(value)
