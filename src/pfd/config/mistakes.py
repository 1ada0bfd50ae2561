"""Turn what pydantic says of a wrong section into lines that name the key, the mistake and what to write instead."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from pfd.errors import SettingError
from pfd.explore.groups import METHODS

Models = Sequence[type[BaseModel]]
"""The settings that share one section of the input: those of a plug-in, and those common to all plug-ins."""
_LISTS = {"tuple_type", "list_type", "set_type"}
_SECTIONS = {"model_type", "model_attributes_type", "dict_type", "mapping_type"}
_TAGS = {"union_tag_not_found", "union_tag_invalid"}
_MANY = 20


def setting_error(lines: Sequence[str], file: str) -> SettingError:
    """One error for all mistakes of a file; a repeated line is told once, and no more than twenty are told."""
    told = list(dict.fromkeys(lines))
    hint = "correct the file; pfd schema lists all keys"
    if len(told) == 1:
        return SettingError(told[0], where=file, hint=hint)
    rest = [f"... and {len(told) - _MANY} more"] if len(told) > _MANY else []
    return SettingError(
        "\n  ".join([f"{len(told)} mistakes", *told[:_MANY], *rest]), where=file, hint=hint.replace("file", "keys")
    )


def mistakes_of(error: ValidationError, models: Models, prefix: str = "") -> list[str]:
    """One line per mistake: key, what is wrong, the nearest known key, what to write.

    Args:
        error: what pydantic found.
        models: the settings of the section; the keys of all of them may stand there.
        prefix: dotted key of the section, empty for the whole file.
    """
    return [_line(dict(mistake), models, prefix) for mistake in error.errors()]


def value_mistakes(raw: Any, settings: Any, key: str = "") -> list[str]:
    """What pydantic lets pass and no user means: true for a number, and numbers that are not finite.

    Args:
        raw: the section as it stands in the file.
        settings: the same section once validated.
        key: its dotted key.
    """
    if isinstance(raw, bool) and isinstance(settings, int | float) and not isinstance(settings, bool):
        return [
            f"{key}: a number is needed (found {str(raw).lower()}); yes, no, on, off, true and false are no numbers"
        ]
    if isinstance(settings, float) and not math.isfinite(settings):
        return [f"{key}: the number must be finite (found {raw!r})"]
    if isinstance(raw, Mapping) and isinstance(settings, BaseModel):
        fields = {info.alias or name: name for name, info in type(settings).model_fields.items()}
        pairs = [(str(part), value, getattr(settings, fields[part])) for part, value in raw.items() if part in fields]
    elif isinstance(settings, tuple) and settings:
        entries = raw if isinstance(raw, list | tuple) else [raw]
        if isinstance(settings[0], tuple) and not isinstance(entries[0], list | tuple):
            entries = [entries]  # one list of groups is short for one stage
        pairs = [(str(index), one, two) for index, (one, two) in enumerate(zip(entries, settings, strict=False))]
    else:
        return []
    return [line for part, one, two in pairs for line in value_mistakes(one, two, f"{key}.{part}" if key else part)]


def known_keys(models: Models, path: Iterable[str]) -> list[str]:
    """The keys that may stand at a place of the tree."""
    here = list(models)
    for part in path:
        nested = [
            model
            for each in here
            for name, info in each.model_fields.items()
            if part == (info.alias or name)
            for model in _models_in(info.annotation)
        ]
        here = nested or [each for each in here if part in _tags(each)] or here
    return sorted({info.alias or name for each in here for name, info in each.model_fields.items()})


def nearest(word: str, known: Iterable[str]) -> str:
    """``did you mean 'x'? `` if there is something near, else nothing."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}? " if near else ""


def _line(mistake: dict[str, Any], models: Models, prefix: str) -> str:
    path = [str(part) for part in mistake["loc"] if part != "[key]"]
    kind, found = mistake["type"], mistake.get("input")
    shown = _without_tags(path)
    if kind in _TAGS:
        tag = str(mistake.get("ctx", {}).get("discriminator", "method")).strip("'")
        shown.append(tag)
        found = found.get(tag) if isinstance(found, Mapping) else found
    key = ".".join([prefix] * bool(prefix) + shown)
    text = _text(kind, found, mistake, known_keys(models, path[:-1]), path[-1] if path else "")
    return f"{key}: {text}" if key else text


def _text(kind: str, found: Any, mistake: dict[str, Any], known: list[str], last: str) -> str:
    said = str(mistake["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    whole = "" if _big(found) else f" (found {found!r})"
    text = f"{said}{whole}"
    if kind == "extra_forbidden":
        text = f"unknown key; {nearest(last, known)}known here: {', '.join(known) or 'no keys'}"
    elif kind == "missing":
        text = f"missing; add {last}: ..."
    elif kind == "value_error":
        text = said
    elif kind in _TAGS and isinstance(mistake["input"], Mapping):
        tags = str(mistake.get("ctx", {}).get("expected_tags", "'md', 'pool'")).replace(", ", " or ")
        text = f"missing; write {tags}" if found is None else f"{found!r} is none of them; write {tags}"
    elif found is None:
        text = "empty; write a value, or remove the key"
    elif kind in _LISTS:
        text = f"a list is needed (found {_shown(found)})" + ("" if _big(found) else f"; write [{found}]")
    elif kind in _SECTIONS | _TAGS:
        text = f"a section of keys is needed (found {_shown(found)})"
    elif kind == "string_type" and whole:
        text = f"text is needed{whole}; put it in quotes"
    elif isinstance(found, float) and not math.isfinite(found):
        text = f"the number must be finite{whole}"
    return text


def _big(found: Any) -> bool:
    return isinstance(found, list | tuple | set | Mapping | BaseModel)


def _shown(found: Any) -> str:
    """A short text for a value of the wrong kind."""
    if isinstance(found, Mapping):
        return "a section of keys"
    return "a list" if isinstance(found, list | tuple | set) else repr(found)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models_in(argument)]


def _tags(model: type[BaseModel]) -> tuple[str, ...]:
    """The values of the ``method`` that choose this model out of a union."""
    field = model.model_fields.get("method")
    return () if field is None else tuple(str(value) for value in get_args(field.annotation))


def _without_tags(path: list[str]) -> list[str]:
    """The path without the tags that pydantic adds where a union was entered (they follow a list index)."""
    return [part for index, part in enumerate(path) if not (part in METHODS and index and path[index - 1].isdigit())]
