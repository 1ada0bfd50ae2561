"""Keys of the input that a sentence of the docs names are keys that there are, in the section that it says."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

import pytest
import yaml
from tests.docs.blocks import PAGES, name_of

from pfd.config.schema import input_schema

OTHERS = {"docs/older-input.md", "docs/how-move.md", "docs/input.md"}
"""Pages that name keys of other tools, and the one that is made of the schema itself."""
PLACES = [path for path in PAGES if name_of(path) not in OTHERS]
DOTTED = re.compile(r"`([a-z_]+(?:\.(?:<\w+>|[A-Za-z_]+))+)`")
WRITTEN = re.compile(r"`(\w+: [^`\n]+)`")


def named_in(schema) -> Iterator[str]:
    """The definitions that a schema refers to."""
    if isinstance(schema, dict):
        if "$ref" in schema:
            yield schema["$ref"].rsplit("/", 1)[1]
        for value in schema.values():
            yield from named_in(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from named_in(value)


def pairs_of(schema):
    """Each key of a section with each key of the sections that it may hold."""
    definitions, pairs = schema["$defs"], set()
    for section in (schema, *definitions.values()):
        for key, value in section.get("properties", {}).items():
            for name in named_in(value):
                unions = [definitions[each] for each in named_in({**definitions[name], "properties": {}})]
                for below in (definitions[name], *unions):
                    pairs |= {(key, child) for child in below.get("properties", {})}
    return pairs


SCHEMA = input_schema()
PAIRS = pairs_of(SCHEMA)
KEYS = {key for section in (SCHEMA, *SCHEMA["$defs"].values()) for key in section.get("properties", {})}
SECTIONS = {parent for parent, _ in PAIRS}


def wrong(parent, content) -> Iterator[str]:
    """Keys of a piece of an input that there are not; below a free mapping anything may stand."""
    for key, value in content.items() if isinstance(content, dict) else ():
        if (parent, key) not in PAIRS if parent else key not in KEYS:
            yield f"{parent}.{key}" if parent else key
        if key in SECTIONS:
            yield from wrong(key, value)


@pytest.mark.parametrize("path", PLACES, ids=name_of)
def test_dotted_keys_are_there(path):
    for match in DOTTED.finditer(path.read_text(encoding="utf-8")):
        parts = match[1].split(".")
        if parts[0] not in SECTIONS or parts[-1] == "py":
            continue
        for parent, child in itertools.pairwise(parts):
            free = "<" in parent + child or parent.isupper() or child.isupper()  # resources.<step>, argo.STEP
            assert free or (parent, child) in PAIRS, f"{match[1]}: {parent} has no key {child}"


@pytest.mark.parametrize("path", PLACES, ids=name_of)
def test_keys_with_a_value_are_there(path):
    for match in WRITTEN.finditer(path.read_text(encoding="utf-8")):
        content = yaml.safe_load(match[1])
        if isinstance(content, dict):
            found = {key for key in wrong("", content) if not key.startswith(("environments.", "data."))}
            assert not found, f"{match[0]}: no key {', '.join(found)}"


def test_a_misspelt_key_is_found():
    assert list(wrong("", {"label": {"max_totals": 3}})) == ["label.max_totals"]
    assert not list(wrong("", {"finetune": {"label": {"max_total": 3}}}))
