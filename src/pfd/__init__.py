"""PFD-kit: fine-tune a pre-trained atomistic model for one material and distil it into a fast student."""

from __future__ import annotations

from typing import Any

__version__ = "1.0.0.dev0"

_PUBLIC = {
    "Run": "pfd.api",
    "load": "pfd.api",
    "open_run": "pfd.api",
    "submit": "pfd.api",
}
"""Public name -> module; imported when first used, so that ``import pfd`` costs nothing."""


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        from importlib import import_module

        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'pfd' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
