"""Slots of one machine: cores, memory and GPUs, and what running tasks hold of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from pfd.errors import MissingError
from pfd.gpus import VISIBLE
from pfd.tasks.folder import Resources
from pfd.wording import counted


@dataclass(frozen=True)
class Share:
    """What one process holds.

    Attributes:
        resources: what it asked for.
        gpus: names of the GPUs that it has for itself.
        sees: the GPUs that it sees; None leaves it to what it finds.
    """

    resources: Resources
    gpus: tuple[str, ...] = ()
    sees: tuple[str, ...] | None = None

    @property
    def variables(self) -> dict[str, str]:
        """The environment variable that shows it its GPUs, if anything is to be said of them."""
        return {} if self.sees is None else {VISIBLE: ",".join(self.sees)}


@dataclass(frozen=True)
class Slots:
    """What there is.

    Attributes:
        cores: most cores in use at once.
        memory_GB: most memory that running tasks may have asked for, GB.
        gpus: names of the GPUs to use.
        counted: False if nobody said how many GPUs to use and none were found: what a task finds is then left to it.
    """

    cores: int
    memory_GB: float
    gpus: tuple[str, ...] = ()
    counted: bool = True

    def at_once(self, resources: Resources) -> int:
        """How many such tasks fit at once; one always does, with fewer cores than it asked for.

        Raises:
            MissingError: if it asks for more GPUs than there are: it would wait forever.
        """
        if resources.gpus > len(self.gpus):
            what = f"{counted(resources.gpus, 'GPU')} for a task, and there are {len(self.gpus)} to use"
            raise MissingError(what, where="resources", hint="write at most so many gpus, or run where there are more")
        most = min(self.cores // min(resources.cores, self.cores), int(self.memory_GB // resources.memory_GB))
        if resources.gpus:
            most = min(most, len(self.gpus) // resources.gpus)
        return max(1, most)

    def take(self, resources: Resources, held: Iterable[Share]) -> Share | None:
        """What a task gets beside what is held, or None if it does not fit now.

        A task that asks for GPUs has them for itself. One that asks for none and may use one (``device``) sees one that
        nobody has for itself, the one that the fewest others see; named cuda, it waits for one.
        """
        held = list(held)
        cores = sum(min(each.resources.cores, self.cores) for each in held) + min(resources.cores, self.cores)
        memory = sum(each.resources.memory_GB for each in held) + resources.memory_GB
        if held and (cores > self.cores or memory > self.memory_GB):
            return None
        owned = {name for each in held for name in each.gpus}
        seen = Counter(name for each in held if not each.gpus for name in each.sees or ())
        if resources.gpus:
            free = [name for name in self.gpus if name not in owned and not seen[name]]
            mine = tuple(free[: resources.gpus])
            return Share(resources, mine, mine) if len(mine) == resources.gpus else None
        if resources.device == "cpu":
            return Share(resources, sees=())
        open_to_all = [name for name in self.gpus if name not in owned]
        if self.gpus and not open_to_all and resources.device == "cuda":
            return None
        if not self.gpus and not self.counted:
            return Share(resources)
        least = sorted(open_to_all, key=lambda name: seen[name])  # stable: the first of those that are equal
        return Share(resources, sees=tuple(least[:1]))
