"""What the words of a command line are: paths, and keys to set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pfd.config.overrides import COMMAND_LINE, is_override
from pfd.errors import SettingError


def paths_and_overrides(words: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """The words that are paths, and those that set keys.

    Raises:
        SettingError: if no path is among them.
    """
    paths = [word for word in words if not is_override(str(word))]
    if not paths:
        hint = "name the input first; a path with an equals sign in it begins with ./"
        raise SettingError("only keys to set, and no input", where=COMMAND_LINE, hint=hint)
    return paths, [str(word) for word in words if is_override(str(word))]


def only_overrides(words: Sequence[str]) -> list[str]:
    """The words that set keys, where nothing else may stand.

    Raises:
        SettingError: if one sets none.
    """
    for word in words:
        if not is_override(word):
            hint = "write KEY=VALUE, e.g. finetune.select.max_frames=40"
            raise SettingError(f"{word!r} sets no key", where=COMMAND_LINE, hint=hint)
    return list(words)
