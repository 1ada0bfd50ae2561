"""What may stand at a place of the input: the types that the settings declare there, and an example to write."""

from __future__ import annotations

import math
import types
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import BaseModel

from pfd.explore.groups import METHODS

CHOOSES = {"label": "method", "student": "family"}
"""Sections whose keys a plug-in owns -> the key that names it."""
_SHORT = 60
"""Longest section that is written out on one line, in characters."""


def types_at(models: Sequence[Any], path: Iterable[str]) -> list[Any]:
    """The types that may stand at a place, unions taken apart.

    Args:
        models: the settings that share the section that the path starts from.
        path: names and indices; the tags of unions (``md``) may stand in it.
    """
    here = [arm for model in models for arm in _arms(model)]
    for part in path:
        here = [arm for each in here for below in _below(each, part) for arm in _arms(below)]
    return here


def is_model(annotation: Any) -> bool:
    """Whether it is a section with keys of its own."""
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def fixed_length(annotation: Any) -> int | None:
    """The number of entries of a list that has a certain one."""
    entries = get_args(annotation) if get_origin(annotation) is tuple else ()
    return len(entries) if entries and Ellipsis not in entries else None


def list_example(name: str, found: Any, expected: Sequence[Any]) -> str:
    """What to write where a list is needed and something else stands; empty if nobody can tell.

    Args:
        name: the key.
        found: what stands there.
        expected: the types that may.
    """
    lists = [each for each in expected if get_origin(each) is tuple]
    if not lists:
        return ""
    entries = _arms(get_args(lists[0])[0])
    if any(get_origin(entry) is tuple for entry in entries):  # explore: a group alone is short for it
        return f"{name}: {{method: {found}, ...}}" if found in METHODS else ""
    if any(is_model(entry) for entry in entries):
        found = _section_of(found, entries)
        return f"{name}: [{_flow(found)}]" if isinstance(found, Mapping) and len(_flow(found)) <= _SHORT else ""
    if isinstance(found, Mapping):
        return ""
    entry = found.strip() if str not in entries and _is_number(found) else _flow(found)
    return f"{name}: [{', '.join([entry] * (fixed_length(lists[0]) or 1))}]"


def _is_number(found: Any) -> bool:
    """Whether a text is a number that was put in quotes."""
    try:
        return isinstance(found, str) and math.isfinite(float(found))
    except ValueError:
        return False


def section_example(path: Sequence[str], found: Any, expected: Sequence[Any]) -> str:
    """As ``list_example``, where a section of keys is needed."""
    name = path[-1] if path else ""
    if not isinstance(found, str):
        return ""
    if name in CHOOSES and not any(map(is_model, expected)):
        return f"{name}: {{{CHOOSES[name]}: {found}, ...}}"
    section = _section_of(found, expected)
    if isinstance(section, Mapping):
        text = _flow(section)
        return f"{path[-2]}: [{text}]" if name == "0" else text if name.isdigit() else f"{name}: {text}"
    needed = [key for each in expected if is_model(each) for key in _required(each)]
    return f"{name}: {{{', '.join(f'{key}: ...' for key in needed)}}}" if needed else ""


def _section_of(found: Any, expected: Sequence[Any]) -> Any:
    """A file by name becomes the section that names it."""
    named = any(is_model(each) and "file" in _required(each) for each in expected)
    return {"file": found} if named and isinstance(found, str) else found


def _required(model: type[BaseModel]) -> list[str]:
    return [info.alias or name for name, info in model.model_fields.items() if info.is_required()]


def _flow(value: Any) -> str:
    """A value as YAML on one line."""
    return yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10**6).split("\n")[0]


def _arms(annotation: Any) -> list[Any]:
    """The members of a union, or the type alone."""
    if get_origin(annotation) is Annotated:
        return _arms(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return [arm for each in get_args(annotation) for arm in _arms(each)]
    return [annotation]


def _below(annotation: Any, part: str) -> list[Any]:
    """The types that may stand under a name or index of a type."""
    entries = get_args(annotation)
    if is_model(annotation):
        fields = {info.alias or name: info.annotation for name, info in annotation.model_fields.items()}
        if part in fields:
            return [fields[part]]
        return [annotation] if part in _tags(annotation) else []
    if get_origin(annotation) is tuple and part.isdigit():
        return [entries[0] if Ellipsis in entries else entries[min(int(part), len(entries) - 1)]]
    return [entries[1]] if get_origin(annotation) is dict else []


def _tags(model: type[BaseModel]) -> tuple[str, ...]:
    """The values of the ``method`` or ``kind`` that choose this model out of a union."""
    field = model.model_fields.get("method") or model.model_fields.get("kind")
    kind = None if field is None else field.annotation
    return tuple(map(str, get_args(kind))) if get_origin(kind) is Literal else ()
