"""Content addresses: sha256 of files, folders and canonical JSON, and seeds derived from them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any


def json_bytes(value: Any) -> bytes:
    """Canonical JSON: sorted keys, no spaces, no NaN, so that equal values have equal bytes.

    Raises:
        ValueError: if a number is NaN or infinite.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def json_digest(value: Any) -> str:
    """sha256, 64 hexadecimal digits, of the canonical JSON of a value."""
    return hashlib.sha256(json_bytes(value)).hexdigest()


def file_digest(path: Path) -> str:
    """sha256 of a file's bytes; of a folder, of its sorted relative paths and their files' digests."""
    if path.is_dir():
        entries = {
            str(child.relative_to(path)): file_digest(child) for child in sorted(path.rglob("*")) if child.is_file()
        }
        return json_digest(entries)
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def derive_seed(run_seed: int, *parts: Any) -> int:
    """A 31-bit seed that depends on the run's seed and on what it is for, and on nothing else.

    >>> derive_seed(0, "train") == derive_seed(0, "train") != derive_seed(1, "train")
    True
    """
    return int(json_digest([run_seed, *parts])[:8], 16) & 0x7FFFFFFF
