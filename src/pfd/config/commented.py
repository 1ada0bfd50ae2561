"""YAML with comments, for inputs that pfd writes: sections in lines, plain values and lists beside their key."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import yaml

WIDTH = 120


def commented_yaml(content: Mapping[str, Any], comments: Mapping[str, str], head: Sequence[str] = ()) -> str:
    """The content as YAML that reads as it.

    Args:
        content: what YAML can hold.
        comments: dotted key -> a comment, which stands behind the key, or before it where there is no room.
        head: comments at the top, a paragraph each.
    """
    top = [line for paragraph in head for line in _comment(paragraph, 0)]
    return "\n".join([*top, *_section(content, comments, "", 0)]) + "\n"


def value_text(value: Any) -> str:
    """A value as YAML on one line.

    >>> value_text([300, 900]), value_text({"Si": "yes"}), value_text(None)
    ('[300, 900]', "{Si: 'yes'}", 'null')
    """
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{value_text(key)}: {value_text(each)}' for key, each in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(value_text, value))}]"
    if isinstance(value, str) and not value.isprintable():
        plain = (sign if sign.isprintable() and sign not in '"\\' else f"\\U{ord(sign):08x}" for sign in value)
        return f'"{"".join(plain)}"'
    return _plain(value)


@lru_cache(maxsize=4096, typed=True)
def _plain(value: Any) -> str:
    """A number, a text or null as YAML."""
    return yaml.safe_dump([value], default_flow_style=True, width=10**9, allow_unicode=True).strip()[1:-1]


def _section(content: Mapping[str, Any], comments: Mapping[str, str], above: str, depth: int) -> list[str]:
    lines: list[str] = []
    for name, value in content.items():
        key = f"{above}.{name}" if above else str(name)
        lines += _entry(f"{value_text(name)}:", value, comments, key, depth)
    return lines


def _list(content: Sequence[Any], comments: Mapping[str, str], above: str, depth: int) -> list[str]:
    lines: list[str] = []
    for index, value in enumerate(content):
        key = f"{above}.{index}"
        if not _is_large(value):
            lines += _entry("-", value, comments, key, depth)
            continue
        below = _below(value, comments, key, depth + 2)
        lines += _comment(comments[key], depth) if key in comments else []
        first = next(number for number, line in enumerate(below) if not line.lstrip().startswith("#"))
        below[first] = f"{' ' * depth}- {below[first][depth + 2 :]}"
        lines += [line[2:] for line in below[:first]] + below[first:]
    return lines


def _entry(name: str, value: Any, comments: Mapping[str, str], key: str, depth: int) -> list[str]:
    """A key, or the dash of a list, with its value and its comment."""
    large = _is_large(value)
    line = " " * depth + (name if large else f"{name} {value_text(value)}")
    comment = _printable(comments.get(key, ""))
    before: list[str] = []
    if comment and len(line) + len(comment) + 4 <= WIDTH:
        line = f"{line}  # {comment}"
    elif comment:
        before = _comment(comment, depth)
    return [*before, line, *(_below(value, comments, key, depth + 2) if large else [])]


def _below(value: Any, comments: Mapping[str, str], key: str, depth: int) -> list[str]:
    return (_section if isinstance(value, Mapping) else _list)(value, comments, key, depth)


def _is_large(value: Any) -> bool:
    """Whether a value is written below its key: sections, and lists that hold some."""
    if isinstance(value, Mapping):
        return bool(value)
    return isinstance(value, list | tuple) and any(_is_large(each) for each in value)


def _comment(text: str, depth: int) -> list[str]:
    indent = " " * depth + "# "
    return textwrap.wrap(
        _printable(text), WIDTH, initial_indent=indent, subsequent_indent=indent, break_long_words=False
    )


def _printable(text: str) -> str:
    """Text that may stand in a comment: names of files hold what YAML does not."""
    return "".join(sign if sign.isprintable() else " " for sign in text)
