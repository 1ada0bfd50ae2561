"""The properties that an input asks for: their files, the models that they are measured of, what would stop them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pfd.config.reading import ResolvedInput, at, source_path
from pfd.environments.launch import HERE, Launch, probe
from pfd.errors import MissingError, SettingError
from pfd.evaluate.properties.dynamics import OfDynamics
from pfd.evaluate.properties.observable import Observable
from pfd.evaluate.properties.property import Property
from pfd.evaluate.properties.structure_files import read_structures
from pfd.explore.settings import PoolSettings
from pfd.label.external import ExternalSettings
from pfd.models.family import Family
from pfd.plugins import install_command, missing_modules
from pfd.wording import shell_word

if TYPE_CHECKING:
    from ase import Atoms

HOTTER = 1.3
"""Dynamics that test a model's safety run at this multiple of the highest temperature that it was made for."""


def properties_of(resolved: ResolvedInput) -> list[tuple[str, Property]]:
    """All properties, each with its key in the input, and with the temperature that it has by default."""
    evaluate = resolved.input.evaluate
    entries: list[tuple[str, Property]] = [
        (f"evaluate.properties.{number}", each) for number, each in enumerate(evaluate.properties)
    ]
    hottest = max(_temperatures(resolved), default=None)
    for number, (key, each) in enumerate(entries):
        if isinstance(each, OfDynamics) and each.temperature_K is None and hottest is not None:
            entries[number] = (key, each.model_copy(update={"temperature_K": HOTTER * hottest}))
    return entries + [(f"evaluate.command.{number}", each) for number, each in enumerate(evaluate.command)]


def _temperatures(resolved: ResolvedInput) -> Iterator[float]:
    for loop in (resolved.input.finetune, resolved.input.distill):
        for group in (group for stage in (loop.explore if loop is not None else ()) for group in stage):
            if not isinstance(group, PoolSettings):
                yield from (temperature for temperature, _ in group.conditions() if temperature is not None)


def models_made(resolved: ResolvedInput) -> tuple[str, ...]:
    """The models that the run will have."""
    tree = resolved.input
    made = ["pretrained"]
    made += ["finetuned"] if tree.finetune is not None else []
    return tuple(made + (["student"] if tree.distill is not None else []))


def property_files(resolved: ResolvedInput, key: str, settings: Property) -> dict[str, Path]:
    """Key of a property -> path of that structure file.

    Raises:
        SettingError: if one is not there.
    """
    return {name: source_path(resolved, file, f"{key}.{name}") for name, file in settings.files().items()}


def command_files(resolved: ResolvedInput, key: str, settings: Property) -> list[Path]:
    """The files that the command of an observable names; none of another property.

    Raises:
        SettingError: if one is not there.
    """
    if not isinstance(settings, Observable):
        return []
    with at(resolved, key):
        return settings.named_files(resolved.folder)


def check_properties(
    resolved: ResolvedInput, launch: Mapping[str, Launch], *, runs_here: bool
) -> dict[str, list[Atoms]]:
    """Refuse what would fail after everything else has been paid for.

    Args:
        resolved: the input.
        launch: family -> how its tasks are started.
        runs_here: whether tasks run on this machine: then programs and packages are looked for.

    Returns:
        Key of the input -> the structures of that property, for the checks of models.

    Raises:
        SettingError, DataError, MissingError: naming the key.
    """
    found: dict[str, list[Atoms]] = {}
    made = models_made(resolved)
    entries = properties_of(resolved)
    runs_here = runs_here and resolved.input.resources.predict.engine == "local"
    for key, settings in entries:
        if absent := [name for name in settings.models if name not in made]:
            what = f"the run makes no {absent[0]} model"
            raise SettingError(what, where=resolved.place(f"{key}.models"), hint=f"it makes {', '.join(made)}")
        if isinstance(settings, OfDynamics) and settings.temperature_K is None:
            what = "no temperature is named, and nothing is explored at one"
            raise SettingError(what, where=resolved.place(key), hint="add temperature_K")
        if settings.reference == "label":
            _require_labels(resolved, key)
        files = property_files(resolved, key, settings)
        with at(resolved, key):
            if isinstance(settings, Observable):
                settings.check(resolved.folder, runs_here=runs_here)
            found[key] = list(read_structures(settings, files).values())
            for family in _families(resolved, settings.measured_of(made)) if runs_here else ():
                _require_modules(settings, family, launch[family.name])
    _refuse_twins(resolved, entries)
    _check_converge(resolved, [settings for _, settings in entries], made)
    return {key: frames for key, frames in found.items() if frames}


def _families(resolved: ResolvedInput, models: Sequence[str]) -> list[Family]:
    """The families of some models of the run, each once."""
    teacher, student = resolved.teacher, resolved.student
    found = {teacher.name: teacher} if {*models} - {"student"} else {}
    return list((found | ({student.name: student} if student is not None and "student" in models else {})).values())


def _require_modules(settings: Property, family: Family, there: Launch) -> None:
    if not settings.modules:
        return
    lacks = missing_modules(settings.modules) if there == HERE else probe(there, settings.modules)["missing"]
    if lacks:
        hint = install_command(settings.extra)
        hint = hint if there == HERE else f"{shell_word(there.python)} -m pip install {' '.join(settings.modules)}"
        what = f"{settings.kind} needs {', '.join(lacks)}, which {there.what} lacks, where {family.name!r} runs"
        raise MissingError(what, hint=f"{hint}, or leave this property out")


def _require_labels(resolved: ResolvedInput, key: str) -> None:
    """Refuse a reference of labels where nothing can label any cell."""
    labeler = resolved.labeler
    why = ""
    if labeler is None:
        why = "nothing is labelled by first principles: there is no finetune.label"
    elif isinstance(labeler, ExternalSettings) or hasattr(labeler, "files"):
        why = f"method {labeler.method} makes no labels of its own"
    if why:
        hint = "give numbers with a source, or leave reference out"
        raise SettingError(why, where=resolved.place(f"{key}.reference"), hint=hint)


def _refuse_twins(resolved: ResolvedInput, entries: list[tuple[str, Property]]) -> None:
    """Titles tell the properties apart in tables."""
    seen: dict[str, str] = {}
    for key, settings in entries:
        if settings.title() in seen:
            what = f"{settings.title()!r} is also what {resolved.shown(seen[settings.title()])} is called"
            raise SettingError(what, where=resolved.place(key), hint="give one of them a name")
        seen[settings.title()] = key


def _check_converge(resolved: ResolvedInput, entries: list[Property], made: tuple[str, ...]) -> None:
    """Refuse ``converge.properties`` where nothing is judged of the model that the loop trains."""
    tree = resolved.input
    for name, loop, model in (("finetune", tree.finetune, "finetuned"), ("distill", tree.distill, "student")):
        if loop is None or not loop.converge.properties:
            continue
        if not any(each.judged() and model in each.measured_of(made) for each in entries):
            what = f"no property of the {model} model has limits, or a reference and within"
            hint = "add them in evaluate.properties or evaluate.command, or leave it out"
            raise SettingError(what, where=resolved.place(f"{name}.converge.properties"), hint=hint)
