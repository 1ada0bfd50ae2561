"""Find families and labelers by name among the entry points of the installed packages."""

from __future__ import annotations

import difflib
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from typing import Any

from pfd.errors import MissingError, SettingError

FAMILIES = "pfd.families"
LABELERS = "pfd.labelers"


def plugin_names(group: str) -> list[str]:
    """The registered names of a group such as ``pfd.families``, sorted."""
    return sorted({point.name for point in entry_points(group=group)})


def load_plugin(group: str, name: str, where: str = "") -> Any:
    """The class registered under a name.

    Raises:
        SettingError: if there is none of that name; the hint names the nearest and all others.
    """
    points: dict[str, EntryPoint] = {point.name: point for point in entry_points(group=group)}
    if name not in points:
        kind = group.rsplit(".", 1)[-1]
        near = difflib.get_close_matches(name, points, n=1)
        guess = f"did you mean {near[0]!r}? " if near else ""
        raise SettingError(
            f"{name!r} is not one of the {kind}", where=where, hint=f"{guess}there are: {', '.join(sorted(points))}"
        )
    return points[name].load()


def missing_modules(modules: tuple[str, ...]) -> list[str]:
    """Those of the importable names that are not installed in this environment."""
    return [module for module in modules if find_spec(module) is None]


def require_modules(modules: tuple[str, ...], *, what: str, install: str) -> None:
    """Refuse to go on without the packages.

    Raises:
        MissingError: naming the packages and the command that installs them.
    """
    missing = missing_modules(modules)
    if missing:
        raise MissingError(f"{what} needs {', '.join(missing)}, not installed in this environment", hint=install)
