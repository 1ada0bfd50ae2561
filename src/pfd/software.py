"""What computed: versions and licences of installed packages, as they tell them themselves."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, metadata, packages_distributions, version

ABSENT = "not installed"
"""In the place of a version."""
PYTHON = "python"
"""The interpreter, among the packages."""
LONGEST_LICENCE = 60
"""Characters of what counts as a licence's name: some packages have its whole text there."""


def version_of(package: str) -> str:
    """The version of a package, or ``ABSENT``; ``PYTHON`` is the interpreter."""
    if package == PYTHON:
        from platform import python_version

        return python_version()
    try:
        return version(package)
    except PackageNotFoundError:
        return ABSENT


def packages_of(modules: Iterable[str]) -> list[str]:
    """The installed packages that these importable names come from."""
    return sorted({package for module in modules for package in _distributions().get(module, ())})


@cache
def _distributions() -> dict[str, list[str]]:
    """Importable name -> its packages: all that is installed is looked at, which takes 0.15 s, once in a process."""
    return dict(packages_distributions())


def licences_of(packages: Iterable[str]) -> dict[str, str]:
    """Package -> the name of its licence, of those that are installed here and name one.

    By the order of PEP 639: the expression, then the field or the classifier of older packages.
    """
    return {package: licence for package in packages if (licence := _licence_of(package))}


@cache
def _licence_of(package: str) -> str:
    if package == PYTHON:
        return "PSF-2.0"
    try:
        found = metadata(package)
    except PackageNotFoundError:
        return ""
    expressions = found.get_all("License-Expression") or []
    fields = [str(each).strip() for each in found.get_all("License") or []]
    short = [each for each in fields if len(each) <= LONGEST_LICENCE and "\n" not in each]
    names = [*expressions, *(each for each in short if each not in {"", "UNKNOWN"})]
    classified = (str(each).split(" :: ") for each in found.get_all("Classifier") or [])
    return (
        names[0] if names else ", ".join(parts[-1] for parts in classified if parts[0] == "License" and len(parts) > 2)
    )
