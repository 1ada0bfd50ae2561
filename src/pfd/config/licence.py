"""Whether the licence of a model's weights fits the use that the input declares."""

from __future__ import annotations

import re
from typing import Literal

from pfd.config.reading import ResolvedInput
from pfd.errors import ModelError
from pfd.models.family import ModelCard

Verdict = Literal["free", "not commercial", "unknown"]
FREE = re.compile(r"\b(MIT|BSD|Apache|LGPL|GPL|MPL|CC0|CC[ -]BY(?![ -](NC|SA[ -]NC))|Unlicense|ISC)\b", re.IGNORECASE)
NOT_COMMERCIAL = re.compile(r"non[- ]?commercial|academic|\bASL\b|CC[ -]BY[ -](SA[ -])?NC|research only", re.IGNORECASE)
OPEN = re.compile(r"depends|see where|their authors|unknown", re.IGNORECASE)
"""Words of a card that cannot tell: a file of weights seldom says."""


def verdict_on(licence: str) -> Verdict:
    """What a card's licence allows, as far as its words tell.

    Free licences allow any use; that of the code says nothing of weights that are named apart.

    >>> verdict_on("MIT"), verdict_on("CC-BY-NC-4.0"), verdict_on("code MIT; weights: see where they are from")
    ('free', 'not commercial', 'unknown')
    """
    weights = licence.rpartition("weights:")[2] if "weights:" in licence else licence
    if "(code)" in weights or OPEN.search(weights):
        return "unknown"
    if "the user's own" in weights:
        return "free"
    if NOT_COMMERCIAL.search(weights):
        return "not commercial"
    return "free" if FREE.search(weights) else "unknown"


def check_licence(resolved: ResolvedInput, card: ModelCard, key: str) -> str:
    """Refuse weights whose licence forbids the declared use; in words, what it is otherwise.

    Args:
        resolved: the input.
        card: of the model.
        key: where the input names it.

    Raises:
        ModelError: if weights that are not for commercial use are to be used so.
    """
    use, verdict = resolved.input.use, verdict_on(card.licence)
    words = f"licence of {card.family} {card.name}: {card.licence}"
    if use == "commercial" and verdict == "not commercial":
        raise ModelError(
            f"{words}; the input declares commercial use",
            where=resolved.place(key),
            hint="choose other weights, ask their authors, or write use: academic where that is what it is",
        )
    if verdict == "unknown" and use is not None:
        return f"{words}; whether {use} use is allowed cannot be told from the file: read it where the weights are from"
    return words
