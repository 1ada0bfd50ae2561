"""In what order tasks get their turn: batches of one kind, and a queue in which nobody waits forever."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import TypeVar

from pfd.engines.slots import Share, Slots
from pfd.environments.launch import Launch
from pfd.tasks.folder import Resources, TaskFolder

MOST_OVERTAKEN = 2
"""So many batches may begin before one that came earlier and does not fit yet; then all wait for it. Without the limit
small tasks would keep the machine from ever being free for a large one; without overtaking, cores would lie idle."""
MOST_FOLDERS = 200
"""Most folders of one process: its command line must stay within what the system allows, and its start is paid for."""
T = TypeVar("T")


@dataclass
class Batch:
    """Folders that one process runs one after the other, all of one kind."""

    folders: list[TaskFolder]
    resources: Resources
    launch: Launch
    overtaken: int = 0


@dataclass
class Queue:
    """Batches that wait, oldest first."""

    waiting: list[Batch] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.waiting)

    def add(self, batches: Iterable[Batch]) -> None:
        """Put batches at the end."""
        self.waiting += batches

    def next(self, take: Callable[[Resources], Share | None]) -> tuple[Batch, Share] | None:
        """The first batch that fits, taken out, with its share; None if none does, or one has waited long enough."""
        for place, batch in enumerate(self.waiting):
            share = take(batch.resources)
            if share is not None:
                for earlier in self.waiting[:place]:
                    earlier.overtaken += 1
                del self.waiting[place]
                return batch, share
            if batch.overtaken >= MOST_OVERTAKEN:
                return None
        return None


def batches_of(folders: Sequence[TaskFolder], slots: Slots, launch: Callable[[str], Launch]) -> list[Batch]:
    """Batches in the order of their turns: kinds alternate, and so do places within a kind.

    A kind is what is started in the same way with the same resources. There are as many batches of it as slots (imports
    are paid once for a process, results are still one for each folder); where there are several kinds, as many times
    that as there are kinds, so that none holds all slots until its last task.
    """
    kinds: dict[tuple[Launch, Resources], list[TaskFolder]] = defaultdict(list)
    for folder in folders:
        resources = resources_of(folder)
        kinds[launch(resources.family), resources.model_copy(update={"family": ""})].append(folder)
    rows = []
    for (start, resources), same in kinds.items():
        places: dict[Path, list[TaskFolder]] = defaultdict(list)
        for folder in same:
            places[folder.path.parent].append(folder)
        turns = in_turns(list(places.values()))
        count = min(len(turns), max(slots.at_once(resources) * len(kinds), math.ceil(len(turns) / MOST_FOLDERS)))
        rows.append([Batch(turns[number::count], resources, start) for number in range(count)])
    return in_turns(rows)


def in_turns(rows: Sequence[Sequence[T]]) -> list[T]:
    """The first of each row, then the second of each, and so on.

    >>> in_turns([[1, 2, 3], [10], [20, 30]])
    [1, 10, 20, 2, 30, 3]
    """
    missing = object()
    return [each for column in zip_longest(*rows, fillvalue=missing) for each in column if each is not missing]  # type: ignore[misc]


def resources_of(folder: TaskFolder) -> Resources:
    """What a task may use, as its task.json says."""
    return Resources.model_validate(folder.task()["resources"])
