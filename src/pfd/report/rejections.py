"""Why labels were rejected: like reasons counted together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable


def kinds_of(reasons: Iterable[str]) -> list[tuple[str, int]]:
    """Reasons without their numbers, and how many there are of each, the most frequent first."""
    return Counter(_kind(reason) for reason in reasons).most_common()


def _kind(reason: str) -> str:
    return " ".join("…" if any(sign.isdigit() for sign in word) else word for word in reason.split())
