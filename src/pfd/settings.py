"""The base of every typed section of the input file: unknown keys are errors, values cannot change afterwards."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

from pfd.units import seconds


class Settings(BaseModel):
    """A section of the input file; each field's description is its documentation, and says why its default is so."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, protected_namespaces=())

    def moved(self, *names: str) -> list[str]:
        """Which of these fields (all, if none is named) differ from their defaults.

        For keys that would be without effect: writing out a default is no mistake, as resolved inputs do.
        """
        fields = type(self).model_fields
        chosen = names or tuple(fields)
        return [name for name in chosen if getattr(self, name) != fields[name].get_default(call_default_factory=True)]


def _positive(value: str | float) -> str | float:
    try:
        positive = seconds(value) > 0.0
    except ValueError:
        positive = False
    if not positive:
        raise ValueError(f"{value!r} is no duration, which must be positive; write 90s, 30min or 2h")
    return value


Duration = Annotated[str | float, AfterValidator(_positive)]
"""A positive time, as ``pfd.units.seconds`` reads it: seconds, or a text such as ``90s``, ``30min``, ``2h``."""
