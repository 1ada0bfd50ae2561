"""Cores and memory that many runs on one machine share: locked files, freed by the kernel however a worker ends."""

from __future__ import annotations

import fcntl
import math
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from pfd.errors import RunError
from pfd.json_file import read_json, write_json

POOL_VARIABLE = "PFD_POOL"
"""Environment variable that names the folder of the pool to a driver."""


class Held:
    """Cores and memory that are held: as long as this process, or one that inherits the descriptors, has them open."""

    def __init__(self, descriptors: Sequence[int] = ()) -> None:
        self.descriptors = tuple(descriptors)

    def close(self) -> None:
        """Let go of them here; a worker that inherited them goes on holding them."""
        _close(self.descriptors)
        self.descriptors = ()

    def __enter__(self) -> Held:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class NoPool:
    """For a run by itself: whatever its engine asks for is there."""

    def acquire(self, cores: int, memory_GB: float) -> Held | None:
        """See ``Pool``."""
        return Held()

    def withdraw(self) -> None:
        """See ``Pool``."""


class Pool(NoPool):
    """A folder with one file for each core and each GB of memory; who has a file locked has what it stands for.

    Who finds too little free keeps its turn, and nobody else is served before it: a task of many cores is not kept
    waiting for ever by tasks of one. The folder is for one machine.

    Args:
        folder: made by ``create``.

    Raises:
        RunError: if it is no pool.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        content = read_json(folder / "pool.json")
        if not isinstance(content, dict):
            raise RunError(
                "no pool of cores and memory", where=str(folder), hint="pfd submit with several inputs makes it"
            )
        self.cores, self.memory_GB = int(content["cores"]), int(content["memory_GB"])
        self._turn: int | None = None

    @classmethod
    def create(cls, folder: Path, cores: int, memory_GB: float) -> Pool:
        """Make the pool, or change the caps of one that is there: what is held stays held.

        Args:
            folder: where.
            cores: most cores in use at once.
            memory_GB: most memory in use at once; whole GB count.
        """
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "pool.json", {"cores": cores, "memory_GB": max(1, math.floor(memory_GB))})
        return cls(folder)

    def acquire(self, cores: int, memory_GB: float) -> Held | None:
        """All of it or nothing, at once; what asks for more than the pool has gets all of it, when nobody else has any.

        Args:
            cores: of one worker.
            memory_GB: of one worker; rounded up.
        """
        if self._turn is None:
            self._turn = _lock(self._folder / "turn")
        if self._turn is None:
            return None
        held: list[int] = []
        for kind, count, most in (("core", cores, self.cores), ("memory", math.ceil(memory_GB), self.memory_GB)):
            found = self._free(kind, min(count, most), most)
            held += found
            if len(found) < min(count, most):
                _close(held)
                return None
        self.withdraw()
        return Held(held)

    def withdraw(self) -> None:
        """Give up the turn."""
        if self._turn is not None:
            os.close(self._turn)
            self._turn = None

    def _free(self, kind: str, count: int, most: int) -> list[int]:
        held: list[int] = []
        for number in range(most):
            if len(held) == count:
                break
            descriptor = _lock(self._folder / f"{kind}-{number:04d}")
            if descriptor is not None:
                held.append(descriptor)
        return held


def pool_of_environment() -> NoPool:
    """The pool that whoever started this driver named, or none."""
    folder = os.environ.get(POOL_VARIABLE)
    return Pool(Path(folder)) if folder else NoPool()


def _lock(path: Path) -> int | None:
    """A descriptor that holds the lock of a file; None if another has it."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _close(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
