"""What the shell completes: runs and inputs that are here, families, labelers, steps to pause after."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

INPUTS = (".yaml", ".yml", ".json", ".toml")
"""Endings of input files."""


def complete_runs(incomplete: str) -> list[str]:
    """Run folders and input files that a word begins."""
    return list(_paths(incomplete))


def complete_families(incomplete: str) -> list[str]:
    """The registered families."""
    from pfd.plugins import FAMILIES, plugin_names

    return [name for name in plugin_names(FAMILIES) if name.startswith(incomplete)]


def complete_labelers(incomplete: str) -> list[str]:
    """The registered labelers."""
    from pfd.plugins import LABELERS, plugin_names

    return [name for name in plugin_names(LABELERS) if name.startswith(incomplete)]


def complete_environments(incomplete: str) -> list[str]:
    """Families and labelers, and the engine, that may have an environment of their own."""
    return sorted({*complete_families(incomplete), *(each for each in ("argo", "gpaw") if each.startswith(incomplete))})


def complete_steps(incomplete: str) -> list[str]:
    """Steps after which a run may pause."""
    from pfd.api import UNTIL

    return [step for step in UNTIL if step.startswith(incomplete)]


def _paths(incomplete: str) -> Iterator[str]:
    parent, _, start = incomplete.rpartition("/")
    folder = Path(parent or ("/" if incomplete.startswith("/") else "."))
    try:
        entries = sorted(os.scandir(folder.expanduser()), key=lambda entry: entry.name)
    except OSError:
        return
    prefix = f"{parent}/" if parent or incomplete.startswith("/") else ""
    for entry in entries:
        if entry.name.startswith(start) and (start or not entry.name.startswith(".")) and _is_run_or_input(entry):
            yield f"{prefix}{entry.name}"


def _is_run_or_input(entry: os.DirEntry[str]) -> bool:
    if entry.is_dir():
        return (Path(entry.path) / "run.json").is_file()
    return entry.name.endswith(INPUTS)
