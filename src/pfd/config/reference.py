"""The reference of the input file in Markdown: every key with its type, default, unit and what it means."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from typing import Any

import yaml

from pfd.config.schema import Known, Schema, input_schema
from pfd.plugins import plugin_names

WIDTH = 120
UNITS = {
    "eV_per_atom": "eV/atom",
    "meV_per_atom": "meV/atom",
    "eV_per_A": "eV/Å",
    "per_A": "1/Å",
    "core_hours": "core hours",
    "GPa": "GPa",
    "GB": "GB",
    "Ry": "Ry",
    "nats": "nats",
    "deg": "degrees",
    "eV": "eV",
    "fs": "fs",
    "A": "Å",
    "K": "K",
    "s": "s",
}
"""How names of keys end -> the unit; longer endings first."""
_WORDS = {"string": "text", "boolean": "true or false", "null": "nothing"}
_BEGIN = """# The input file

Every key, in the order of the input. YAML, JSON or TOML; `pfd check INPUT` looks for mistakes, and `pfd schema` prints
the same as a JSON schema, with which editors complete and check (`pfd init` writes an input that names it). This page
is what `pfd schema --markdown` prints: do not edit it.

Keys may be set on the command line of `pfd check` and `pfd submit`, values as in YAML: `pfd submit input.yaml
finetune.select.max_frames=40 finetune.explore.0.0.steps=100`. An input of PFD-kit 0.10 is taken too:
[older-input.md](older-input.md).

A unit stands in the name of a key. Keys that are optional or have a default may be left out. None is written `null`,
and is the default of optional keys. Relative paths start at the input file's folder.
"""


def input_reference(known: Known = plugin_names) -> str:
    """The reference as one Markdown text.

    Args:
        known: which plug-ins to tell of; those that are installed if not given.
    """
    schema = input_schema(known)
    lines = [_BEGIN, *_Pages(schema["$defs"]).section("", "", schema)]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)) + "\n"


class _Pages:
    """Writes sections; one that stands in several places is written where it comes first.

    Args:
        definitions: the ``$defs`` of the schema.
    """

    def __init__(self, definitions: dict[str, Schema]) -> None:
        self._definitions = definitions
        self._written: dict[str, str] = {}

    def section(self, path: str, named: str, schema: Schema) -> Iterator[str]:
        """The lines of a section: its keys, then the sections below it.

        Args:
            path: dotted key, empty for the whole file.
            named: what distinguishes it from others at that path, such as ``method: md``.
            schema: of the section.
        """
        if path:
            yield from ["", f"{_level(path, named)} `{path}`{f' with `{named}`' if named else ''}", ""]
        if path and "description" in schema:
            yield from [*_wrapped(schema["description"]), ""]
        yield from self._keys(path, schema["properties"], set(schema.get("required", [])))
        yield from self._below(path, schema["properties"])

    def _keys(self, path: str, properties: dict[str, Schema], required: set[str]) -> Iterator[str]:
        for key, schema in properties.items():
            if "const" not in schema and schema.get("type") != "null":
                whole = f"{path}.{key}" if path else key
                yield from self._entry(whole, key, schema, key in required)

    def _below(self, path: str, properties: dict[str, Schema]) -> Iterator[str]:
        for key, schema in properties.items():
            whole = f"{path}.{key}" if path else key
            name = self._name(schema)
            if name is None or name in self._written:
                continue
            self._written[name] = whole
            members = self._members(schema)
            if members:
                yield from self._union(whole, schema, members)
            else:
                yield from self.section(whole, "", self._definitions[name])

    def _union(self, path: str, schema: Schema, members: dict[str, Schema]) -> Iterator[str]:
        """A section that has other keys with each plug-in or method."""
        yield from ["", f"{_level(path)} `{path}`", "", *_wrapped(schema.get("description", "")), ""]
        common = _common(members)
        if common:
            needed = [set(member.get("required", [])) for member in members.values()]
            yield from self._keys(path, common, set.intersection(*needed))
            yield from self._below(path, common)
        told: list[tuple[str, dict[str, Schema]]] = []
        for named, member in members.items():
            own = {key: value for key, value in member["properties"].items() if key not in common}
            again: dict[str, list[str]] = {}
            for key, value in own.items():
                first = next((other for other, keys in told if keys.get(key) == value), None)
                if first is not None and "const" not in value:
                    again.setdefault(first, []).append(key)
            told.append((named, own))
            fresh = {key: value for key, value in own.items() if not any(key in keys for keys in again.values())}
            yield from self.section(path, named, member | {"properties": fresh})
            for first, keys in again.items():
                yield from _wrapped(f"- As with `{first}`: {', '.join(f'`{key}`' for key in keys)}.", "  ")

    def _entry(self, path: str, key: str, schema: Schema, required: bool) -> Iterator[str]:
        parts = [self._kind(schema)]
        parts += [unit] if (unit := _unit(key)) else []
        default = schema.get("default")
        if required:
            parts.append("required")
        elif default in (None, [], {}):
            parts.append("optional")
        elif not isinstance(default, dict):
            parts.append(f"default `{_yaml(default)}`")
        about = schema.get("description", "")
        name = self._name(schema)
        if name is not None and self._written.get(name, path) != path:
            about = f"{about} As in `{self._written[name]}`."
        yield from _wrapped(f"- **`{key}`** ({', '.join(parts)}): {about}".rstrip(": "), "  ")

    def _kind(self, schema: Schema) -> str:
        """The type in words."""
        kind = str(schema.get("type", ""))
        text = _WORDS.get(kind, kind)
        if "$ref" in schema:
            told = self._definitions[self._name(schema) or ""]
            text = "section" if "properties" in told or "oneOf" in told else "section or list"
        elif "enum" in schema or "const" in schema:
            text = " or ".join(f"`{_yaml(value)}`" for value in schema.get("enum", [schema.get("const")]))
        elif "anyOf" in schema:
            kinds = [self._kind(each) for each in schema["anyOf"] if each.get("type") != "null"]
            text = " or ".join(dict.fromkeys(kinds))
        elif "oneOf" in schema:
            words = [self._kind(each) for each in schema["oneOf"] if "const" in each and "type" not in each]
            text = " or ".join(["section", *words])
        elif kind == "array":
            text = self._list(schema)
        elif kind == "object":
            names = schema.get("propertyNames", {}).get("enum")
            entries = "sections by name" if self._name(schema) else "section of names"
            text = f"section of {' or '.join(f'`{name}`' for name in names)}" if names else entries
        elif schema.get("format") == "path":
            text = "path"
        return text + _limits(schema)

    def _list(self, schema: Schema) -> str:
        if "prefixItems" in schema:
            kinds = dict.fromkeys(self._kind(each) for each in schema["prefixItems"])
            return f"list of {len(schema['prefixItems'])}: {', '.join(kinds)}"
        least = schema.get("minItems", 0)
        kind = re.sub(r"^(section|integer|number|text|path)", r"\1s", self._kind(schema["items"]))
        return f"list of {kind}" + (f", at least {least}" if least else "")

    def _name(self, schema: Schema) -> str | None:
        """The definition of the section, or of the entries of the list, that a key holds."""
        if "$ref" in schema:
            return str(schema["$ref"].rsplit("/", 1)[-1])
        if "oneOf" in schema or ("anyOf" in schema and all("$ref" in each for each in schema["anyOf"])):
            members = schema.get("oneOf") or schema["anyOf"]
            return " or ".join(str(each["$ref"]) for each in members if "$ref" in each)
        inner = [schema[key] for key in ("items", "additionalProperties") if isinstance(schema.get(key), dict)]
        inner = inner or schema.get("anyOf", [])
        names = [name for each in inner if (name := self._name(each)) is not None]
        return names[0] if names else None

    def _members(self, schema: Schema) -> dict[str, Schema]:
        """What tells the members of a union apart -> the member; empty if it is no union."""
        name = self._name(schema) or ""
        if name in self._definitions and "properties" in self._definitions[name]:
            return {}
        if name in self._definitions:  # the forms of explore: the first is one group
            return self._members(self._definitions[name].get("anyOf", [self._definitions[name]])[0])
        return {
            _distinction(each["$ref"].rsplit("/", 1)[-1], self._definitions): self._resolved(each)
            for each in schema.get("oneOf") or schema.get("anyOf") or []
            if "$ref" in each
        }

    def _resolved(self, reference: Schema) -> Schema:
        return self._definitions[reference["$ref"].rsplit("/", 1)[-1]]


def _distinction(name: str, definitions: dict[str, Schema]) -> str:
    """Such as ``method: md``; training is told apart by the teacher's family."""
    for key in ("method", "family", "kind"):
        of_key = definitions[name]["properties"].get(key, {})
        values = of_key.get("enum", [of_key["const"]] if "const" in of_key else [])
        if values:
            return f"{key}: {' or '.join(values)}"
    return f"teacher.family: {name.rsplit('.', 1)[-1]}"


def _common(members: dict[str, Schema]) -> dict[str, Schema]:
    """The keys that all members have, alike."""
    first, *others = (member["properties"] for member in members.values())
    return {key: value for key, value in first.items() if all(other.get(key) == value for other in others)}


def _level(path: str, named: str = "") -> str:
    return "#" * min(5, 2 + path.count(".") + bool(named))


def _unit(key: str) -> str:
    return next((unit for ending, unit in UNITS.items() if key.endswith(f"_{ending}")), "")


def _limits(schema: Schema) -> str:
    signs = {"exclusiveMinimum": ">", "minimum": "≥", "exclusiveMaximum": "<", "maximum": "≤"}
    found = [f"{sign} {schema[key]:g}" for key, sign in signs.items() if key in schema]
    return f" {' and '.join(found)}" if found else ""


def _yaml(value: Any) -> str:
    """A value as one writes it in YAML, on one line."""
    return yaml.safe_dump(value, default_flow_style=True, width=10**6).removesuffix("\n").removesuffix("\n...")


def _wrapped(text: str, indent: str = "") -> list[str]:
    """Lines of at most 120 characters, in Markdown; names between two backticks get one."""
    plain = re.sub(r"``(.+?)``", r"`\1`", text)
    return textwrap.wrap(plain, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
