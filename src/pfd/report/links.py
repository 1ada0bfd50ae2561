"""References in a text as links: the only addresses on the page, and nothing is loaded from them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markupsafe import Markup

_REFERENCE = re.compile(r"(?P<kind>doi|arXiv):(?P<name>[^\s,;()]+[^\s,;().])")
_HOSTS = {"doi": "https://doi.org/", "arXiv": "https://arxiv.org/abs/"}


def linked(text: str) -> Markup:
    """The text, escaped, with its DOIs and arXiv numbers as links.

    >>> str(linked("<A> 1 (2020), doi:10.1/x"))
    '&lt;A&gt; 1 (2020), <a href="https://doi.org/10.1/x" rel="noreferrer">doi:10.1/x</a>'
    """
    from markupsafe import Markup

    parts, end = [Markup()], 0
    for found in _REFERENCE.finditer(text):
        parts.append(Markup.escape(text[end : found.start()]))
        address = _HOSTS[found["kind"]] + found["name"]
        parts.append(Markup('<a href="{}" rel="noreferrer">{}</a>').format(address, found[0]))
        end = found.end()
    return Markup().join([*parts, Markup.escape(text[end:])])
