"""Counted nouns in messages, long texts in few words, and paths in commands that are shown."""

from __future__ import annotations

import shlex
from pathlib import Path

LONGEST = 300
"""Most characters that a message shows of one value, or of one line."""


def shortened(text: str, most: int = LONGEST) -> str:
    """A text of at most so many characters: names and values of users can be of any length.

    >>> shortened("seed", 10), shortened("x" * 100, 8)
    ('seed', 'xxxxx...')
    """
    return text if len(text) <= most else f"{text[: most - 3]}..."


def shell_word(word: str | Path) -> str:
    """A path or word as a command that is shown has it, so that it can be pasted into a shell.

    >>> shell_word("runs/silicon"), shell_word(Path("Müller/my run"))
    ('runs/silicon', "'Müller/my run'")
    """
    return shlex.quote(str(word))


def counted(count: int, noun: str, plural: str = "") -> str:
    """A number and its noun.

    >>> counted(1, "label"), counted(0, "test frame"), counted(2, "trajectory"), counted(2, "axis", "axes")
    ('1 label', '0 test frames', '2 trajectories', '2 axes')
    """
    many = plural or (f"{noun[:-1]}ies" if noun.endswith("ry") else f"{noun}s")
    return f"{count} {noun if count == 1 else many}"
