"""PFD-kit: fine-tune a pre-trained atomistic model for one material and distil it into a fast student."""

from __future__ import annotations

from typing import Any

__version__ = "1.0.0.dev0"

_PUBLIC = {
    "Run": "pfd.api",
    "load": "pfd.api",
    "open_run": "pfd.api",
    "check_data": "pfd.config.data_check",
    "submit": "pfd.api",
    "read_frames": "pfd.frames",
    "write_frames": "pfd.frames",
    "perturb": "pfd.frames.perturb",
    "run_md": "pfd.explore.md",
    "select_frames": "pfd.select.choose",
    "make_labeler": "pfd.label.labeler",
    "label_frame": "pfd.label.judge",
    "make_family": "pfd.models.training",
    "adopt_model": "pfd.models.training",
    "fine_tune_model": "pfd.models.training",
    "fit_model": "pfd.models.training",
    "predict_frames": "pfd.models.training",
    "error_report": "pfd.evaluate.errors_of",
}
"""Public name -> module; imported when first used, so that ``import pfd`` costs nothing."""


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        from importlib import import_module

        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'pfd' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
