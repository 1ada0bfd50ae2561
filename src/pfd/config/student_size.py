"""How many coefficients a student that is fitted in one go has, and whether its fit fits into the memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pfd.config.reading import ResolvedInput
from pfd.config.student_candidates import candidates_of, is_open
from pfd.errors import MissingError, SettingError
from pfd.models.least_squares import fit_memory_GB
from pfd.models.linear_fit import FEW_EQUATIONS
from pfd.models.linear_student import FEWER, LinearStudent
from pfd.wording import counted

if TYPE_CHECKING:
    from ase import Atoms


@dataclass(frozen=True)
class StudentSize:
    """A student that is solved for.

    Attributes:
        name: of it, such as ``pod S``.
        elements: chemical elements that it will know.
        coefficients: how many numbers are solved for.
    """

    name: str
    elements: int
    coefficients: int

    @property
    def memory_GB(self) -> float:
        """What its fit holds, GB."""
        return fit_memory_GB(self.coefficients)

    @property
    def words(self) -> str:
        """Name and number."""
        return f"{self.name} of {counted(self.elements, 'element')} has {self.coefficients} coefficients"


def student_sizes(resolved: ResolvedInput, explored: Sequence[Atoms]) -> Iterator[StudentSize]:
    """The student, or each that is compared, as far as its family is fitted in one go.

    Args:
        resolved: the input.
        explored: frames with the elements that it will be fitted to.
    """
    elements = len({symbol for frame in explored for symbol in frame.get_chemical_symbols()})
    if resolved.student is None or resolved.fitting is None:
        return
    if is_open(resolved):
        try:
            students = [(each.name, each.family, each.settings) for each in candidates_of(resolved)]
        except MissingError:  # a run that has chosen before needs none of them; another one is told when it chooses
            return
    else:
        own = f" {resolved.student.name_of(resolved.fitting)}" if isinstance(resolved.student, LinearStudent) else ""
        students = [(resolved.student.name + own, resolved.student, resolved.fitting)]
    for name, family, settings in students:
        if (count := family.coefficients(settings, elements)) is not None:
            yield StudentSize(name, elements, count)


def check_student_size(resolved: ResolvedInput, explored: Sequence[Atoms]) -> None:
    """Refuse a student whose fit holds more than a training may; of those that are compared, the smallest must fit.

    Args:
        resolved: the input.
        explored: frames with the elements that it will be fitted to.

    Raises:
        SettingError: with the number of its coefficients.
    """
    sizes = list(student_sizes(resolved, explored))
    smallest = min(sizes, key=lambda size: size.coefficients, default=None)
    memory = resolved.input.resources.train.memory_GB
    if smallest is None or smallest.memory_GB <= memory:
        return
    raise SettingError(
        f"{smallest.words}, whose fit holds {smallest.memory_GB:.0f} GB, and a training has {memory:g}",
        where=resolved.place("distill.student"),
        hint=f"{FEWER}; or raise resources.train.memory_GB",
    )


def size_lines(resolved: ResolvedInput, explored: Sequence[Atoms], labels: int) -> Iterator[str]:
    """The number of coefficients beside that of the force components that they are fitted to, for a person.

    Args:
        resolved: the input.
        explored: frames with the elements that it will be fitted to.
        labels: most frames that the teacher will label.
    """
    sizes = list(student_sizes(resolved, explored))
    if not sizes or not explored:
        return
    components = round(3 * labels * sum(map(len, explored)) / len(explored))
    memory = resolved.input.resources.train.memory_GB
    fitting = [size for size in sizes if size.memory_GB <= memory]
    for size in sizes:
        over = "" if size in fitting else f"; its fit would hold {size.memory_GB:.0f} GB: it is left out"
        yield f"  {size.words}, for at most {components} force components{over}"
    if any(FEW_EQUATIONS * size.coefficients > components for size in fitting):
        few = f"{FEW_EQUATIONS:g}"
        yield f"    fewer than {few} force components for each leave coefficients to the ridge: {FEWER}; or label more"
