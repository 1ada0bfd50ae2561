"""Read an input file: safe YAML or JSON, no duplicate keys, every mistake one message, and nothing started."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from pfd.config.mistakes import setting_error
from pfd.config.sections import CampaignSettings, Input, TrainSettings
from pfd.errors import SettingError
from pfd.label.labeler import LabelerSettings
from pfd.models.family import Family
from pfd.models.training import make_family
from pfd.plugins import LABELERS, load_plugin
from pfd.settings import Settings

MAX_BYTES = 5_000_000
T = TypeVar("T", bound=Settings)


@dataclass(frozen=True)
class ResolvedInput:
    """An input whose plug-in sections have been validated too.

    Attributes:
        input: the whole tree.
        folder: what relative paths in it are relative to.
        teacher: family of the pre-trained model.
        labeler: the labeler's own settings (None without ``finetune``).
        campaign: the caps of labelling.
        train: what training is in every family.
        tuning: the teacher family's fine-tuning settings (None without ``finetune``).
        student: family of the student (None without ``distill``).
        fitting: the student family's fit settings.
    """

    input: Input
    folder: Path
    teacher: Family
    labeler: LabelerSettings | None
    campaign: CampaignSettings
    train: TrainSettings
    tuning: Settings | None
    student: Family | None
    fitting: Settings | None


def read_input(path: Path) -> ResolvedInput:
    """Read and validate an input file, plug-in sections included.

    Raises:
        SettingError: with one line per mistake.
    """
    return resolve(parse(path), path.resolve().parent, str(path))


def parse(path: Path) -> dict[str, Any]:
    """The raw content of a YAML or JSON file.

    Raises:
        SettingError: if the file is missing, larger than 5 MB, no mapping, or has a key twice.
    """
    where = str(path)
    if not path.is_file():
        hint = "give the path of an input file; pfd submit examples/silicon/input.yaml is one to begin with"
        raise SettingError("no such file", where=where, hint=hint)
    if path.stat().st_size > MAX_BYTES:
        raise SettingError("larger than 5 MB: this is no input file", where=where)
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix.lower() == ".json":
            content = json.loads(text, object_pairs_hook=_unique)
        else:
            content = yaml.load(text, Loader=_UniqueKeyLoader)  # noqa: S506 - derived from SafeLoader
    except UnicodeDecodeError as error:
        raise SettingError("not UTF-8 text", where=where) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{where}, line {mark.line + 1}" if mark is not None else where
        raise SettingError(f"not readable: {getattr(error, 'problem', None) or error}", where=place) from error
    if not isinstance(content, dict):
        raise SettingError("the file holds no keys", where=where, hint="begin with name: and teacher:")
    return content


def resolve(content: dict[str, Any], folder: Path, where: str) -> ResolvedInput:
    """Validate a raw tree.

    Raises:
        SettingError: with one line per mistake.
    """
    tree = _validated(Input, content, where)
    teacher = make_family(tree.teacher.family, f"{where}: teacher.family")
    labeler, campaign, train, tuning = None, CampaignSettings(), TrainSettings(), None
    if tree.finetune is not None:
        own, common = _divide(tree.finetune.label, CampaignSettings)
        campaign = _validated(CampaignSettings, common, where, "finetune.label")
        labeler = _labeler_settings(own, where, folder)
        own, common = _divide(tree.finetune.train, TrainSettings)
        train = _validated(TrainSettings, common, where, "finetune.train")
        if teacher.FineTuneSettings is None:
            raise SettingError(f"the family {teacher.name!r} cannot be fine-tuned", where=f"{where}: teacher.family")
        tuning = _validated(teacher.FineTuneSettings, own, where, "finetune.train")
    student, fitting = None, None
    if tree.distill is not None:
        own = dict(tree.distill.student)
        name = own.pop("family", None)
        if not isinstance(name, str):
            raise SettingError(
                "missing; e.g. student: {family: pod, size: M}", where=f"{where}: distill.student.family"
            )
        student = make_family(name, f"{where}: distill.student.family")
        if student.FitSettings is None:
            raise SettingError(
                f"the family {name!r} cannot be a student", where=f"{where}: distill.student.family", hint="use pod"
            )
        fitting = _validated(student.FitSettings, own, where, "distill.student")
    return ResolvedInput(tree, folder, teacher, labeler, campaign, train, tuning, student, fitting)


def _labeler_settings(own: dict[str, Any], where: str, folder: Path) -> LabelerSettings:
    method = own.get("method")
    if not isinstance(method, str):
        raise SettingError("missing; e.g. method: tblite", where=f"{where}: finetune.label.method")
    labeler = load_plugin(LABELERS, method, f"{where}: finetune.label.method")
    settings: LabelerSettings = _validated(labeler.Settings, own, where, "finetune.label")
    folder_of_pseudopotentials = getattr(settings, "pseudo_dir", None)
    if folder_of_pseudopotentials is not None:  # as every path of the input: relative to its folder
        settings = settings.model_copy(update={"pseudo_dir": folder / Path(folder_of_pseudopotentials).expanduser()})
    return settings


def _divide(section: dict[str, Any], common: type[Settings]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A section's keys that belong to the plug-in, and those that are common to all plug-ins."""
    names = {info.alias or name for name, info in common.model_fields.items()}
    return (
        {key: value for key, value in section.items() if key not in names},
        {key: value for key, value in section.items() if key in names},
    )


def _validated(model: type[T], content: Any, where: str, prefix: str = "") -> T:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise setting_error(error, model, where, prefix.split(".") if prefix else ()) from error


class _UniqueKeyLoader(yaml.SafeLoader):
    """Safe YAML in which a key that stands twice is an error, not a choice of the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if key is not None and key in seen and key != "<<":
                raise yaml.MarkedYAMLError(problem=f"the key {key!r} stands twice", problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [key for key, _ in pairs]
    twice = {key for key in names if names.count(key) > 1}
    if twice:
        raise ValueError(f"the key {twice.pop()!r} stands twice")
    return dict(pairs)


def source_path(resolved: ResolvedInput, file: str | Path, key: str) -> Path:
    """The path of a file that the input names.

    Raises:
        SettingError: if it is not there.
    """
    path = Path(file).expanduser()
    path = path if path.is_absolute() else resolved.folder / path
    if not path.exists():
        raise SettingError(f"no such file: {file}", where=key, hint=f"paths are relative to {resolved.folder}")
    return path
