"""Steps about physical properties: measure one of a model, or of labels, and hold numbers against their limits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pfd.errors import DataError
from pfd.frames import labels_of, read_frames, with_origin, write_frames
from pfd.tasks.context import TaskContext

if TYPE_CHECKING:
    from pfd.evaluate.properties.property import Measured, Property

NAME = "property.json"


def measure(task: TaskContext) -> dict[str, Any]:
    """Parameters settings (of the property), seed; inputs model, its structures, file0... Output: property.json.

    A property that cannot be measured, or a command that fails, is told in ``failed``: it does not lose the run.
    """
    from pfd.models.device import device_for
    from pfd.models.family import read_model
    from pfd.models.training import make_family
    from pfd.tasks.property_job import measured_or_failed, property_job

    settings, files = _property(task)
    folder, beside = task.input("model"), task.inputs("file")
    device = device_for(make_family(read_model(folder).card.family), task.device)
    how: dict[str, Any] = {"scratch": task.scratch, "seed": task.seed, "progress": task.progress, "device": device}

    def measured() -> Measured:
        return settings.measure(property_job(folder, settings, files, beside=beside, **how))

    task.write(NAME, measured_or_failed(measured, traced=True).model_dump(mode="json"))
    return {"device": device}


def cells(task: TaskContext) -> None:
    """Parameter settings; inputs its structures. Output: frames, a folder of the cells whose labels give it."""
    from pfd.evaluate.properties.structure_files import read_structures

    settings, files = _property(task)
    folder = task.out("frames")
    folder.mkdir()
    structure = read_structures(settings, files)["structure"]
    for number, cell in enumerate(settings.cells(structure)):
        cell.info = {}
        write_frames(folder / f"{number:04d}.extxyz", [with_origin(cell)])


def measure_labels(task: TaskContext) -> None:
    """Parameter settings; inputs its structures, cells (the folder), label0... Output: property.json."""
    from pfd.evaluate.properties.structure_files import read_structures
    from pfd.tasks.property_job import measured_or_failed

    settings, files = _property(task)

    def measured() -> Measured:
        structure = read_structures(settings, files)["structure"]
        frames = [read_frames(path)[0] for path in sorted(task.input("cells").iterdir())]
        labels = []
        for number, path in enumerate(task.inputs("label")):
            found = read_frames(path / "labelled.extxyz")
            if not found:
                reason = json.loads((path / "label.json").read_text(encoding="utf-8"))["reason"]
                raise DataError(f"cell {number} has no label: {reason}")
            labels.append(labels_of(found[0]))
        if len(labels) < len(frames):
            raise DataError(f"{len(frames) - len(labels)} of {len(frames)} cells were not labelled")
        return settings.of_labels(structure, frames, labels)

    task.write(NAME, measured_or_failed(measured, traced=True).model_dump(mode="json"))


def hold(task: TaskContext) -> None:
    """Parameter properties (whole settings); inputs property0..., and reference0... as ``references`` numbers them.

    Parameter references: number of the property -> number of its reference. Output: held.json.
    """
    from pfd.evaluate.properties.judge import all_passed, judge_property
    from pfd.evaluate.properties.kinds import property_of

    references = [read_measured(path) for path in task.inputs("reference")]
    held = []
    for number, path in enumerate(task.inputs("property")):
        which = task.parameters["references"].get(str(number))
        reference = None if which is None else references[which]
        settings = property_of(task.parameters["properties"][number])
        held += judge_property(settings, read_measured(path), reference)
    content = {"passed": all_passed(held), "held": [each.model_dump(mode="json") for each in held]}
    task.write("held.json", content)


def read_measured(path: Path) -> Measured:
    """What a task found of a property."""
    from pfd.evaluate.properties.property import Measured

    return Measured.model_validate_json(path.read_text(encoding="utf-8"))


def _property(task: TaskContext) -> tuple[Property, dict[str, Path]]:
    """The property, and its structures' files by key."""
    from pfd.evaluate.properties.kinds import property_of

    files = {key: task.input(key) for key in ("structure", "final") if task.has(key)}
    return property_of(task.parameters["settings"] | {key: str(path) for key, path in files.items()}), files
