"""The page's scripts, inline, and the policy that lets these and no others run."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from importlib import resources
from typing import Any

VIEWER_LIBRARY = "3Dmol-min.js"
VIEWER_LICENCE = "3Dmol-LICENSE.txt"


def code_of(name: str) -> str:
    """One of our own scripts."""
    return resources.files("pfd.report").joinpath("javascript", name).read_text("utf-8")


def viewer_library() -> str:
    """3Dmol.js with its licence before it, as that asks for in every copy."""
    folder = resources.files("pfd.report").joinpath("vendor")
    licence = folder.joinpath(VIEWER_LICENCE).read_text("utf-8")
    return f"/*!\n{licence}*/\n{folder.joinpath(VIEWER_LIBRARY).read_text('utf-8')}"


def script_element(code: str) -> str:
    """Code as an element of the page."""
    return f"<script>{code}</script>"


def data_element(name: str, content: Any) -> str:
    """Data for a script under an id; no text in it can end the element."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    safe = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return f'<script type="application/json" id="{name}">{safe}</script>'


def policy(codes: Sequence[str], *, live: bool) -> str:
    """The Content-Security-Policy: these scripts by their digests, nothing from elsewhere.

    Args:
        codes: the scripts' texts, exactly as they stand in the page.
        live: whether the page asks the server that it comes from for news.
    """
    digests = [base64.b64encode(hashlib.sha256(code.encode("utf-8")).digest()).decode() for code in codes]
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests) or "'none'"
    news = "; connect-src 'self'" if live else ""
    return f"default-src 'none'; style-src 'unsafe-inline'; img-src data: blob:; script-src {allowed}{news}"
