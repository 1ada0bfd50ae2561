"""Read an input file and validate all of its sections, plug-ins included: every mistake one line, nothing started."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from pfd.config.given import read_given
from pfd.config.mistakes import as_written, known_keys, mistakes_of, setting_error, value_mistakes
from pfd.config.overrides import COMMAND_LINE
from pfd.config.sections import CampaignSettings, Input, TrainSettings
from pfd.config.yaml_file import parse
from pfd.errors import InputError, MissingError, SettingError
from pfd.kept import here_or_kept
from pfd.label.labeler import LabelerSettings
from pfd.models.auto_student import AUTO, AutoStudent
from pfd.models.family import Family
from pfd.plugins import FAMILIES, LABELERS, load_plugin
from pfd.settings import Settings
from pfd.wording import shortened

T = TypeVar("T", bound=Settings)
U = TypeVar("U", bound=Settings)


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
        file: the input file, as messages name it.
        explore_depth: loop -> how many of the two lists of its ``explore`` the user wrote.
        native_files: settings files of other packages whose content stands in the input now.
        overridden: keys that the command line set.
        text: the input as YAML, where the file is none of today's, or keys were overridden; else empty.
        older: whether the file was one of PFD-kit 0.10.
        notes: what of an older input has no effect.
        content: what the user wrote, and set on the command line.
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
    file: str = "input"
    explore_depth: Mapping[str, int] = field(default_factory=dict)
    native_files: tuple[Path, ...] = ()
    overridden: tuple[str, ...] = ()
    text: str = ""
    older: bool = False
    notes: tuple[str, ...] = ()
    content: Mapping[str, Any] = field(default_factory=dict)

    def shown(self, key: str) -> str:
        """A dotted key as far as the user wrote it: short forms of explore have fewer indices."""
        return as_written(key, self.explore_depth)

    def place(self, key: str) -> str:
        """How messages name a key of the input."""
        file = COMMAND_LINE if _is_of(key, self.overridden) else self.file
        return f"{file}: {self.shown(key)}"


def read_input(path: Path, overrides: Sequence[str] = ()) -> ResolvedInput:
    """Read and validate an input file, plug-in sections included; one of the older tool is converted first.

    Args:
        path: YAML, JSON or TOML.
        overrides: settings of the command line, such as ``finetune.select.max_frames=40``.

    Raises:
        SettingError: with one line per mistake.
    """
    given = read_given(path, overrides)
    where = f"{path} (converted)" if given.older else str(path)
    resolved = resolve(given.content, path.resolve().parent, where, given.overridden)
    return replace(resolved, text=given.text, older=given.older, notes=given.notes, content=given.content)


def resolve(content: dict[str, Any], folder: Path, where: str, overridden: Sequence[str] = ()) -> ResolvedInput:
    """Validate a raw tree, and the sections of the plug-ins that it names.

    Args:
        content: the content of an input file.
        folder: what relative paths in it are relative to.
        where: the file, as messages name it.
        overridden: keys that came from the command line, which messages name as their place.

    Raises:
        SettingError: with one line per mistake, of the whole file at once.
    """
    lines: list[str] = []
    if isinstance(distill := content.get("distill"), dict) and distill.get("student") == AUTO:  # the short form
        content = content | {"distill": distill | {"student": {"family": AUTO}}}
    content, native = _with_native_settings(content, folder, where)
    tree = _validated((Input,), content, "", lines)
    teacher = _family(_section(content, "teacher"), "teacher", lines)
    labeler, campaign, train, tuning, student, fitting = None, CampaignSettings(), TrainSettings(), None, None, None
    label = _section(content, "finetune", "label")
    if label is not None:
        labeler, found = _labeling(label, folder, lines)
        labeler = _in_environment(labeler, tree, lines)
        campaign = found or campaign
    training = _section(content, "finetune", "train")
    if _section(content, "finetune") is not None and teacher is not None:
        if teacher.FineTuneSettings is None:
            lines.append(f"teacher.family: the family {teacher.name!r} cannot be fine-tuned; choose another teacher")
        else:
            both = _divided((teacher.FineTuneSettings, TrainSettings), training or {}, "finetune.train", lines)
            tuning, train = (both[0], both[1]) if both is not None else (None, train)
    fit = _section(content, "distill", "student")
    if fit is not None:
        student = _family(fit, "distill.student", lines)
        if student is not None and student.FitSettings is None:
            lines.append(f"distill.student.family: the family {student.name!r} cannot be fitted from scratch; use pod")
        elif student is not None and student.FitSettings is not None:
            own = {key: value for key, value in fit.items() if key != "family"}
            fitting = _validated((student.FitSettings,), own, "distill.student", lines)
    depth = {loop: _explore_depth(content.get(loop)) for loop in ("finetune", "distill")}
    if lines:
        plugins: dict[str, Sequence[type[Settings]]] = {
            "finetune.label": () if labeler is None else (type(labeler), CampaignSettings),
            "finetune.train": () if teacher is None else (teacher.FineTuneSettings or TrainSettings, TrainSettings),
            "distill.student": () if student is None or student.FitSettings is None else (student.FitSettings,),
        }
        lines = [_with_full_key(line, plugins) for line in lines]
        raise _error_of(lines, depth, where, overridden)
    assert tree is not None
    assert teacher is not None
    return ResolvedInput(
        *(tree, folder, teacher, labeler, campaign, train, tuning, student, fitting, where, depth, native),
        overridden=tuple(overridden),
    )


def _with_full_key(line: str, own: Mapping[str, Sequence[type[Settings]]]) -> str:
    """A line about a key of the whole file that is unknown there, with the keys of sections that are so called.

    Args:
        line: the mistake.
        own: key of a section that a plug-in owns -> the settings that share it.
    """
    key, _, text = line.partition(": ")
    if "." in key or not text.startswith("unknown key; "):
        return line
    sections = {name: known_keys((Input,), name.split(".")) for name in _SECTIONS}
    sections |= {name: known_keys(models, ()) for name, models in own.items()}
    meant = [f"{name}.{key}" for name, known in sections.items() if key in known]
    return f"{key}: unknown key; did you mean {' or '.join(meant)}?" if meant else line


_SECTIONS = ("finetune", "distill", "finetune.select", "finetune.converge", "evaluate", "resources")
"""Those of the input whose keys are looked through for one that stands outside of them."""


def _error_of(lines: Sequence[str], depth: Mapping[str, int], where: str, overridden: Sequence[str]) -> SettingError:
    """One error for all mistakes; those of the command line are told as such."""
    ours = [_is_of(line.partition(": ")[0], overridden) for line in lines]
    shown = [as_written(line, depth) for line in lines]
    if all(ours):
        return setting_error(shown, COMMAND_LINE)
    told = [f"{COMMAND_LINE}: {line}" if own else line for line, own in zip(shown, ours, strict=True)]
    return setting_error(told, where)


def _is_of(key: str, overridden: Sequence[str]) -> bool:
    """Whether a key, or one above it, was set by the command line."""
    return any(key == each or key.startswith(f"{each}.") for each in overridden)


NATIVE_KEY = "settings_file"
"""Names a file of another package's settings; its content takes the place of its name, so that tasks depend on it."""

NATIVE_HINT = "write the settings as the package itself takes them, or leave settings_file out"


def _with_native_settings(content: dict[str, Any], folder: Path, where: str) -> tuple[dict[str, Any], tuple[Path, ...]]:
    """The input with the content of settings files in the place of their names, and where those files are.

    Raises:
        SettingError: if one is not there or cannot be read.
    """
    files = []
    for loop, part in (("finetune", "train"), ("distill", "student")):
        section = _section(content, loop, part)
        if section is not None and isinstance(section.get(NATIVE_KEY), str):
            path = _source(folder, section[NATIVE_KEY], f"{where}: {loop}.{part}.{NATIVE_KEY}")
            files.append(path)
            content = content | {loop: content[loop] | {part: section | {NATIVE_KEY: parse(path, NATIVE_HINT)}}}
    return content, tuple(files)


def _explore_depth(loop: Any) -> int:
    """How many of the two lists of ``explore`` were written."""
    explore = loop.get("explore") if isinstance(loop, dict) else None
    if isinstance(explore, dict):
        return 0
    return 1 if isinstance(explore, list) and all(isinstance(entry, dict) for entry in explore) else 2


def _section(content: Any, *path: str) -> dict[str, Any] | None:
    """A section of the raw tree; None if it is not there, or no section (of which the whole tree's check tells)."""
    for part in path:
        content = content.get(part) if isinstance(content, dict) else None
    return content if isinstance(content, dict) else None


def _family(section: dict[str, Any] | None, key: str, lines: list[str]) -> Family | None:
    """The family that a section names."""
    if key == "distill.student" and section is not None and section.get("family") == AUTO:
        return AutoStudent()
    plugin = _plugin(FAMILIES, section, f"{key}.family", "family: pod, size: M" if "." in key else "", lines)
    family: Family | None = None if plugin is None else plugin()
    return family


def _plugin(group: str, section: dict[str, Any] | None, key: str, example: str, lines: list[str]) -> Any:
    """The class that a section names under the last part of the key; ``example`` is set if no schema asks for it."""
    if section is None:
        return None
    name = section.get(key.rsplit(".", 1)[-1])
    if not isinstance(name, str):
        if example:
            found = "missing" if name is None else f"a name is needed (found {name!r})"
            lines.append(f"{key}: {found}; write e.g. {{{example}}}")
        return None
    try:
        return load_plugin(group, name, key)
    except SettingError as error:
        others = "" if "did you mean" in error.hint else "; this version has no others"
        lines.append(f"{key}: {error.what}; {error.hint}{others}")
        return None


def _labeling(
    label: dict[str, Any], folder: Path, lines: list[str]
) -> tuple[LabelerSettings | None, CampaignSettings | None]:
    """The labeler's settings and those of the campaign, from their common section."""
    labeler = _plugin(LABELERS, label, "finetune.label.method", "method: tblite", lines)
    if labeler is None:
        return None, None
    both = _divided((labeler.Settings, CampaignSettings), label, "finetune.label", lines)
    if both is None:
        return None, None
    settings: LabelerSettings = both[0]
    try:
        return settings.starting_at(folder), both[1]
    except SettingError as error:
        lines.append(f"{error.where}: {error.what}; {error.hint}")
        return None, None


def _in_environment(labeler: LabelerSettings | None, tree: Input | None, lines: list[str]) -> LabelerSettings | None:
    """The labeler's settings with what ``environments`` says of it, if it runs in an environment of its own."""
    told = tree.environments.get(labeler.method) if labeler is not None and tree is not None else None
    if labeler is None or told is None or not hasattr(labeler, "environment"):
        return labeler
    if labeler.environment is not None:
        lines.append(f"finetune.label.environment: environments.{labeler.method} says it too; leave out one of them")
    return labeler.model_copy(update={"environment": told})


def _divided(
    models: tuple[type[T], type[U]], section: dict[str, Any], key: str, lines: list[str]
) -> tuple[T, U] | None:
    """A section shared by a plug-in's settings and those common to all plug-ins, or None if it has mistakes."""
    plugin, common = models
    names = {info.alias or name for name, info in common.model_fields.items()}
    own = _validated(
        (plugin, common), {part: value for part, value in section.items() if part not in names}, key, lines
    )
    rest = _validated((common,), {part: value for part, value in section.items() if part in names}, key, lines)
    return None if own is None or rest is None else (own, rest)


def _validated(
    models: tuple[type[T], *tuple[type[Settings], ...]], content: Any, key: str, lines: list[str]
) -> T | None:
    """Settings of the first class; mistakes go to ``lines``, where keys of all the classes are known."""
    try:
        settings = models[0].model_validate(content)
    except ValidationError as error:
        lines += mistakes_of(error, models, key)
        return None
    found = value_mistakes(content, settings, key)
    lines += found
    return None if found else settings


def source_path(resolved: ResolvedInput, file: str | Path, key: str) -> Path:
    """The path of a file that the input names.

    An input that stands in a run folder names files that were kept in its ``inputs``: the run can be moved.

    Raises:
        SettingError: if it is not there, or more than one file of that name was kept.
    """
    return _source(resolved.folder, file, resolved.place(key))


def _source(folder: Path, file: str | Path, place: str) -> Path:
    """See ``source_path``."""
    try:
        path = Path(file).expanduser()
        path = path if path.is_absolute() else folder / path
        if path.exists():
            return path
    except (RuntimeError, OSError) as error:  # no such user's home, or a name that is too long
        what = f"{shortened(str(file), 80)!r} is no path: {getattr(error, 'strerror', None) or error}"
        raise SettingError(what, where=place, hint="correct it") from error
    kept = here_or_kept(folder, Path(file), place)
    if not kept.exists():
        raise SettingError(f"no such file: {file}", where=place, hint=f"relative paths start at {folder}")
    return kept


@contextmanager
def at(resolved: ResolvedInput, key: str) -> Iterator[None]:
    """Name the input file and the key in whatever error arises: the one that the error names itself, if it does."""
    try:
        yield
    except (InputError, MissingError) as error:
        place = resolved.place(key)
        if error.where.startswith(place):
            raise
        if error.where.startswith(("finetune.label.", "environments.")):  # a labeler knows the key, and not the file
            place = resolved.place(error.where)
            raise type(error)(error.what, where=place, hint=error.hint) from error
        what = f"{error.where}: {error.what}" if error.where and error.where not in key else error.what
        raise type(error)(what, where=place, hint=error.hint) from error
