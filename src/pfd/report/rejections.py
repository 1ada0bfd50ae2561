"""Why labels were rejected: like reasons counted together."""

from __future__ import annotations

from collections.abc import Iterable


def kinds_of(reasons: Iterable[str]) -> list[tuple[str, int]]:
    """Reasons without their numbers, and how many there are of each, the most frequent first."""
    return [(kind, len(like)) for kind, like in by_kind(reasons).items()]


def by_kind(reasons: Iterable[str]) -> dict[str, list[str]]:
    """Reasons whose first lines differ in numbers alone, together, the most frequent first; key: without numbers."""
    found: dict[str, list[str]] = {}
    for reason in reasons:
        found.setdefault(_kind(reason.partition("\n")[0]), []).append(reason)
    return dict(sorted(found.items(), key=lambda each: -len(each[1])))


def _kind(reason: str) -> str:
    """The reason with an ellipsis for each word with a number in it, but for exit codes: they are no measurements."""
    words = reason.split()
    kept = [index > 0 and words[index - 1] == "code" for index in range(len(words))]
    shown = zip(words, kept, strict=True)
    return " ".join("…" if any(sign.isdigit() for sign in word) and not keep else word for word, keep in shown)
