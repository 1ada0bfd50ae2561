"""Settings from the command line: words such as ``finetune.select.max_frames=40`` that change an input's content."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from typing import Any

from pfd.config.yaml_file import parse_value
from pfd.errors import SettingError
from pfd.wording import counted

COMMAND_LINE = "command line"
"""How messages name the place of these settings."""
_WORD = re.compile(r"^([A-Za-z_][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*)=(.*)$", re.DOTALL)


def is_override(word: str) -> bool:
    """Whether a word of a command line sets a key; paths with an equals sign in them begin with ``./``.

    >>> is_override("seed=3"), is_override("finetune.explore.0.0.steps=100"), is_override("./seed=3")
    (True, True, False)
    """
    return _WORD.match(word) is not None


def with_overrides(content: dict[str, Any], words: Sequence[str]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The content of an input with keys set by the command line.

    Args:
        content: the raw content; it stays as it is.
        words: ``KEY=VALUE``, the key dotted, with numbers for entries of lists; the value as in YAML.

    Returns:
        The content, and the keys that came from the command line (the first that is new, where sections are too).

    Raises:
        SettingError: if a word is no setting, or its key leads nowhere.
    """
    content, keys = copy.deepcopy(content), []
    for word in words:
        found = _WORD.match(word)
        if found is None:
            hint = "write KEY=VALUE, e.g. finetune.select.max_frames=40"
            raise SettingError(f"{word!r} sets no key", where=COMMAND_LINE, hint=hint)
        try:
            value = parse_value(found[2])
        except ValueError as error:
            where = f"{COMMAND_LINE}: {found[1]}"
            raise SettingError(
                f"{found[2]!r} is no value: {error}", where=where, hint="quote it twice: 'KEY=\"text\"'"
            ) from error
        keys.append(_set(content, found[1], value))
    return content, tuple(keys)


def _set(content: dict[str, Any], key: str, value: Any) -> str:
    """Set one key in place; returns the first part of it that is new, or all of it."""
    parts = key.split(".")
    _write_out_explore(content, parts)
    here: Any = content
    made = ""
    for number, part in enumerate(parts):
        place = _place(here, part, f"{COMMAND_LINE}: {key}", ".".join(parts[:number]))
        if isinstance(here, dict) and place not in here and not made:
            made = ".".join(parts[: number + 1])
        if number == len(parts) - 1:
            here[place] = value
        elif isinstance(here, dict) and here.get(place) is None:
            here[place] = {}
        here = here[place]
    return made or key


def _place(here: Any, part: str, where: str, parent: str) -> Any:
    """What an entry of a section or list is looked up by.

    Raises:
        SettingError: if there is none.
    """
    if isinstance(here, dict):
        return part
    if not isinstance(here, list):
        raise SettingError(f"{parent} is no section", where=where, hint=f"set it as a whole: {parent}='{{...}}'")
    if part.isdigit() and int(part) < len(here):
        return int(part)
    entries = counted(len(here), "entry", "entries")
    hint = "entries are counted from 0; to add one, set the whole list"
    raise SettingError(f"{parent} has no entry {part!r}: it has {entries}", where=where, hint=hint)


def _write_out_explore(content: dict[str, Any], parts: Sequence[str]) -> None:
    """Give the short forms of explore as many lists as a key has numbers for."""
    loop = content.get(parts[0])
    if parts[1:2] != ["explore"] or not isinstance(loop, dict):
        return
    wanted = len([part for part in parts[2:4] if part.isdigit()])
    if isinstance(loop.get("explore"), dict) and wanted:
        loop["explore"] = [loop["explore"]]
    explore = loop.get("explore")
    if wanted == 2 and isinstance(explore, list) and explore and isinstance(explore[0], dict):
        loop["explore"] = [explore]
