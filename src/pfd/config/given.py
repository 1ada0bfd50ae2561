"""What a user gives: an input file of any format, perhaps of the older tool, and settings on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pfd.config.commented import commented_yaml
from pfd.config.older.convert import convert, head_of
from pfd.config.older.recognise import is_older, older_name
from pfd.config.overrides import COMMAND_LINE, with_overrides
from pfd.config.yaml_file import parse


@dataclass(frozen=True)
class Given:
    """The content of an input, as it is validated.

    Attributes:
        content: the keys of today's input.
        text: YAML of the content where the file is not that: another format, an older input, or overridden; else empty.
        older: whether the file was one of the older tool.
        notes: what of an older input has no effect, one line each.
        overridden: keys that came from the command line.
    """

    content: dict[str, Any]
    text: str = ""
    older: bool = False
    notes: tuple[str, ...] = ()
    overridden: tuple[str, ...] = ()


def read_given(path: Path, overrides: Sequence[str] = ()) -> Given:
    """Read an input file, converting an older one, and set the keys that the command line names.

    Args:
        path: YAML, JSON or TOML.
        overrides: words such as ``finetune.select.max_frames=40``.

    Raises:
        SettingError: if the file cannot be read or converted, or a word sets no key.
    """
    content = parse(path)
    older = is_older(content)
    comments: dict[str, str] = {}
    notes: tuple[str, ...] = ()
    head = [] if path.suffix.lower() in {".yaml", ".yml"} else [f"Written by pfd from {path.name}."]
    if older:
        converted = convert(content, path.resolve().parent, str(path))
        content, comments, notes = converted.content, dict(converted.comments), converted.notes
        head = head_of(path.name, converted)
    content, overridden = with_overrides(content, overrides)
    if overrides:
        head.append(f"Set on the command line: {', '.join(overridden)}.")
        comments = {key: text for key, text in comments.items() if not _below(key, overridden)}
        comments |= dict.fromkeys(overridden, COMMAND_LINE)
    return Given(content, commented_yaml(content, comments, head) if head else "", older, notes, overridden)


def name_given(path: Path) -> Any:
    """What an input file names its run; whatever stands there, if anything.

    Raises:
        SettingError: if the file cannot be read.
    """
    content = parse(path)
    return older_name(content) if is_older(content) else content.get("name")


def _below(key: str, others: Sequence[str]) -> bool:
    return any(key == other or key.startswith(f"{other}.") for other in others)
