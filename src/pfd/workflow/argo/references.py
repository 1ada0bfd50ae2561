"""What the strings of an Argo workflow refer to: ``{{steps.a.outputs.parameters.x}}`` and its like, taken apart."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_TAG = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_INDEXED = re.compile(r"\['([^']*)'\]")
_IN_EXPRESSION = re.compile(
    r"(?<![\w.'])(?:inputs|steps|tasks|workflow|item|pod|node|outputs)\b(?:\.[\w-]+|\['[^']*'\])*"
)


@dataclass(frozen=True)
class Reference:
    """One reference.

    Attributes:
        text: as it is written.
        parts: what stands between the dots.
    """

    text: str
    parts: tuple[str, ...]

    @property
    def owner(self) -> str:
        """``inputs``, ``steps``, ``tasks``, ``item``, ``workflow`` ..."""
        return self.parts[0]

    @property
    def kind(self) -> str:
        """``parameters``, ``artifacts``, or something else that a step has."""
        at = 1 if self.owner == "inputs" else 3
        return self.parts[at] if len(self.parts) > at else ""

    @property
    def name(self) -> str:
        """What the parameter or artifact is called."""
        at = 2 if self.owner == "inputs" else 4
        return self.parts[at] if len(self.parts) > at else ""

    def names_output(self) -> bool:
        """Whether it is a parameter or artifact that a step gives."""
        return self.owner in {"steps", "tasks"} and len(self.parts) == 5 and self.parts[2] == "outputs"


def references_in(content: Any) -> Iterator[Reference]:
    """All references in the strings of a tree, expressions included."""
    if isinstance(content, str):
        for tag in _TAG.findall(content):
            if tag.startswith("="):
                yield from references_of_expression(tag[1:])
            else:
                yield Reference(f"{{{{{tag}}}}}", tuple(tag.strip().split(".")))
    elif isinstance(content, dict):
        for value in content.values():
            yield from references_in(value)
    elif isinstance(content, list):
        for value in content:
            yield from references_in(value)


def references_of_expression(text: str) -> Iterator[Reference]:
    """The references in an expression, where names may be indices: ``steps['a'].outputs.parameters['x']``."""
    for found in _IN_EXPRESSION.findall(text):
        parts = tuple(part for part in _INDEXED.sub(r".\1", found).split(".") if part)
        yield Reference(found, parts)


def one_reference(text: Any) -> Reference | None:
    """The reference that a string consists of; None if it is something else."""
    if not isinstance(text, str) or _TAG.fullmatch(text) is None or text.startswith("{{="):
        return None
    found = list(references_in(text))
    return found[0] if len(found) == 1 else None
