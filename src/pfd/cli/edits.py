"""What has changed in an input since its run was submitted last, keys of the command line too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pfd.errors import PFDError
from pfd.wording import shell_word
from pfd.workflow.journal import Journal

if TYPE_CHECKING:
    from pfd.config.reading import ResolvedInput

MANY = 6
"""More keys than this are counted, not listed."""
DEFAULTS = "defaults that the input leaves open, others than before"


def edits(resolved: ResolvedInput, folder: Path) -> str:
    """The keys that differ from the last input of a run folder; nothing if none do, or there is no run.

    Those that neither input says are told apart, with their values: a default has changed since, not the input.
    """
    earlier = sorted(folder.glob("resolved-*.yaml"))
    if not earlier:
        return ""
    if (before := _read(earlier[-1])) is None:
        return _damaged(earlier[-1])
    now, wrote = resolved.input.model_dump(mode="json", by_alias=True), _written(folder)
    said, unsaid = [], []
    for key in _differing(before, now, ""):
        shown = resolved.shown(key)
        if wrote is not None and _same_words(wrote, resolved.content, shown):
            values = [_value(now, key), _value(before, key)]
            one, other = ["unset" if value is None else _shown(value) for value in values]
            unsaid.append(f"{shown} ({one}, before {other})")
        else:
            said.append(shown)
    told = [_few(said)] if said else []
    return "; ".join([*told, f"{DEFAULTS}: {_few(unsaid)}"] if unsaid else told)


def _few(words: list[str]) -> str:
    return ", ".join(words[:MANY]) + (f" and {len(words) - MANY} more" if len(words) > MANY else "")


def _written(folder: Path) -> Any:
    """What the user wrote when the run was submitted last; None if that cannot be told."""
    from pfd.config.given import read_given

    try:
        return read_given(folder / "input.yaml").content
    except PFDError:
        return None


def _same_words(before: Any, now: Any, key: str) -> bool:
    """Whether two inputs say the same of a key, or both nothing."""
    for part in key.split("."):
        if not (isinstance(before, dict) and isinstance(now, dict)):
            break
        before, now = before.get(part), now.get(part)
    return bool(before == now)


def changed_keys(resolved: ResolvedInput, earlier: Path) -> list[str]:
    """The dotted keys of an input that differ from a resolved one of the run folder."""
    if (before := _read(earlier)) is None:
        return [_damaged(earlier)]
    now = resolved.input.model_dump(mode="json", by_alias=True)
    return [resolved.shown(key) for key in _differing(before, now, "")]


def _damaged(earlier: Path) -> str:
    return f"all, as far as one can tell: {earlier.name} is damaged"


def _read(resolved: Path) -> Any:
    """A resolved input of a run folder; None if it is damaged."""
    import yaml

    try:
        return yaml.safe_load(resolved.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        return None


def _differing(before: Any, now: Any, key: str) -> Iterator[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        for part in dict.fromkeys([*now, *before]):
            yield from _differing(before.get(part), now.get(part), f"{key}.{part}" if key else str(part))
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now) and _has_sections(now):
        for index, (one, two) in enumerate(zip(before, now, strict=True)):
            yield from _differing(one, two, f"{key}.{index}")
    elif before != now:
        yield key


def _has_sections(entries: list[Any]) -> bool:
    return any(isinstance(entry, dict) or (isinstance(entry, list) and _has_sections(entry)) for entry in entries)


def lost_overrides(resolved: ResolvedInput, folder: Path) -> list[str]:
    """A line for each key that the command line set when this run was submitted last, and that has changed since.

    The run keeps such keys in its own input; the file that the user wrote does not have them.
    """
    events = [event for event in Journal(folder / "journal.jsonl").read() if event["event"] == "submit"]
    last = [event for event in events if event["edited"] == events[-1]["edited"]]
    set_then = dict.fromkeys(key for event in last for key in event.get("overridden", ()))
    earlier = sorted(folder.glob("resolved-*.yaml"))
    if not set_then or not earlier:
        return []
    changed = changed_keys(resolved, earlier[-1])
    lost = [key for key in set_then if any(each == key or each.startswith(f"{key}.") for each in changed)]
    lost = [key for key in lost if key not in resolved.overridden]
    if (before := _read(earlier[-1])) is None:
        return []
    leaves = [each for each in changed if any(each == key or each.startswith(f"{key}.") for key in lost)]
    told = [shell_word(f"{key}={_shown(_value(before, key))}") for key in leaves]
    if not told:
        return []
    words, submit = " ".join(told), f"pfd submit {shell_word(folder)}"
    return [f"set on the command line before, and not now: {words}; give it again, or {submit}, which kept it"]


def _value(content: Any, key: str) -> Any:
    for part in key.split("."):
        if isinstance(content, list) and part.isdigit() and int(part) < len(content):
            content = content[int(part)]
        else:
            content = content.get(part) if isinstance(content, dict) else None
    return content


def _shown(value: Any) -> str:
    """A value as the command line takes it."""
    import yaml

    return str(yaml.safe_dump(value, default_flow_style=True, width=1000)).removesuffix("...\n").strip()
