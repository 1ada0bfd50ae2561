"""``pfd properties``: physical properties of a model, measured here and printed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import Progress, TaskID
from rich.table import Table

from pfd.cli.words import only_overrides
from pfd.config.environment import told_by_run
from pfd.config.mistakes import mistakes_of, setting_error
from pfd.config.overrides import COMMAND_LINE, with_overrides
from pfd.errors import SettingError
from pfd.evaluate.properties.dynamics import OfDynamics
from pfd.evaluate.properties.kinds import KINDS, StructureProperty
from pfd.evaluate.properties.property import Measured, Property
from pfd.evaluate.properties.results import property_result, property_rows
from pfd.models.environment import launch_for
from pfd.models.family import read_model
from pfd.models.named_model import named_model
from pfd.models.training import make_family
from pfd.tasks.property_job import measured_or_failed, property_job

THIS = "pretrained"
"""What the model is called in the rows; it is the only one."""


def measure_and_show(
    model: str,
    structure: Path,
    kinds: Sequence[str],
    words: Sequence[str],
    *,
    head: str | None,
    trust_file: bool,
    device: str,
    seed: int,
    as_json: bool,
) -> None:
    """Measure each kind of one model, and print the numbers.

    Args:
        model: a model folder, or FAMILY:WEIGHTS.
        structure: a structure file.
        kinds: kinds of properties.
        words: keys of ``evaluate.properties`` to set, such as ``strain=0.01``, for all of the kinds.
        head: of a multi-head checkpoint.
        trust_file: see ``Family.adopt``.
        device: cpu or cuda.
        seed: of everything random.
        as_json: print JSON.

    Raises:
        SettingError: if a key or value is wrong.
        InputError, MissingError: if the structure or the model does not do.
        typer.Exit: with code 1 if a property could not be measured; the others are printed.
    """
    chosen = [_property(kind, structure, words) for kind in kinds]
    console = Console(stderr=True)
    found: list[tuple[Property, Measured]] = []
    with named_model(model, head, trust_file) as folder, TemporaryDirectory(prefix="pfd-") as scratch:
        launch = launch_for(make_family(read_model(folder).card.family), told_by_run(folder.resolve().parent.parent))
        jobs = [
            property_job(
                folder, settings, settings.files(), scratch=Path(scratch), seed=seed, device=device, launch=launch
            )
            for settings in chosen
        ]
        for settings, job in zip(chosen, jobs, strict=True):
            with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
                shown = bar.add_task(settings.kind, total=1.0)
                watched = replace(job, progress=_told_to(bar, shown))
                found.append((settings, measured_or_failed(partial(settings.measure, watched))))
    if as_json:
        print(json.dumps({each.kind: measured.model_dump(mode="json") for each, measured in found}, indent=1))
    else:
        _show(found)
    if any(measured.failed for _, measured in found):
        raise typer.Exit(1)


def _property(kind: str, structure: Path, words: Sequence[str]) -> Property:
    """The property that a command line asks for.

    Raises:
        SettingError: with one line per mistake.
    """
    if kind not in KINDS:
        raise SettingError(f"there is no kind {kind!r}", where="--kind", hint=f"one of {', '.join(KINDS)}")
    content: dict[str, Any] = {"kind": kind, "structure": str(structure)}
    content, _ = with_overrides(content, only_overrides(words))
    try:
        settings = _class_of(kind).model_validate(content)
    except ValidationError as error:
        raise setting_error(mistakes_of(error, (_class_of(kind),)), f"{COMMAND_LINE}, {kind}") from error
    if settings.reference == "label" or settings.models:
        key = "models" if settings.models else "reference"
        raise SettingError("without effect: it is about a run", where=f"{COMMAND_LINE}: {key}", hint="leave it out")
    if isinstance(settings, OfDynamics) and settings.temperature_K is None:
        raise SettingError(f"{kind} needs a temperature", where=COMMAND_LINE, hint="write e.g. temperature_K=300")
    return settings


def _told_to(bar: Progress, shown: TaskID) -> Callable[[float, str], None]:
    return lambda done, text: bar.update(shown, completed=done, description=text)


def _class_of(kind: str) -> type[Property]:
    found: type[Property] = get_args(get_args(StructureProperty)[0])[KINDS.index(kind)]
    return found


def _show(found: Sequence[tuple[Property, Measured]]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    results = [property_result(settings, {THIS: measured}, None) for settings, measured in found]
    rows = property_rows([result.model_dump(mode="json") for result in results])
    with_reference = any(row.reference is not None for row in rows)
    headings = ["property", "number", "value", "unit"]
    table = Table(*headings, *(["reference", "difference", "limit"] if with_reference else []), box=None)
    for row in rows:
        value = row.values[THIS]
        cells = [row.title, row.quantity, "–" if value is None else f"{value:.5g}", row.unit]
        if with_reference:
            change = row.changes.get(THIS)
            met = {True: "met", False: "missed", None: ""}[row.met.get(THIS)]
            reference = "–" if row.reference is None else f"{row.reference:.5g}"
            cells += [reference, "" if change is None else f"{100 * change:+.1f} %", met]
        table.add_row(*cells)
    console.print(table)
    for settings, measured in found:
        for note in (*measured.notes, *([f"not measured: {measured.failed}"] if measured.failed else [])):
            console.print(f"{settings.title()}: {note}", markup=False)
