"""The base of every typed section of the input file: unknown keys are errors, values cannot change afterwards."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """A section of the input file; each field's description is its documentation, and says why its default is so."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, protected_namespaces=())
