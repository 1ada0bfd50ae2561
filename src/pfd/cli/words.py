"""What the words after an input file are: the run folder, and keys to set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pfd.config.overrides import COMMAND_LINE, is_override
from pfd.errors import SettingError


def run_and_overrides(words: Sequence[str]) -> tuple[Path | None, list[str]]:
    """The run folder, if one is named, and the words that set keys.

    Raises:
        SettingError: if there is more than one word that sets no key.
    """
    others = [word for word in words if not is_override(word)]
    if len(others) > 1:
        hint = "name one run folder; keys are set by KEY=VALUE without spaces around the equals sign"
        raise SettingError(f"{len(others)} run folders: {', '.join(others)}", where=COMMAND_LINE, hint=hint)
    return Path(others[0]) if others else None, [word for word in words if is_override(word)]


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
