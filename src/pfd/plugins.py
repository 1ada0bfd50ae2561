"""Find families and labelers by name among the entry points of the installed packages."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib.metadata import Distribution, EntryPoint, PackageNotFoundError, entry_points
from importlib.util import find_spec
from typing import Any
from urllib.parse import unquote, urlsplit

from pfd.errors import MissingError, SettingError
from pfd.wording import shortened

FAMILIES = "pfd.families"
LABELERS = "pfd.labelers"
PACKAGE = "pfd-kit"


def plugin_names(group: str) -> list[str]:
    """The registered names of a group such as ``pfd.families``, sorted."""
    return sorted(_registered(entry_points, group))


@cache
def _registered(listing: Callable[..., Iterable[EntryPoint]], group: str) -> Mapping[str, EntryPoint]:
    """The entry points of a group by name, looked for once in a process: a hundred packages take 20 to 50 ms."""
    return {point.name: point for point in listing(group=group)}


def load_plugin(group: str, name: str, where: str = "") -> Any:
    """The class registered under a name.

    Raises:
        SettingError: if there is none of that name; the hint names the nearest and all others.
    """
    points = _registered(entry_points, group)
    if name not in points:  # it may have been installed since
        _registered.cache_clear()
        points = _registered(entry_points, group)
    if name not in points:
        called = {other: each for each in points.values() for other in getattr(each.load(), "also_called", ())}
        meant = {other: each.name for other, each in called.items()}
        raise unknown_name(name, group.rsplit(".", 1)[-1], points, where, meant)
    return points[name].load()


def unknown_name(
    name: str, kind: str, known: Iterable[str], where: str = "", also_called: Mapping[str, str] | None = None
) -> SettingError:
    """The error for a name that is none of the known ones; its hint names the nearest and all others.

    Args:
        name: what was given.
        kind: what the known ones are, in the plural.
        known: their names.
        where: the key or option.
        also_called: other words for them, which a given name begins with -> name.
    """
    names = sorted(known)
    words = {
        _plain(word): each for word, each in {**dict(zip(names, names, strict=True)), **(also_called or {})}.items()
    }
    begun = [word for word in words if _plain(name).startswith(word)]
    near = [words[max(begun, key=len)]] if begun else difflib.get_close_matches(name, names, n=1)
    guess = f"did you mean {near[0]!r}? " if near else ""
    hint = f"{guess}there are: {', '.join(names)}"
    return SettingError(f"{shortened(name)!r} is not one of the {kind}", where=where, hint=hint)


def _plain(word: str) -> str:
    """A name without what spellings of it differ in.

    >>> _plain("DPA-3.1")
    'dpa31'
    """
    return "".join(each for each in word.lower() if each.isalnum())


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


@cache
def install_command(extra: str) -> str:
    """The command that adds one of our extras to this environment, from wherever this pfd came.

    Args:
        extra: its name in pyproject.toml, such as ``chgnet``.
    """
    try:
        origin = Distribution.from_name(PACKAGE).read_text("direct_url.json")
    except PackageNotFoundError:  # run from its source, not installed
        origin = None
    return install_from(None if origin is None else json.loads(origin), extra)


def install_from(origin: dict[str, Any] | None, extra: str) -> str:
    """The same, given the content of ``direct_url.json`` (PEP 610; None for an install from an index).

    >>> install_from({"url": "file:///home/me/pfd", "dir_info": {"editable": True}}, "chgnet")
    'pip install -e "/home/me/pfd[chgnet]"'
    """
    name = f"{PACKAGE}[{extra}]"
    if origin is None:
        return f'pip install "{name}"'
    url = origin["url"]
    if origin.get("dir_info", {}).get("editable"):
        return f'pip install -e "{unquote(urlsplit(url).path)}[{extra}]"'
    if version_control := origin.get("vcs_info"):
        revision = version_control.get("requested_revision")
        url = f"{version_control['vcs']}+{url}" + (f"@{revision}" if revision else "")
    if folder := origin.get("subdirectory"):
        url += f"#subdirectory={folder}"
    return f'pip install "{name} @ {url}"'
