"""The option ``--labels LABEL=KEY`` of commands that read labelled sets, and what their readers hint at."""

from __future__ import annotations

from collections.abc import Sequence

from pfd.errors import SettingError

HINTS = {
    "is it complete?": "is it complete? If it is, name ASE's format of the file with --format",
    "labels: {": "name the keys that hold the labels, e.g. --labels energy=REF_energy --labels forces=REF_forces",
    "`format:`": "name it with --format",
    "remove labels": "leave --labels out",
}
"""See ``hints``."""


def label_keys(words: Sequence[str]) -> dict[str, str]:
    """Label -> key.

    Raises:
        SettingError: if a word is not LABEL=KEY.
    """
    keys = {}
    for each in words:
        name, equals, key = each.partition("=")
        if not equals or not key:
            raise SettingError(f"{each!r} is not LABEL=KEY", where="--labels", hint="write e.g. forces=REF_forces")
        keys[name] = key
    return keys
