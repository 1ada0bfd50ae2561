"""Text of a file that a user names and that is read whole: a regular file, and not a large one."""

from __future__ import annotations

from pathlib import Path

MOST_BYTES = 5_000_000
"""Of such a file, and of an input."""


def small_text(path: Path) -> str:
    """The text of a file, UTF-8.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it is a folder, a pipe or a device, which may never end, larger than 5 MB, or no text.
    """
    if path.exists() and not path.is_file():
        raise ValueError("not a regular file")
    with path.open("rb") as stream:
        content = stream.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError("larger than 5 MB")
    return content.decode("utf-8-sig")
