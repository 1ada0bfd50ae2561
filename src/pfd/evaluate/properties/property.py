"""A property: its settings, what it is measured with, and the numbers and curves that come out."""

from __future__ import annotations

import math
import re
from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, FiniteFloat, WithJsonSchema, field_validator, model_validator

from pfd.errors import TaskFailed
from pfd.frames import Labels
from pfd.settings import Settings

if TYPE_CHECKING:
    from ase import Atoms
    from ase.calculators.calculator import Calculator

    from pfd.lammps.session import LammpsPotential

ALL = "all"
"""The key of ``within`` for every number that has none of its own."""


ModelName = Literal["pretrained", "finetuned", "student"]
MODELS: tuple[ModelName, ...] = ("pretrained", "finetuned", "student")


class Curve(Settings):
    """Points to plot."""

    x: str
    """What the horizontal axis is, with its unit."""
    y: str
    """What the vertical axis is, with its unit."""
    points: tuple[tuple[float, float], ...]
    """The points, (x, y)."""
    line: bool = True
    """Whether the points belong to one line."""


class Measured(Settings):
    """What measuring a property gave; the name of a number ends with its unit.

    Raises:
        TaskFailed: if a number or a point is not finite: then nothing was measured.
    """

    values: dict[str, float] = Field(default_factory=dict)
    """Name -> number."""
    curves: dict[str, Curve] = Field(default_factory=dict)
    """Name -> points to plot."""
    notes: tuple[str, ...] = ()
    """What a reader of the numbers must know."""
    failed: str = ""
    """Why there are no numbers, in words; empty if there are."""

    @model_validator(mode="after")
    def _finite(self) -> Measured:
        bad = [name for name, value in self.values.items() if not math.isfinite(value)]
        bad += [name for name, curve in self.curves.items() if not all(map(math.isfinite, chain(*curve.points)))]
        if bad:
            hint = "look at the energies, forces and stresses that the model gives of this structure"
            raise TaskFailed(f"{', '.join(bad)}: no finite number", hint=hint)
        return self


class Reference(Settings):
    """Numbers to compare with, and where they come from; name of a number -> number."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)
    __pydantic_extra__: dict[str, float] = Field(init=False)

    source: str = Field(min_length=1)
    """Where the numbers come from, such as a paper, or ``Quantum ESPRESSO, PBE, our own``."""

    def numbers(self) -> dict[str, float]:
        """Name -> number."""
        return dict(self.__pydantic_extra__)


def _one_for_all(value: Any) -> Any:
    """``within: 0.05`` is short for ``within: {all: 0.05}``."""
    return {ALL: value} if isinstance(value, int | float) and not isinstance(value, bool) else value


Repetitions = tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]]
Part = Annotated[float, Field(gt=0, le=1)]
Within = Annotated[
    dict[str, Part],
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
                {"type": "object", "additionalProperties": {"type": "number", "exclusiveMinimum": 0, "maximum": 1}},
            ]
        }
    ),
]


def no_progress(fraction: float, text: str) -> None:
    """The progress that is told to nobody."""


@dataclass(frozen=True)
class Job:
    """What a property is measured with.

    Attributes:
        calculator: makes an ASE calculator of the model (energy eV, forces eV/Å, stress eV/Å^3).
        structures: ``structure``, and what else the property's ``files`` names; without labels.
        potential: the model's pair style in LAMMPS, or None.
        model: the model's folder, for a program of the user's; None where there is none.
        files: further files that the property names, by the key under which it does.
        scratch: an empty folder for files.
        seed: of everything random.
        progress: called with the fraction done and a text.
    """

    calculator: Callable[[], Calculator]
    structures: Mapping[str, Atoms]
    potential: LammpsPotential | None = None
    model: Path | None = None
    files: tuple[Path, ...] = ()
    scratch: Path = Path()
    seed: int = 0
    progress: Callable[[float, str], None] = field(default=no_progress)

    @property
    def structure(self) -> Atoms:
        """A copy of the structure, without a calculator."""
        return self.structures["structure"].copy()


class Property(Settings):
    """One property of the model, and what its numbers are held against."""

    quantities: ClassVar[tuple[str, ...]] = ()
    """Patterns (regular expressions) of the names of its numbers."""
    told: ClassVar[str] = ""
    """The same in words, where the patterns are no plain names."""
    from_labels: ClassVar[str] = ".*"
    """Pattern of those numbers that ``of_labels`` gives."""
    headline: ClassVar[str] = ".*"
    """Pattern of the numbers that tables show; those with a reference or limit are shown as well."""
    safety: ClassVar[bool] = False
    """Whether it is about what the last model does in long dynamics."""
    modules: ClassVar[tuple[str, ...]] = ()
    """Importable names that it needs beyond the core."""
    extra: ClassVar[str] = ""
    """The extra of pfd-kit that installs them."""
    citations: ClassVar[tuple[str, ...]] = ()
    """Papers to cite for the way it is measured."""

    kind: str
    """What is measured."""
    name: str = ""
    """How the report calls it. Default: the kind, and the structure's file."""
    models: tuple[ModelName, ...] = ()
    """Which models it is measured of. Default: all of the run; ``nve_drift`` and ``md_stability``, which are about
    safety and take long, of the student, or of the fine-tuned model where nothing is distilled."""
    reference: Reference | Literal["label"] | None = None
    """What the numbers are compared with: numbers with a ``source``, such as ``{C11_GPa: 153, source: PBE, ...}``; or
    ``label``: the same cells labelled as in ``finetune.label``, in addition to ``max_total`` (only kinds that need no
    relaxation can: see them). Default none: the student is compared with its teacher, and the report says so."""
    within: Within = Field(default_factory=dict)
    """How far a number may be from its reference, as a part of it: one for all numbers (0.05), or by name
    (``{all: 0.05, C44_GPa: 0.15}``). Default none: it is reported and not judged."""
    limits: dict[str, tuple[FiniteFloat, FiniteFloat]] = Field(default_factory=dict)
    """Name of a number -> lowest and highest value that it may have, whatever the reference says."""

    @field_validator("within", mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return _one_for_all(value)

    @model_validator(mode="after")
    def _known_numbers(self) -> Property:
        reference = self.reference.numbers() if isinstance(self.reference, Reference) else {}
        if isinstance(self.reference, Reference) and not reference:
            raise ValueError("the reference holds no number; write e.g. {NAME: 1.0, source: ...}")
        for key, names in (("limits", self.limits), ("within", self.within), ("reference", reference)):
            for name in names:
                self._require_number(key, name)
        for name, (low, high) in self.limits.items():
            if low > high:
                raise ValueError(f"limits: {name} is to be at least {low:g} and at most {high:g}; exchange them")
        if self.within and self.reference is None:
            raise ValueError("within is about the reference, and there is none; add reference, or use limits")
        if isinstance(self.reference, Reference):
            self._used(self.reference)
        if self.reference == "label" and not self.labelled():
            raise ValueError(f"{self.needs_numbers()}; give numbers with a source")
        if self.reference == "label":
            self._from_labels()
        return self

    def _require_number(self, key: str, name: str) -> None:
        known = any(re.fullmatch(pattern, name) for pattern in self.quantities)
        if not known and not (key == "within" and name == ALL):
            told = self.told or ", ".join(self.quantities)
            raise ValueError(f"{key}: {self.kind} gives no number {name!r}; it gives {told}")

    def _used(self, reference: Reference) -> None:
        for name in self.within:
            if name != ALL and name not in reference.numbers():
                raise ValueError(f"within: the reference has no {name}; add it, or remove it here")

    def _from_labels(self) -> None:
        for name in self.within:
            if name != ALL and not re.fullmatch(self.from_labels, name):
                raise ValueError(f"within: {name} cannot be told from labels; {self.labels_give()}")

    def labels_give(self) -> str:
        """Which numbers labels give, where they do not give all."""
        return "leave it out"

    def labelled(self) -> bool:
        """Whether the same numbers can be computed of labels of ``cells``."""
        return False

    def needs_numbers(self) -> str:
        """Why ``labelled`` says no."""
        return f"{self.kind} takes a relaxation or dynamics, which labels of single cells cannot give"

    def title(self) -> str:
        """How the report calls it."""
        return self.name or " ".join([self.kind, *(path.stem for path in self.files().values())])

    def files(self) -> dict[str, Path]:
        """Key -> file of each structure that it needs."""
        return {}

    def measured_of(self, there: Collection[str]) -> list[ModelName]:
        """Those of the models that are there which it is measured of."""
        chosen = self.models or ((MODELS[-1:] if "student" in there else MODELS[-2:-1]) if self.safety else MODELS)
        return [name for name in chosen if name in there]

    def judged(self) -> bool:
        """Whether anything is held against a limit."""
        return bool(self.limits or self.within)

    def require(self, structures: Mapping[str, Atoms]) -> None:
        """Refuse structures that the property has no meaning for.

        Raises:
            DataError
        """

    @abstractmethod
    def measure(self, job: Job) -> Measured:
        """Measure it.

        Raises:
            PFDError: in words, why it cannot be.
        """

    def cell_count(self) -> int:
        """How many cells that are; 0 if it cannot be labelled."""
        return 0

    def cells(self, structure: Atoms) -> list[Atoms]:
        """The cells whose labels give the property, if ``labelled`` says so."""
        raise NotImplementedError

    def of_labels(self, structure: Atoms, cells: list[Atoms], labels: list[Labels]) -> Measured:
        """The property from labels of ``cells``."""
        raise NotImplementedError

    def parameters(self) -> dict[str, Any]:
        """What its numbers depend on, as plain data: neither names, files nor what they are held against."""
        left_out = {"name", "models", "reference", "within", "limits", *self.files()}
        return self.model_dump(mode="json", exclude=left_out)


class OfStructure(Property):
    """A property of a structure."""

    structure: Path
    """File of the structure, any that ASE reads, with one structure in it; a relative path starts at the input file's
    folder."""

    def files(self) -> dict[str, Path]:
        """See ``Property.files``."""
        return {"structure": self.structure}
