"""Random damage to inputs: what people and editors do to files, and what nobody does but a computer."""

from __future__ import annotations

import copy
import json
import math
import random
from collections.abc import Callable
from typing import Any

import yaml

WORDS = (
    "",
    " ",
    "null",
    "~",
    "yes",
    "1e3",
    "-",
    "ä",
    "🦆",
    "\u202e",
    "\x00",
    "a" * 3000,
    "../../../etc/passwd",
    "/dev/zero",
    "pipe",
    "large.cif",
    "$HOME",
    "*.xyz",
    "%s",
    "{}",
)
NUMBERS = (0, -1, 1, 10**9, 10**40, -(10**9), 0.5, 1e300, 1e-300, float("inf"), float("nan"), True, False)
VALUES: tuple[Any, ...] = (*WORDS, *NUMBERS, None, [], {}, [[]], [{}], {"a": 1}, [1, 2, 3], ["x"], [None])


def places(tree: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """All keys and indices of a tree, as paths."""
    pairs = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [path for key, value in pairs for path in ((*above, key), *places(value, (*above, key)))]


def damaged(tree: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """A copy with one to three mutations."""
    tree = copy.deepcopy(tree)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        there = places(tree)
        if not there:
            break
        *above, last = chance.choice(there)
        parent: Any = tree
        for part in above:
            parent = parent[part]
        chance.choice(MUTATIONS)(parent, last, chance, tree)
    return tree


def _delete(parent: Any, key: Any, chance: random.Random, tree: Any) -> None:
    del parent[key]


def _rename(parent: Any, key: Any, chance: random.Random, tree: Any) -> None:
    if isinstance(parent, dict):
        value = parent.pop(key)
        spot = chance.randrange(len(key) + 1)
        parent[
            chance.choice((key[:spot] + key[spot + 1 :], key[:spot] + "x" + key[spot:], key.upper(), "ключ", ""))
        ] = value


def _retype(parent: Any, key: Any, chance: random.Random, tree: Any) -> None:
    value = parent[key]
    parent[key] = chance.choice(
        (str(value)[:200], [value], {"x": value}, {str(value)[:50]: None}, None, [value, value])
    )


def _replace(parent: Any, key: Any, chance: random.Random, tree: Any) -> None:
    parent[key] = copy.deepcopy(chance.choice(VALUES))


def _nest(parent: Any, key: Any, chance: random.Random, tree: Any) -> None:
    for _ in range(chance.choice((1, 2, 50))):
        parent[key] = [parent[key]] if chance.random() < 0.5 else {str(key): parent[key]}


def _swap(parent: Any, key: Any, chance: random.Random, tree: Any) -> None:
    *above, last = chance.choice(places(tree))
    other: Any = tree
    for part in above:
        other = other[part]
    parent[key] = copy.deepcopy(other[last])


def _huge(parent: Any, key: Any, chance: random.Random, tree: Any) -> None:
    value = parent[key]
    parent[key] = chance.choice((10**9, "x" * 100_000, [copy.deepcopy(value)] * 300, {f"k{i}": 1 for i in range(300)}))


MUTATIONS: tuple[Callable[..., None], ...] = (_delete, _rename, _retype, _replace, _replace, _nest, _swap, _huge)


def _text_of(tree: dict[str, Any], kind: str) -> str:
    if kind == ".json":
        return json.dumps(tree)
    if kind == ".toml":
        return "".join(f"{json.dumps(str(key))} = {_toml(value)}\n" for key, value in tree.items() if value is not None)
    return yaml.safe_dump(tree, allow_unicode=True, sort_keys=False)


def _toml(value: Any) -> str:
    """A value of TOML, which has no null: entries without a value are left out."""
    if isinstance(value, dict):
        pairs = (f"{json.dumps(str(key))} = {_toml(each)}" for key, each in value.items() if each is not None)
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, list):
        return f"[{', '.join(_toml(each) for each in value if each is not None)}]"
    return str(value) if isinstance(value, float) and not math.isfinite(value) else json.dumps(value)


def torn(text: str, chance: random.Random) -> str:
    """The text of a file with one or two places damaged."""
    for _ in range(chance.choice((1, 1, 2))):
        spot = chance.randrange(len(text) + 1)
        lines = text.split("\n")
        line = chance.randrange(len(lines))
        text = chance.choice(
            (
                text[:spot],
                text[:spot]
                + chance.choice(("\t", "\x00", '"', "'", "{", "]", ":", "*a", "&a ", "!!python/object:os.x ", "\n"))
                + text[spot:],
                text[:spot] + text[spot + 1 :],
                "\n".join([*lines[: line + 1], *lines[line:]]),
                "\n".join(["x: &x", "  y: *x", text]),
                text + "\n---\n" + text,
                "\ufeff" + text,
            )
        )
    return text


def case(sources: list[dict[str, Any]], chance: random.Random) -> tuple[str, str]:
    """The suffix and the text of a file."""
    tree = chance.choice(sources)
    kind = chance.choice((".yaml", ".yaml", ".json", ".toml"))
    if chance.random() < 0.15:
        return kind, torn(_text_of(tree, kind), chance)
    return kind, _text_of(damaged(tree, chance), kind)
