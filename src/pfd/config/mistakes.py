"""Turn what pydantic says of a wrong section into lines that name the key, the mistake and what to write instead."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from pfd.config.expected import fixed_length, is_model, list_example, section_example, types_at
from pfd.config.overrides import COMMAND_LINE
from pfd.errors import SettingError
from pfd.evaluate.properties.kinds import KINDS
from pfd.explore.groups import METHODS
from pfd.wording import counted, shortened

Models = Sequence[type[BaseModel]]
"""The settings that share one section of the input: those of a plug-in, and those common to all plug-ins."""
_LISTS = {"tuple_type", "list_type", "set_type"}
_SECTIONS = {"model_type", "model_attributes_type", "dict_type", "mapping_type"}
_TAGS = {"union_tag_not_found", "union_tag_invalid"}
_MANY = 20
_GROUP_KEY = re.compile(r"^(finetune|distill)\.explore\.(\d+)\.(\d+)(?=\.|:|$)")


def setting_error(
    lines: Sequence[str], file: str, hint: str = "correct it; pfd schema --markdown lists all keys"
) -> SettingError:
    """One error for all mistakes of a file; a repeated line is told once, and no more than twenty are told.

    Args:
        lines: each begins with its key.
        file: where they stand; a line may begin with another place, ``command line: ``.
        hint: what to try; its first "it" is put into the plural for several.
    """
    told = list(dict.fromkeys(map(_short_line, lines)))
    if len(told) == 1:
        return _of_line(told[0], file, hint)
    rest = [f"... and {len(told) - _MANY} more"] if len(told) > _MANY else []
    error = SettingError(
        "\n  ".join([f"{len(told)} mistakes", *told[:_MANY], *rest]), where=file, hint=hint.replace("it", "them", 1)
    )
    error.among = tuple(_of_line(line, file, hint) for line in told)
    return error


def _of_line(line: str, file: str, hint: str) -> SettingError:
    """The error of one line, which begins with its key."""
    if line.startswith(f"{COMMAND_LINE}: "):
        file, line = COMMAND_LINE, line.removeprefix(f"{COMMAND_LINE}: ")
    key, colon, what = line.partition(": ")
    if not colon or " " in key:
        return SettingError(line, where=file, hint=hint)
    return SettingError(what, where=f"{file}: {key}", hint=hint)


def _short_line(line: str) -> str:
    """A line in which what is beyond the key is of a length that can be read."""
    key, colon, text = line.partition(": ")
    return f"{shortened(key)}{colon}{shortened(text, 2000)}"


def mistakes_of(error: ValidationError, models: Models, prefix: str = "") -> list[str]:
    """One line per mistake: key, what is wrong, the nearest known key, what to write.

    A key that is missing because it is misspelt is one mistake.

    Args:
        error: what pydantic found.
        models: the settings of the section; the keys of all of them may stand there.
        prefix: dotted key of the section, empty for the whole file.
    """
    mistakes = _of_sections([dict(mistake) for mistake in error.errors()])
    misspelt = set()
    for mistake in mistakes:
        if mistake["type"] == "extra_forbidden":
            path = _path(mistake)
            misspelt |= {(*path[:-1], key) for key in near_keys(path[-1], known_keys(models, path[:-1]))}
    told = [each for each in mistakes if each["type"] != "missing" or tuple(_path(each)) not in misspelt]
    inside = {tuple(_path(each))[:end] for each in told for end in range(1, len(_path(each)))}
    told = [each for each in told if each["type"] != "too_short" or tuple(_path(each)) not in inside]
    return [_line(mistake, models, prefix) for mistake in told]


def _of_sections(mistakes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of what may be a word or a section, and was written as a section, the mistakes of that alone."""

    def word_at(mistake: Mapping[str, Any]) -> tuple[Any, ...] | None:
        places = [index for index, part in enumerate(mistake["loc"]) if str(part).startswith("literal[")]
        return tuple(mistake["loc"][: places[0]]) if places and isinstance(mistake["input"], Mapping) else None

    words = {place for mistake in mistakes if (place := word_at(mistake)) is not None}
    kept = []
    for mistake in mistakes:
        place = next((each for each in words if tuple(mistake["loc"])[: len(each)] == each), None)
        if place is None:
            kept.append(mistake)
        elif word_at(mistake) is None:
            loc = mistake["loc"]
            kept.append(mistake | {"loc": (*place, *loc[len(place) + 1 :])})  # without the name of the section's type
    return kept


def as_written(line: str, depth: Mapping[str, int]) -> str:
    """A line or key with only those indices of explore that the user wrote.

    Args:
        line: what begins with a dotted key.
        depth: loop -> how many of the two lists of explore were written: a group alone is 0, a list of groups 1.

    >>> as_written("finetune.explore.0.1.steps: missing", {"finetune": 1})
    'finetune.explore.1.steps: missing'
    """
    found = _GROUP_KEY.match(line)
    if found is None or depth.get(found[1], 2) == 2:
        return line
    kept = f".{found[3]}" if depth[found[1]] == 1 else ""
    return f"{found[1]}.explore{kept}{line[found.end() :]}"


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


UNIT = re.compile(r"_(m?eV|[fpn]s|[GMk]?Pa|k?bar|K|C|A|nm|[GM]B|THz)(_per_\w+)?$")
"""The unit that a key ends with."""


def known_keys(models: Models, path: Iterable[str]) -> list[str]:
    """The keys that may stand at a place of the tree."""
    here = [arm for arm in types_at(models, path) if is_model(arm)]
    return sorted({info.alias or name for each in here for name, info in each.model_fields.items()})


def near_keys(word: str, known: Iterable[str]) -> list[str]:
    """Those of the known keys that were probably meant: all that the word begins, else the nearest one."""
    keys = list(known)
    begun = [key for key in keys if key.startswith(f"{word}_")]
    return begun or difflib.get_close_matches(word, keys, n=1, cutoff=0.5)


def nearest(word: str, known: Iterable[str]) -> str:
    """``did you mean 'x'? `` if there is something near, else nothing."""
    near = near_keys(word, known)
    if not near:
        return ""
    unit, others = UNIT.search(word), [UNIT.search(key) for key in near]
    differs = unit is not None and any(other is not None and other.group() != unit.group() for other in others)
    note = " (another unit: convert the number)" if differs else ""
    return f"did you mean {' or '.join(map(repr, near))}{note}? "


def _path(mistake: Mapping[str, Any]) -> list[str]:
    return [str(part) for part in mistake["loc"] if part != "[key]"]


def _line(mistake: dict[str, Any], models: Models, prefix: str) -> str:
    path = _path(mistake)
    kind, found = mistake["type"], mistake.get("input")
    shown = _without_tags(path)
    if kind in _TAGS:
        tag = str(mistake.get("ctx", {}).get("discriminator", "method")).strip("'")
        shown.append(tag)
        found = found.get(tag) if isinstance(found, Mapping) else found
    if kind == "missing" and path[-1].isdigit():
        shown.pop()
    key = ".".join([prefix] * bool(prefix) + shown)
    text = _text(kind, found, mistake, models, path)
    return f"{key}: {text}" if key else text


def _text(kind: str, found: Any, mistake: dict[str, Any], models: Models, path: list[str]) -> str:
    said = str(mistake["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    context = mistake.get("ctx", {})
    last = path[-1] if path else ""
    text = f"{_value_text(kind, said, found, context)} (found {_shown(found)})" + _QUOTES.get(kind, "")
    if kind in _COUNTS or (kind == "missing" and last.isdigit()):
        text = _count_text(kind, found, context, types_at(models, path if kind in _COUNTS else path[:-1]))
    elif kind == "extra_forbidden":
        known = known_keys(models, path[:-1])
        text = f"unknown key; {nearest(last, known)}known here: {', '.join(known) or 'no keys'}"
    elif kind == "missing":
        text = f"missing; add {last}: ..."
    elif kind == "value_error":
        text = said
    elif kind in _TAGS and isinstance(mistake["input"], Mapping):
        tags = str(context.get("expected_tags", ", ".join(map(repr, METHODS)))).replace(", ", " or ")
        text = f"missing; write {tags}" if found is None else f"{found!r} is none of them; write {tags}"
    elif found is None:
        text = "empty; write a value, or remove the key"
    elif kind in _LISTS | _SECTIONS | _TAGS:
        text = _kind_text(found, types_at(models, path), path, is_list=kind in _LISTS)
    elif isinstance(found, float) and not math.isfinite(found):
        text = f"the number must be finite (found {found!r})"
    return text


def _kind_text(found: Any, expected: Sequence[Any], path: list[str], *, is_list: bool) -> str:
    """What to write instead of a value that is no list, or no section."""
    example = list_example(path[-1], found, expected) if is_list else section_example(path, found, expected)
    what = "a list" if is_list else "a section of keys"
    return f"{what} is needed (found {_shown(found)})" + (f"; write {example}" if example else "")


_COUNTS = {"too_short", "too_long"}
_QUOTES = {"string_type": "; put it in quotes"}
_WORDS = {
    "int_type": "an integer is needed",
    "int_parsing": "an integer is needed",
    "int_from_float": "an integer is needed",
    "float_type": "a number is needed",
    "float_parsing": "a number is needed",
    "bool_type": "true or false is needed",
    "bool_parsing": "true or false is needed",
    "string_type": "text is needed",
    "path_type": "a path is needed",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be greater than or equal to {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be less than or equal to {le}",
}
"""What pydantic says of single values, in our words."""


def _value_text(kind: str, said: str, found: Any, context: Mapping[str, Any]) -> str:
    if kind == "literal_error":
        values = re.findall(r"'([^']*)'", str(context["expected"]))
        return f"{nearest(str(found), values)}write {context['expected']}"
    numbers = {key: f"{value:g}" if isinstance(value, float) else value for key, value in context.items()}
    return _WORDS[kind].format(**numbers) if kind in _WORDS else said


def _count_text(kind: str, found: Any, context: Mapping[str, Any], annotations: Sequence[Any]) -> str:
    """What is wrong with the number of entries of a list."""
    fixed = next((n for each in annotations if (n := fixed_length(each))), None)
    limit = fixed or context["min_length" if kind == "too_short" else "max_length"]
    bound = "" if fixed else "at least " if kind == "too_short" else "at most "
    there = len(found) if isinstance(found, list | tuple) else context["actual_length"]
    needed = "is needed" if limit == 1 else "are needed"
    return f"{bound}{counted(limit, 'entry', 'entries')} {needed} (found {there})"


def _big(found: Any) -> bool:
    return isinstance(found, list | tuple | set | Mapping | BaseModel)


def _shown(found: Any) -> str:
    """A short text for a value of the wrong kind."""
    if isinstance(found, Mapping):
        return "a section of keys"
    return "a list" if isinstance(found, list | tuple | set) else shortened(repr(found), 80)


def _without_tags(path: list[str]) -> list[str]:
    """The path without the tags that pydantic adds where a union was entered (they follow a list index)."""
    tags = {*METHODS, *KINDS}
    return [part for index, part in enumerate(path) if not (part in tags and index and path[index - 1].isdigit())]
