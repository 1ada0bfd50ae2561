"""What a run found of each property, for ``summary.json`` and the report, and the rows of its table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import Field

from pfd.evaluate.properties.judge import Held, judge_property
from pfd.evaluate.properties.property import MODELS, Measured, Property, Reference
from pfd.settings import Settings

TEACHER = "its teacher"
"""Source of what a student is compared with where no reference is named."""
NEGLIGIBLE = 1e-4
"""A reference that is smaller (in its unit) is zero: nothing is a part of it."""
UNITS = ("GPa", "THz", "meV_per_atom_ps", "meV_per_atom", "eV_per_atom", "A3_per_atom", "A2_per_ps", "eV", "K", "A")
"""Endings of numbers' names; longer ones before those that they end with."""
_SIGNS = {"A3": "Å³", "A2": "Å²", "A": "Å"}


class ModelProperty(Measured):
    """The property of one model."""

    held: tuple[Held, ...] = ()
    """Each number that has a limit, held against it."""


class PropertyResult(Settings):
    """One property, of all models that it was measured of: an entry of ``summary["properties"]``."""

    title: str
    """How it is called."""
    kind: str
    """What it is."""
    source: str = ""
    """Where the reference comes from; empty if there is none: then the student is compared with its teacher."""
    reference: Measured | None = None
    """Numbers of the reference, with curves if they were computed here."""
    headline: tuple[str, ...] = ()
    """The names of those numbers that tables show."""
    models: dict[str, ModelProperty] = Field(default_factory=dict)
    """``pretrained``, ``finetuned``, ``student`` -> what was found."""


@dataclass(frozen=True)
class PropertyRow:
    """One number of one property in a table.

    Attributes:
        title: the property.
        quantity: the number's name without its unit.
        unit: its unit, as people write it; empty if it has none.
        reference: what it is compared with, or None.
        source: where that comes from.
        values: model -> number, None where there is none.
        changes: model -> difference from the reference as a part of it.
        met: model -> whether it is within its limit, for those that have one.
        notes: model -> why there is no number.
    """

    title: str
    quantity: str
    unit: str
    reference: float | None
    source: str
    values: Mapping[str, float | None]
    changes: Mapping[str, float] = field(default_factory=dict)
    met: Mapping[str, bool] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)


def property_result(settings: Property, models: Mapping[str, Measured], labelled: Measured | None) -> PropertyResult:
    """What was found of one property.

    Args:
        settings: of the property.
        models: model -> its numbers.
        labelled: the numbers from labels, for ``reference: label``.
    """
    source, reference = "", labelled
    if isinstance(settings.reference, Reference):
        source, reference = settings.reference.source, Measured(values=settings.reference.numbers())
    elif settings.reference == "label":
        source = "labels of the same cells"
    numbers = dict.fromkeys(name for found in (reference, *models.values()) if found for name in found.values)
    judged = {*settings.limits, *(reference.values if isinstance(settings.reference, Reference) and reference else ())}
    shown = [name for name in numbers if name in judged or re.fullmatch(settings.headline, name)]
    held = {name: tuple(judge_property(settings, found, labelled)) for name, found in models.items()}
    return PropertyResult(
        title=settings.title(),
        kind=settings.kind,
        source=source,
        reference=reference,
        headline=tuple(dict.fromkeys([*shown, *settings.limits])),
        models={name: ModelProperty(**found.model_dump(), held=held[name]) for name, found in models.items()},
    )


def property_rows(summary: Sequence[Mapping[str, Any] | PropertyResult]) -> list[PropertyRow]:
    """The rows of a table: one for each number of each property, in the order of the input.

    Args:
        summary: ``summary["properties"]``, or entries of ``report-data.json``.
    """
    results = [PropertyResult.model_validate(entry) for entry in summary]
    return [row for result in results for row in _rows(result)]


def limits_in_words(summary: Sequence[Mapping[str, Any] | PropertyResult]) -> list[str]:
    """What was missed, or could not be measured: a line for each model that has limits, or a failure.

    Args:
        summary: as in ``property_rows``.
    """
    results = [PropertyResult.model_validate(entry) for entry in summary]
    lines = []
    for model in MODELS:
        of_model = [(result.title, result.models[model]) for result in results if model in result.models]
        held = [each for _, found in of_model for each in found.held]
        missed = [f"{each.property} {_held_in_words(each)}" for each in held if not each.passed]
        if held:
            told = f"; missed: {', '.join(missed)}" if missed else ""
            lines.append(f"properties of {model}: {len(held) - len(missed)} of {len(held)} within limits{told}")
        lines += [
            f"{title} of {model} was not measured: {found.failed.splitlines()[0]}"
            for title, found in of_model
            if found.failed
        ]
    return lines


def _held_in_words(held: Held) -> str:
    quantity, unit = quantity_and_unit(held.quantity)
    if held.value is None:
        return quantity
    return f"{quantity} {held.value:.4g} ({held.lowest:.4g} to {held.highest:.4g}{' ' * bool(unit)}{unit})"


def _rows(result: PropertyResult) -> Iterator[PropertyRow]:
    reference, source = {}, result.source
    if result.reference is not None:
        reference = result.reference.values
    elif "student" in result.models and len(result.models) > 1:
        teacher = "finetuned" if "finetuned" in result.models else "pretrained"
        reference, source = result.models[teacher].values, TEACHER
    failed = {name: model.failed for name, model in result.models.items() if model.failed}
    result = result.model_copy(
        update={"models": {name: result.models[name] for name in MODELS if name in result.models}}
    )
    for name in result.headline or ([""] if failed else []):
        values = {model: found.values.get(name) for model, found in result.models.items()}
        wanted = reference.get(name)
        compared = values if source != TEACHER else {"student": values.get("student")}
        changes = {
            model: (value - wanted) / abs(wanted)
            for model, value in compared.items()
            if value is not None and wanted is not None and abs(wanted) > NEGLIGIBLE
        }
        met = {
            model: all(each.passed for each in found.held if each.quantity in {name, "all"})
            for model, found in result.models.items()
            if any(each.quantity in {name, "all"} for each in found.held)
        }
        quantity, unit = quantity_and_unit(name)
        yield PropertyRow(result.title, quantity, unit, wanted, source, values, changes, met, failed)


def quantity_and_unit(name: str) -> tuple[str, str]:
    """A number's name in words, and its unit.

    >>> quantity_and_unit("C11_clamped_GPa"), quantity_and_unit("diffusion_A2_per_ps")
    (('C11 clamped', 'GPa'), ('diffusion', 'Å²/ps'))
    """
    for unit in UNITS:
        if name.endswith(f"_{unit}"):
            shown = unit.replace("_per_", "/").replace("_", "/")
            shown = re.sub(r"\bA[23]?\b", lambda found: _SIGNS[found[0]], shown)
            return name.removesuffix(f"_{unit}").replace("_", " "), shown
    return name.replace("_", " "), ""
