"""The raw content of an input file: safe YAML or JSON with each key once, all keys text, aliases harmless."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from pfd.errors import SettingError

MAX_BYTES = 5_000_000
MAX_VALUES = 200_000
"""Most values after aliases are written out; the largest input seen by far has some hundred."""


def parse(path: Path) -> dict[str, Any]:
    """The raw content of a YAML or JSON file.

    Raises:
        SettingError: if the file is missing, larger than 5 MB, no mapping, has a key twice or one that is no text.
    """
    where = str(path)
    if path.is_dir():
        raise SettingError("a folder, not a file", where=where, hint="give the path of the input file in it")
    if not path.is_file():
        hint = "give the path of an input file; pfd submit examples/silicon/input.yaml is one to begin with"
        raise SettingError("no such file", where=where, hint=hint)
    if path.stat().st_size > MAX_BYTES:
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
    if path.suffix.lower() == ".toml":
        raise SettingError("TOML is not read yet", where=where, hint="write the input as YAML or JSON")
    what = "the file holds a list where keys are needed" if isinstance(content, list) else "the file holds no keys"
    raise SettingError(what, where=where, hint="begin with name: and teacher:, as in examples/silicon/input.yaml")


def _content(text: str, path: Path) -> Any:
    where = str(path)
    try:
        if path.suffix.lower() == ".json":
            return json.loads(text.removeprefix("\ufeff"), object_pairs_hook=_unique)
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


class _InputLoader(yaml.SafeLoader):
    """Safe YAML that refuses what a user cannot have meant."""

    def get_single_node(self) -> yaml.Node | None:
        """The tree, once its aliases are known to be harmless."""
        node: yaml.Node | None = super().get_single_node()
        if node is not None and _size(node, {}) > MAX_VALUES:
            raise yaml.MarkedYAMLError(problem=f"its aliases (*) stand for more than {MAX_VALUES} values")
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
