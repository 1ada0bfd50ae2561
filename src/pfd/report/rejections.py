"""Why labels were rejected: like reasons counted together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable


def kinds_of(reasons: Iterable[str]) -> list[tuple[str, int]]:
    """Reasons without their numbers, and how many there are of each, the most frequent first."""
    return Counter(_kind(reason) for reason in reasons).most_common()


def _kind(reason: str) -> str:
    """The reason with an ellipsis for each word with a number in it, but for exit codes: they are no measurements."""
    words = reason.split()
    kept = [index > 0 and words[index - 1] == "code" for index in range(len(words))]
    shown = zip(words, kept, strict=True)
    return " ".join("…" if any(sign.isdigit() for sign in word) and not keep else word for word, keep in shown)
