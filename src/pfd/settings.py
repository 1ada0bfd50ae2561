"""The base of every typed section of the input file: unknown keys are errors, values cannot change afterwards."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


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
