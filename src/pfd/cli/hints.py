"""Hints of shared readers, which speak of keys of input files, in the words of a command that has none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from pfd.errors import InputError


@contextmanager
def hints(instead: Mapping[str, str]) -> Iterator[None]:
    """Raise errors from within with another hint.

    Args:
        instead: words in the hint -> the hint that takes its place; the first that fit count.
    """
    try:
        yield
    except InputError as error:
        for words, hint in instead.items():
            if words in error.hint:
                raise type(error)(error.what, where=error.where, hint=hint) from error
        raise
