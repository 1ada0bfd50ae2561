"""Numbers of a property held against their reference and limits."""

from __future__ import annotations

from collections.abc import Sequence

from pfd.evaluate.properties.property import ALL, Measured, Property, Reference
from pfd.settings import Settings


class Held(Settings):
    """One number held against one limit."""

    property: str
    """The property's title."""
    quantity: str
    """The number's name, which ends with its unit."""
    value: float | None
    """The number; None if there is none."""
    lowest: float
    """What it must reach."""
    highest: float
    """What it must not exceed."""
    passed: bool
    """Whether it lies between them."""
    note: str = ""
    """Why there is no number."""


def judge_property(settings: Property, measured: Measured, reference: Measured | None = None) -> list[Held]:
    """Hold the numbers of one model against the limits, and against the reference within what is allowed.

    Args:
        settings: what is allowed.
        measured: the model's numbers; where there are none, every limit is missed.
        reference: numbers computed of labels, for ``reference: label``; else those of the settings are taken. A number
            that the reference does not have is missed if ``within`` names it, else not judged; a reference that failed
            fails all.
    """
    if isinstance(settings.reference, Reference):
        reference = Measured(values=settings.reference.numbers())
    bounds = {name: (low, high) for name, (low, high) in settings.limits.items()}
    held = [_held(settings, measured, name, *each) for name, each in bounds.items()]
    if not settings.within:
        return held
    if reference is None or reference.failed:
        why = "there is no reference" if reference is None else f"the reference failed: {reference.failed}"
        return [*held, _missed(settings, ALL, why)]
    for name, wanted in reference.values.items():
        part = settings.within.get(name, settings.within.get(ALL))
        if part is not None:
            room = part * abs(wanted)
            held.append(_held(settings, measured, name, wanted - room, wanted + room))
    without = [name for name in settings.within if name != ALL and name not in reference.values]
    return [*held, *(_missed(settings, name, "the reference gave no such number") for name in without)]


def _missed(settings: Property, name: str, why: str) -> Held:
    nothing = {"value": None, "lowest": 0.0, "highest": 0.0, "passed": False, "note": why}
    return Held(property=settings.title(), quantity=name, **nothing)


def _held(settings: Property, measured: Measured, name: str, lowest: float, highest: float) -> Held:
    value = measured.values.get(name)
    return Held(
        property=settings.title(),
        quantity=name,
        value=value,
        lowest=lowest,
        highest=highest,
        passed=value is not None and lowest <= value <= highest,
        note="" if value is not None else measured.failed or "the model gave no such number",
    )


def all_passed(held: Sequence[Held]) -> bool:
    """True if there is at least one number that was judged, and all passed."""
    return bool(held) and all(each.passed for each in held)
