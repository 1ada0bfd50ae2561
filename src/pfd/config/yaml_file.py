"""The raw content of an input file: safe YAML, JSON or TOML with each key once, all keys text, aliases harmless."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from pfd.errors import SettingError
from pfd.small_file import MOST_BYTES

if TYPE_CHECKING:
    from yaml import SafeLoader as _Loader
else:  # the parser in C, where PyYAML was built with it, is ten times as fast
    _Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

MAX_VALUES = 50_000
"""Most values, with aliases written out; the largest input seen by far has some hundred, and so many take a second."""


BEGIN = "begin with name: and teacher:, as in examples/silicon/input.yaml"
"""What to try where an input holds nothing."""


def parse(path: Path, hint_if_empty: str = BEGIN) -> dict[str, Any]:
    """The raw content of a YAML, JSON or TOML file; its name tells which.

    Args:
        path: the file.
        hint_if_empty: what to try where it holds no keys.

    Raises:
        SettingError: if the file is missing, larger than 5 MB, no mapping, has a key twice or one that is no text.
    """
    where = str(path)
    if path.is_dir():
        raise SettingError("a folder, not a file", where=where, hint="give the path of the input file in it")
    if not path.is_file():
        hint = "give the path of an input file; pfd submit examples/silicon/input.yaml is one to begin with"
        raise SettingError("no such file", where=where, hint=hint)
    if path.stat().st_size > MOST_BYTES:
        raise SettingError(
            "larger than 5 MB: this is no input file", where=where, hint="name data by their paths, as in file: ..."
        )
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        hint = "give the input file; structures and models are named in it"
        raise SettingError("not UTF-8 text: this is no input file", where=where, hint=hint) from error
    except OSError as error:
        raise SettingError(f"not readable ({error.strerror})", where=where, hint="check its permissions") from error
    content = _content(text, path)
    if isinstance(content, dict) and content:
        return content
    what = "the file holds a list where keys are needed" if isinstance(content, list) else "the file holds no keys"
    raise SettingError(what, where=where, hint=hint_if_empty)


def parse_value(text: str) -> Any:
    """One value as YAML has it, such as ``40``, ``[300, 900]`` or ``{method: toy}``; as safe as a file.

    Raises:
        ValueError: in words, if it is none.
    """
    try:
        return yaml.load(text, Loader=_InputLoader)  # noqa: S506 - derived from SafeLoader
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    except yaml.MarkedYAMLError as error:
        raise ValueError(error.problem or str(error)) from error
    except yaml.YAMLError as error:
        raise ValueError(str(error).splitlines()[0]) from error


def _content(text: str, path: Path) -> Any:
    where = str(path)
    kind = path.suffix.lower()
    try:
        if kind == ".json":
            return _few(json.loads(text.removeprefix("\ufeff"), object_pairs_hook=_unique))
        _refuse_many(text)
        if kind == ".toml":
            return _few(tomllib.loads(text.removeprefix("\ufeff")))
        return yaml.load(text, Loader=_InputLoader)  # noqa: S506 - derived from SafeLoader
    except RecursionError as error:
        raise SettingError("nested too deeply", where=where, hint="no key stands deeper than ten levels") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = where if mark is None else f"{where}, line {mark.line + 1}"
        said = error.problem or str(error)
        raise SettingError(f"not readable as YAML: {said}", where=place, hint=_yaml_hint(said)) from error
    except (yaml.YAMLError, ValueError) as error:
        first = str(error).splitlines()[0]
        raise SettingError(f"not readable: {first}", where=where, hint="correct the file at that place") from error


_YAML_HINTS = {
    "\\t": "indent with spaces: YAML takes no tabs",
    "start any token": "indent with spaces, not tabs; put text that begins with a sign such as @ or % in quotes",
    "nesting depth": "nested too deeply: no key stands deeper than ten levels",
    "stands twice": "keep one of the two",
    "is no text": "put the key in quotes, or correct it",
    "alias": "write the values out where they are used",
    "constructor": "write plain values: no tags (!) are known here",
    "document": "one file is one input; remove the line ---",
}


def _yaml_hint(said: str) -> str:
    fitting = [hint for sign, hint in _YAML_HINTS.items() if sign in said]
    usual = "look at that line and the one before: indentation, quotes, brackets, a space after each colon"
    return fitting[0] if fitting else usual


_TOO_MANY = f"more than {MAX_VALUES} values: this is no input; name data by their paths, as in file: ..."


def _refuse_many(text: str) -> None:
    """Refuse a YAML or TOML file with so many signs that to read it would take many seconds.

    Raises:
        ValueError
    """
    if sum(map(text.count, "\n,:[{-")) > 4 * MAX_VALUES:
        raise ValueError(_TOO_MANY)


def _few(content: Any) -> Any:
    """The content, if it is of a size that can be looked at.

    Raises:
        ValueError: if it is not.
    """
    waiting, count = [content], 0
    while waiting:
        value = waiting.pop()
        children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        waiting.extend(children)
        count += 1
        if count + len(waiting) > MAX_VALUES:
            raise ValueError(_TOO_MANY)
    return content


class _InputLoader(_Loader):
    """Safe YAML that refuses what a user cannot have meant."""

    def get_single_node(self) -> yaml.Node | None:
        """The tree, once its aliases are known to be harmless."""
        node: yaml.Node | None = super().get_single_node()
        if node is not None and _size(node, {}) > MAX_VALUES:
            raise yaml.MarkedYAMLError(problem=f"it holds more than {MAX_VALUES} values, its aliases (*) written out")
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A mapping in which each key stands once and is text."""
        seen = set()
        for key_node, _ in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if key is not None and key in seen and key != "<<":
                raise yaml.MarkedYAMLError(problem=f"the key {key!r} stands twice", problem_mark=key_node.start_mark)
            seen.add(key)
            if key_node.tag not in {"tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"}:
                shown = "a list or mapping as a key" if key is None else f"the key {key}"
                raise yaml.MarkedYAMLError(problem=f"{shown} is no text", problem_mark=key_node.start_mark)
        return super().construct_mapping(node, deep)


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """Number of values below a node with all aliases written out."""
    if known.get(id(node)) == 0:
        raise yaml.MarkedYAMLError(problem="an alias (*) stands inside of what it names", problem_mark=node.start_mark)
    if id(node) not in known:
        known[id(node)] = 0
        children = node.value if isinstance(node, yaml.CollectionNode) else []
        if isinstance(node, yaml.MappingNode):
            children = [child for pair in children for child in pair]
        known[id(node)] = 1 + sum(_size(child, known) for child in children)
    return known[id(node)]


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [key for key, _ in pairs]
    twice = sorted({key for key in names if names.count(key) > 1})
    if twice:
        raise ValueError(f"the key {twice[0]!r} stands twice")
    return dict(pairs)
