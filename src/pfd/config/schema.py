"""The JSON schema of the input file, with the keys of all installed labelers and families, for editors and the docs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from pfd.config.sections import CampaignSettings, Input, TrainSettings
from pfd.evaluate.converge import CRITERIA
from pfd.models.auto_student import AUTO, AutoSettings
from pfd.models.family import Family
from pfd.plugins import FAMILIES, LABELERS, load_plugin, plugin_names
from pfd.settings import Settings

Schema = dict[str, Any]
DIALECT = "https://json-schema.org/draft/2020-12/schema"
Known = Callable[[str], list[str]]
"""The names of the plug-ins of a group that are to stand in the schema."""


def input_schema(known: Known = plugin_names) -> Schema:
    """The schema of the input file.

    Where a section belongs to a plug-in, it is a union: ``finetune.label`` by ``method``, ``distill.student`` by
    ``family``; ``finetune.train`` follows ``teacher.family``. Short forms that the reader takes are allowed.

    Args:
        known: which plug-ins to tell of; those that are installed if not given.
    """
    labelers = {name: load_plugin(LABELERS, name).Settings for name in known(LABELERS)}
    families: dict[str, type[Family]] = {name: load_plugin(FAMILIES, name) for name in known(FAMILIES)}
    tuned = {name: family.FineTuneSettings for name, family in families.items() if family.FineTuneSettings}
    fitted = {name: family.FitSettings for name, family in families.items() if family.FitSettings}
    fitted[AUTO] = AutoSettings
    definitions = _Definitions([Input, CampaignSettings, TrainSettings, *_all(labelers, tuned, fitted)])
    explore = definitions.place("LoopSettings.explore", _stages(definitions))
    for name in ("FineTuneSettings", "DistillSettings"):
        loop = definitions.of_name(name, "pfd.config.sections")
        loop["properties"]["explore"] = explore | _described(loop["properties"]["explore"])
        loop["required"] = sorted({*loop["required"], "explore"})
    finetune = definitions.of_name("FineTuneSettings", "pfd.config.sections")["properties"]
    finetune["label"] |= _union(
        definitions.joined(f"label.{name}", {"method": _named(name, "The labeler.")}, settings, CampaignSettings)
        for name, settings in labelers.items()
    )
    trained = {
        name: definitions.joined(f"train.{name}", {}, settings, TrainSettings) for name, settings in tuned.items()
    }
    finetune["train"] |= {"anyOf": list(trained.values()), "default": {}}
    student = definitions.of_name("DistillSettings", "pfd.config.sections")["properties"]["student"]
    student |= _union(
        definitions.joined(f"student.{name}", {"family": _named(name, "The family.")}, settings)
        for name, settings in fitted.items()
    )
    student["oneOf"].append({"const": AUTO, "description": "Short for `family: auto`."})
    for key in (finetune["label"], finetune["train"], student):
        key.pop("additionalProperties", None)
        key.pop("type", None)
    _measured(definitions)
    definitions.of_name("TeacherSettings")["properties"]["family"]["enum"] = sorted(families)
    definitions.of_name("ConvergeSettings")["anyOf"] = [{"required": [name]} for name in CRITERIA]
    whole = definitions.take("Input")
    whole["anyOf"] = [{"required": ["finetune"]}, {"required": ["distill"]}]
    whole["allOf"] = [_of_teacher(name, trained.get(name)) for name in families]
    return {"$schema": DIALECT, "title": "Input of pfd", **whole, "$defs": definitions.used_by(whole)}


class _Definitions:
    """The ``$defs`` of the schema: one for each settings class, tidied.

    Args:
        models: the classes.
    """

    def __init__(self, models: Iterable[type[BaseModel]]) -> None:
        unique = list(dict.fromkeys(models))
        found, content = models_json_schema([(model, "validation") for model in unique], by_alias=True)
        self.all: dict[str, Schema] = {name: _tidy(each) for name, each in content["$defs"].items()}
        self._of = {model: reference["$ref"].rsplit("/", 1)[-1] for (model, _), reference in found.items()}

    def of_name(self, name: str, module: str = "") -> Schema:
        """A definition by its class; pydantic puts the module before a name that two classes have."""
        long = f"{module.replace('.', '__')}__{name}"
        return self.all[long if long in self.all else name]

    def of(self, model: type[Settings]) -> Schema:
        """The definition of a class."""
        return self.all[self._of[model]]

    def take(self, name: str) -> Schema:
        """Remove a definition and return it."""
        return self.all.pop(name)

    def place(self, name: str, schema: Schema) -> Schema:
        """Keep a schema under a name, and return the reference to it."""
        self.all[name] = schema
        return {"$ref": f"#/$defs/{name}"}

    def joined(self, name: str, fixed: dict[str, Schema], *models: type[Settings]) -> Schema:
        """Keep under a name one section of the keys of several classes, some of which are fixed there."""
        parts = [self.of(model) for model in models]
        properties = dict(fixed)
        for part in parts:
            properties |= {key: value for key, value in part.get("properties", {}).items() if key not in fixed}
        required = [*fixed, *(key for part in parts for key in part.get("required", []) if key not in fixed)]
        whole = {"type": "object", **_described(parts[0]), "properties": properties, "additionalProperties": False}
        return self.place(name, whole | ({"required": required} if required else {}))

    def used_by(self, schema: Schema) -> dict[str, Schema]:
        """The definitions that a schema refers to, those that these refer to, and so on."""
        found: dict[str, Schema] = {}
        waiting = _references(schema)
        while waiting:
            name = waiting.pop()
            if name not in found:
                found[name] = self.all[name]
                waiting += _references(found[name])
        return {name: found[name] for name in sorted(found)}


def _references(content: Any) -> list[str]:
    """Names of the definitions that some content refers to."""
    if isinstance(content, list):
        return [name for entry in content for name in _references(entry)]
    if not isinstance(content, dict):
        return []
    own = [content["$ref"].rsplit("/", 1)[-1]] if isinstance(content.get("$ref"), str) else []
    return own + [name for value in content.values() for name in _references(value)]


def _named(value: str, what: str) -> Schema:
    return {"const": value, "description": what}


def _all(*groups: dict[str, type[Settings]]) -> list[type[Settings]]:
    return [settings for group in groups for settings in group.values()]


def _stages(definitions: _Definitions) -> Schema:
    """What ``explore`` may be: one group, one list of groups, or a list of stages."""
    written = definitions.of_name("DistillSettings")["properties"]["explore"]
    group = written["items"]["items"]
    _require_tag(definitions, group, "method")
    one = definitions.place("Group", {"description": "One group of exploration.", **group})
    stage = {"type": "array", "items": one, "minItems": 1}
    return {"anyOf": [one, stage, {"type": "array", "items": stage, "minItems": 1}]}


def _measured(definitions: _Definitions) -> None:
    """Name the union of properties, and take the short forms of commands."""
    evaluate = definitions.of_name("EvaluateSettings")["properties"]
    union = evaluate["properties"]["items"]
    _require_tag(definitions, union, "kind")
    union = {"description": "One physical property, told apart by its kind.", **union}
    evaluate["properties"]["items"] = definitions.place("Property", union)
    command = evaluate["command"]
    definitions.all["Observable"]["properties"].pop("kind")
    forms = [{"type": "array", "items": command["items"]}, command["items"], {"type": "string"}]
    evaluate["command"] = _described(command) | {"anyOf": forms, "default": []}


def _require_tag(definitions: _Definitions, union: Schema, tag: str) -> None:
    """What tells the members of a union apart must be there."""
    for reference in union["oneOf"]:
        each = definitions.all[reference["$ref"].rsplit("/", 1)[-1]]
        each["required"] = [tag, *each.get("required", [])]
        each["properties"][tag].pop("default", None)


def _union(members: Iterable[Schema]) -> Schema:
    return {"oneOf": list(members)}


def _of_teacher(family: str, train: Schema | None) -> Schema:
    """What follows from the family of the teacher: the keys of training, or that there is no fine-tuning."""
    chosen = {"properties": {"teacher": {"properties": {"family": {"const": family}}, "required": ["family"]}}}
    follows = {"type": "null"} if train is None else {"properties": {"train": train}}
    return {"if": chosen | {"required": ["teacher"]}, "then": {"properties": {"finetune": follows}}}


def _described(schema: Schema) -> Schema:
    return {"description": schema["description"]} if "description" in schema else {}


def _tidy(content: Any) -> Any:
    """Without the titles that pydantic makes of names, and with descriptions on one line."""
    if isinstance(content, list):
        return [_tidy(entry) for entry in content]
    if not isinstance(content, dict):
        return content
    tidy = {key: _tidy(value) for key, value in content.items() if not (key == "title" and isinstance(value, str))}
    if isinstance(tidy.get("description"), str):
        tidy["description"] = " ".join(tidy["description"].split())
    return tidy
