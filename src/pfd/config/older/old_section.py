"""One section of an older input, which remembers what was read of it, so that nothing is dropped in silence."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pfd.config.mistakes import nearest

T = TypeVar("T")


@dataclass
class Record:
    """What is found on the way.

    Attributes:
        ignored: what has no effect, and why, one line each.
        mistakes: what is refused, one line each, the key first.
        comments: dotted key of today's input -> how its value came about.
    """

    ignored: list[str] = field(default_factory=list)
    mistakes: list[str] = field(default_factory=list)
    comments: dict[str, str] = field(default_factory=dict)


class OldSection:
    """A section of the older input.

    Args:
        content: its raw content.
        key: its dotted key; empty for the whole file.
        record: where mistakes and ignored keys are told.
    """

    def __init__(self, content: Mapping[str, Any], key: str, record: Record) -> None:
        self._content = {name: value for name, value in content.items() if not _is_comment(name)}
        self._read: list[str] = []
        self._below: dict[str, OldSection] = {}
        self.key = key
        self.record = record

    def named(self, name: str) -> str:
        """The dotted key of one of its keys."""
        return f"{self.key}.{name}" if self.key else name

    def names(self) -> list[str]:
        """The keys that are there."""
        return list(self._content)

    def names_unread(self) -> list[str]:
        """Those that nobody has asked for yet."""
        return [name for name in self._content if name not in self._read]

    def given(self, *names: str) -> str | None:
        """The first of some names of one key under which something stands; null is nothing. Others are told."""
        self._read += names
        there = [name for name in names if self._content.get(name) is not None]
        for other in there[1:]:
            if self._content[other] != self._content[there[0]]:
                self.record.ignored.append(f"{self.named(other)}: {there[0]} says the same, and is what counts")
        return there[0] if there else None

    def seen(self, *names: str) -> None:
        """These keys are dealt with elsewhere, or say nothing."""
        self._read += names

    def raw(self, *names: str) -> Any:
        """The value of a key, of whatever kind; None if it is not there, or null."""
        name = self.given(*names)
        return None if name is None else self._content[name]

    def number(self, *names: str, least: float = -math.inf) -> float | None:
        """A finite number of at least so much."""
        value: int | float | None = self._of(names, (int, float), "a number")
        if value is None:
            return None
        if not math.isfinite(value) or value < least:
            self.refuse(self.given(*names) or names[0], f"{value:g} is no number that is possible here")
            return None
        return float(value) if isinstance(value, float) else value

    def positive(self, *names: str) -> float | None:
        """A finite number above 0."""
        value = self.number(*names)
        if value is not None and value <= 0.0:
            self.refuse(self.given(*names) or names[0], f"must be greater than 0 (found {value:g})")
            return None
        return value

    def whole(self, *names: str, least: int = 0) -> int | None:
        """An integer of at least so much."""
        value = self.number(*names, least=least)
        if value is not None and value != int(value):
            self.refuse(self.given(*names) or names[0], f"an integer is needed (found {value:g})")
            return None
        return None if value is None else int(value)

    def text(self, *names: str) -> str | None:
        """Text that is not empty."""
        value: str | None = self._of(names, (str,), "text")
        return value or None

    def flag(self, *names: str) -> bool | None:
        """True or false."""
        value: bool | None = self._of(names, (bool,), "true or false")
        return value

    def listed(self, kind: type[T], *names: str) -> list[T]:
        """A list of values of one kind, one alone being short for it; empty if there is none."""
        value = self.raw(*names)
        entries = value if isinstance(value, list) else [] if value is None else [value]
        kinds = (int, float) if kind is float else (kind,)
        wrong = [
            entry for entry in entries if not isinstance(entry, kinds) or (isinstance(entry, bool) and kind is not bool)
        ]
        if wrong or any(isinstance(entry, float) and not math.isfinite(entry) for entry in entries):
            self.refuse(self.given(*names) or names[0], f"a list of {_KINDS.get(kind, 'sections')} is needed")
            return []
        return entries

    def section(self, *names: str) -> OldSection:
        """A section below, empty if it is not there; the same one whenever it is asked for."""
        name = self.given(*names) or names[0]
        if name not in self._below:
            value = self._of((name,), (dict,), "a section of keys")
            self._below[name] = OldSection(value or {}, self.named(name), self.record)
        return self._below[name]

    def sections(self, *names: str) -> list[OldSection]:
        """The sections of a list."""
        name = self.given(*names) or names[0]
        entries = self.listed(dict, name)
        return [self.below(f"{name}.{index}", entry) for index, entry in enumerate(entries)]

    def below(self, name: str, content: Mapping[str, Any]) -> OldSection:
        """A section with some content as one of its own, such as an entry of a list of lists."""
        self._below.setdefault(name, OldSection(content, self.named(name), self.record))
        return self._below[name]

    def ignore(self, why: str, *names: str) -> None:
        """Tell that keys have no effect, those that are there and not null, empty or false."""
        for name in names:
            value = self.raw(name)
            if value is not None and value is not False and value not in ([], {}, ""):
                self.record.ignored.append(f"{self.named(name)}: {why}")

    def refuse(self, name: str, why: str) -> None:
        """Tell that a key cannot be translated, or is wrong."""
        self.record.mistakes.append(f"{self.named(name)}: {why}")

    def say(self, key: str, text: str) -> None:
        """Tell how a value of today's input came about."""
        self.record.comments[key] = text

    def close(self) -> None:
        """Tell of the keys that nobody asked for, here and below."""
        for name in self._content:
            if name not in self._read:
                guess = nearest(name, self._read).strip()
                if guess:  # most likely misspelt: what was meant would be lost
                    self.refuse(name, f"not a key that is known here; {guess}")
                else:
                    self.record.ignored.append(f"{self.named(name)}: not a key that is known here")
        for section in self._below.values():
            section.close()

    def __bool__(self) -> bool:
        return bool(self._content)

    def _of(self, names: Sequence[str], kinds: tuple[type, ...], what: str) -> Any:
        value = self.raw(*names)
        if value is None or (isinstance(value, kinds) and (not isinstance(value, bool) or bool in kinds)):
            return value
        found = "a section" if isinstance(value, dict) else "a list" if isinstance(value, list) else repr(value)[:60]
        self.refuse(self.given(*names) or names[0], f"{what} is needed (found {found})")
        return None


_KINDS: dict[type, str] = {str: "texts", float: "numbers", int: "integers"}


def _is_comment(name: str) -> bool:
    return name.startswith("_") or name == "comment"
