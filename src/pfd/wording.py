"""Counted nouns in messages."""

from __future__ import annotations


def counted(count: int, noun: str, plural: str = "") -> str:
    """A number and its noun.

    >>> counted(1, "label"), counted(2, "entry", "entries")
    ('1 label', '2 entries')
    """
    return f"{count} {noun if count == 1 else plural or noun + 's'}"
