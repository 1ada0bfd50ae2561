"""The steps of the loop by name, each a function from a task's files to files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pfd.errors import RunError
from pfd.software import PYTHON, packages_of, version_of

if TYPE_CHECKING:
    from pfd.tasks.context import TaskContext

StepFunction = Callable[["TaskContext"], "dict[str, Any] | None"]


@dataclass(frozen=True)
class Step:
    """Where a step's function is, and what running it needs.

    Attributes:
        function: ``module:name``.
        light: numpy work of milliseconds, which a driver may run in its own process.
        seeded: whether the step uses random numbers.
        model: the name of the input whose family's packages are imported first.
    """

    function: str
    light: bool = False
    seeded: bool = False
    model: str = ""


_HERE = "pfd.tasks.steps"
STEPS: dict[str, Step] = {
    "adopt": Step(f"{_HERE}.training:adopt"),
    "structures": Step(f"{_HERE}.starting:structures", light=True, seeded=True),
    "crystals": Step(f"{_HERE}.starting:crystals", light=True),
    "data": Step(f"{_HERE}.starting:data"),
    "frames": Step(f"{_HERE}.starting:frames", light=True),
    "plan": Step(f"{_HERE}.exploring:plan", light=True),
    "explore": Step(f"{_HERE}.exploring:explore", seeded=True, model="model"),
    "pool": Step(f"{_HERE}.exploring:pool"),
    "sample": Step(f"{_HERE}.selecting:sample", light=True),
    "select": Step(f"{_HERE}.selecting:select", seeded=True),
    "strike": Step(f"{_HERE}.selecting:strike", light=True),
    "committee": Step(f"{_HERE}.selecting:committee", model="model0"),
    "calibrate": Step(f"{_HERE}.selecting:calibrate_committee", light=True),
    "label": Step(f"{_HERE}.labelling:label", model="model"),
    "accept": Step(f"{_HERE}.labelling:accept", light=True),
    "origins": Step(f"{_HERE}.labelling:origins", light=True),
    "overlap": Step(f"{_HERE}.labelling:overlap", light=True),
    "collect": Step(f"{_HERE}.labelling:collect", light=True, seeded=True),
    "train": Step(f"{_HERE}.training:train", seeded=True, model="model"),
    "predict": Step(f"{_HERE}.training:predict", model="model"),
    "time": Step(f"{_HERE}.training:time_steps", model="model"),
    "property": Step(f"{_HERE}.measuring:measure", seeded=True, model="model"),
    "cells": Step(f"{_HERE}.measuring:cells", light=True),
    "labelled_property": Step(f"{_HERE}.measuring:measure_labels", light=True),
    "hold": Step(f"{_HERE}.measuring:hold", light=True),
    "evaluate": Step(f"{_HERE}.judging:evaluate", light=True),
    "list_students": Step(f"{_HERE}.judging:list_students", light=True),
    "choose_student": Step(f"{_HERE}.judging:choose_student", light=True),
    "decide": Step(f"{_HERE}.judging:decide_next", light=True),
}


def load_step(name: str) -> StepFunction:
    """The function of a step.

    Raises:
        RunError: if this version has no such step.
    """
    if name not in STEPS:
        raise RunError(f"no step {name!r}", where="task.json", hint="the run was made by another version of pfd")
    module, _, function = STEPS[name].function.partition(":")
    step: StepFunction = getattr(import_module(module), function)
    return step


def family_of(name: str, parameters: Mapping[str, Any], model: Path | None) -> str:
    """The family whose packages a task needs; empty if it needs none.

    Args:
        name: the step.
        parameters: those of the task.
        model: the folder of the input that ``Step.model`` names, if the task has it.
    """
    from pfd.models.family import MODEL_FILE, read_model

    if STEPS[name].light:
        return ""
    if model is not None and (model / MODEL_FILE).is_file():
        return read_model(model).card.family
    return str(parameters.get("family") or "")


def preload(name: str, task: TaskContext) -> None:
    """Import ASE's readers and the packages of the task's family now, so that imports are not counted as work."""
    import ase.io  # noqa: F401

    from pfd.models.environment import require_family
    from pfd.models.training import make_family

    entry = STEPS[name].model
    family_name = family_of(name, task.parameters, task.input(entry) if entry and task.has(entry) else None)
    if family_name:
        family = make_family(family_name)
        require_family(family)
        for module in family.modules:
            import_module(module)


def versions_of(name: str, task: TaskContext) -> dict[str, str]:
    """Versions of pfd, what all steps use, the labeler's packages and those of the model that it reads or makes."""
    from pfd.models.family import MODEL_FILE, read_model

    versions = {
        package: version_of(package) for package in (PYTHON, "pfd-kit", "numpy", "ase", *_labeler_of(name, task))
    }
    entry = STEPS[name].model
    for folder in (*([task.input(entry)] if entry and task.has(entry) else []), task.out("model")):
        if (folder / MODEL_FILE).is_file():
            versions |= read_model(folder).versions
    return versions


def _labeler_of(name: str, task: TaskContext) -> list[str]:
    """The packages here that a task's labels are made by; none if a program makes them, or another environment."""
    from pfd.plugins import LABELERS, load_plugin

    method = (task.parameters.get("settings") or {}).get("method") if name == "label" else None
    labeler = load_plugin(LABELERS, method, "finetune.label.method") if method else None
    return packages_of(getattr(labeler, "modules", ())) if not getattr(labeler, "packages", ()) else []
