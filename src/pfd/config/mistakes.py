"""Turn what pydantic and YAML say of a wrong input into messages that name the key, the mistake and the mend."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from pfd.errors import SettingError


def setting_error(
    error: ValidationError, model: type[BaseModel], file: str, prefix: Sequence[str] = ()
) -> SettingError:
    """One error with a line per mistake: file, key, what is wrong, the nearest known key, what to write."""
    lines = []
    for mistake in error.errors():
        path = [str(part) for part in mistake["loc"]]
        key = ".".join([*prefix, *_without_tags(path)])
        if mistake["type"] == "extra_forbidden":
            known = known_keys(model, path[:-1])
            near = difflib.get_close_matches(path[-1], known, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}? " if near else ""
            lines.append(f"{key}: unknown key; {hint}known here: {', '.join(sorted(known)) or 'no keys'}")
        elif mistake["type"] == "missing":
            lines.append(f"{key}: missing; add it, e.g. {path[-1]}: ...")
        else:
            found = "" if isinstance(mistake["input"], dict | list) else f" (found {mistake['input']!r})"
            text = mistake["msg"].removeprefix("Value error, ")
            lines.append(f"{key}: {text}{found}" if key else f"{text}")
    return SettingError("; and\n  ".join(lines), where=file, hint="pfd schema lists all keys")


def known_keys(model: type[BaseModel], path: Iterable[str]) -> list[str]:
    """The keys that may stand at a place of the tree."""
    models: list[type[BaseModel]] = [model]
    for part in path:
        nested: list[type[BaseModel]] = []
        for each in models:
            field = {info.alias or name: info for name, info in each.model_fields.items()}.get(part)
            nested += _models_in(field.annotation) if field is not None else []
        tagged = [each for each in models if _tag(each) == part]
        models = nested or tagged or models
    return sorted({info.alias or name for each in models for name, info in each.model_fields.items()})


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models_in(argument)]


def _tag(model: type[BaseModel]) -> str | None:
    """The value of the ``method`` that chooses this model out of a union."""
    field = model.model_fields.get("method")
    return None if field is None else str(field.default)


def _without_tags(path: list[str]) -> list[str]:
    """The path without the tags that pydantic adds where a union was entered (they follow a list index)."""
    known = {"md", "pool"}
    return [part for index, part in enumerate(path) if not (part in known and index and path[index - 1].isdigit())]
