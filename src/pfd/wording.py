"""Counted nouns in messages."""

from __future__ import annotations


def counted(count: int, noun: str, plural: str = "") -> str:
    """A number and its noun.

    >>> counted(1, "label"), counted(0, "test frame"), counted(2, "trajectory"), counted(2, "axis", "axes")
    ('1 label', '0 test frames', '2 trajectories', '2 axes')
    """
    many = plural or (f"{noun[:-1]}ies" if noun.endswith("ry") else f"{noun}s")
    return f"{count} {noun if count == 1 else many}"
