"""Passwords and keys that an older input holds: refused, never repeated; the environment has a place for each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

BOHRIUM = {"password": "BOHRIUM_PASSWORD", "ticket": "BOHRIUM_TICKET", "access_key": "BOHRIUM_ACCESS_KEY"}
STORAGE = {"access_key": "DFLOW_S3_ACCESS_KEY", "secret_key": "DFLOW_S3_SECRET_KEY", "password": "DFLOW_S3_SECRET_KEY"}
SERVER = {"token": "DFLOW_TOKEN", "password": "DFLOW_TOKEN"}
SSH = {"password": "", "passphrase": "PFD_SSH_PASSPHRASE", "totp_secret": ""}
"""Keys of secrets -> the environment variable that is read instead; of ssh passwords nothing is."""
ELSEWHERE = SSH | {
    "access_key": "BOHRIUM_ACCESS_KEY",
    "ticket": "BOHRIUM_TICKET",
    "token": "DFLOW_TOKEN",
    "secret_key": "DFLOW_S3_SECRET_KEY",
}


def secret_mistakes(content: dict[str, Any]) -> list[str]:
    """One line for each secret: its key, and the environment variable to set in its place."""
    lines = []
    for key, name, of_bohrium in _found(content, "", of_bohrium=False):
        top = key.split(".")[0]
        places = {"bohrium_config": BOHRIUM, "dflow_s3_config": STORAGE, "dflow_config": SERVER}
        variable = places.get(top, BOHRIUM if of_bohrium else ELSEWHERE).get(name) or ELSEWHERE[name]
        instead = (
            f"set the environment variable {variable}"
            if variable
            else ("use a key of ssh, whose passphrase is read from the environment variable PFD_SSH_PASSPHRASE")
        )
        lines.append(f"{key}: secrets do not stand in files; remove it, and {instead}")
    return lines


def _found(content: Any, above: str, *, of_bohrium: bool) -> Iterator[tuple[str, str, bool]]:
    """Dotted key and last part of each secret, and whether it stands in the description of a Bohrium machine."""
    if isinstance(content, list):
        for index, entry in enumerate(content):
            yield from _found(entry, f"{above}.{index}" if above else str(index), of_bohrium=of_bohrium)
    if not isinstance(content, dict):
        return
    here = of_bohrium or str(content.get("batch_type", "")).lower() == "bohrium" or "program_id" in content
    for name, value in content.items():
        key = f"{above}.{name}" if above else name
        if name in {*ELSEWHERE, *BOHRIUM, *STORAGE} and isinstance(value, str | int) and value not in {"", False}:
            yield key, name, here
        else:
            yield from _found(value, key, of_bohrium=here)
