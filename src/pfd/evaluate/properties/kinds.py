"""What a property can be: one entry of the input's ``evaluate.properties`` for each kind."""

from __future__ import annotations

from typing import Annotated, get_args

from pydantic import Field, TypeAdapter

from pfd.evaluate.properties.barrier import Barrier
from pfd.evaluate.properties.elastic import Elastic
from pfd.evaluate.properties.equation_of_state import EquationOfState
from pfd.evaluate.properties.md import MDProperties
from pfd.evaluate.properties.md_stability import MDStability
from pfd.evaluate.properties.nve_drift import NVEDrift
from pfd.evaluate.properties.observable import Observable
from pfd.evaluate.properties.phonons import Phonons
from pfd.evaluate.properties.property import Property
from pfd.evaluate.properties.vacancy import Vacancy

StructureProperty = Annotated[
    EquationOfState | Elastic | Vacancy | Phonons | MDProperties | Barrier | NVEDrift | MDStability,
    Field(discriminator="kind"),
]
"""One entry of ``evaluate.properties``."""
KINDS: tuple[str, ...] = tuple(
    kind for each in get_args(get_args(StructureProperty)[0]) for kind in get_args(each.model_fields["kind"].annotation)
)
"""The values of ``kind``."""
_ANY: TypeAdapter[Property] = TypeAdapter(
    Annotated[StructureProperty | Observable, Field(discriminator="kind")],
)


def property_of(content: dict[str, object]) -> Property:
    """A property from plain data."""
    return _ANY.validate_python(content)
