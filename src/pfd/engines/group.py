"""The state of one call of ``LocalEngine.run``: what waits, what runs, and what has come of it."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field

from pfd.engines.batches import Queue, resources_of
from pfd.engines.engine import Progress
from pfd.engines.slots import Share
from pfd.json_file import read_json
from pfd.tasks.folder import TaskFolder
from pfd.tasks.process import ProcessName


@dataclass
class Worker:
    """One process that runs some folders one after the other."""

    process: subprocess.Popen[bytes]
    folders: list[TaskFolder]
    share: Share
    attempts: int
    """Attempts that these folders held before."""
    name: str
    """What its claims say of it: in a container its process id is not that of what we started."""
    at: int = 0
    """Which of the folders it is at: only that one need be looked at while it runs."""

    def advance(self) -> list[TaskFolder]:
        """Note how far it has come; returns the folders that it has left behind since the last look."""
        began = self.at
        while self.at < len(self.folders) - 1 and self._left(self.folders[self.at]):
            self.at += 1
        return self.folders[began : self.at]

    def _left(self, folder: TaskFolder) -> bool:
        if folder.done():
            return True
        attempts = folder.attempts()
        return bool(attempts) and (attempts[-1] / "ended.json").is_file() and claim_worker(folder) == self.name

    @property
    def current(self) -> TaskFolder:
        """The folder that it is at."""
        return self.folders[self.at]


@dataclass
class Group:
    """The state of one call of ``run``."""

    queue: Queue = field(default_factory=Queue)
    workers: list[Worker] = field(default_factory=list)
    adopted: dict[str, tuple[TaskFolder, ProcessName]] = field(default_factory=dict)
    """Folders that a process of an earlier driver works on, by path."""
    strangers: list[tuple[ProcessName, Share]] = field(default_factory=list)
    """Those processes: each holds its share until it ends, whichever of its folders it is at."""
    given_up: dict[str, str] = field(default_factory=dict)
    fatal: list[TaskFolder] = field(default_factory=list)
    done: set[str] = field(default_factory=set)
    """Paths of the folders that were seen to be done."""
    barren: int = 0
    """Processes in a row that were killed before they had begun a task."""
    told_to_stop: set[int] = field(default_factory=set)
    """Processes that were asked to begin no further task."""
    seen: dict[str, float] = field(default_factory=dict)
    """When an attempt was first seen by its path, s: for claims of a pfd that does not write when they began."""

    def adopt(self, folder: TaskFolder, holder: ProcessName) -> None:
        """Wait for a folder that a process we did not start works on."""
        self.adopted[str(folder.path)] = (folder, holder)
        if holder not in [process for process, _ in self.strangers]:
            gpus = tuple(holder.gpus.split(",")) if holder.gpus else ()
            self.strangers.append((holder, Share(resources_of(folder), gpus, gpus)))

    def held(self) -> list[Share]:
        """What running processes hold."""
        return [worker.share for worker in self.workers] + [share for _, share in self.strangers]

    def note_done(self, folders: Sequence[TaskFolder]) -> None:
        """Take down which of these folders are done."""
        self.done.update(str(folder.path) for folder in folders if folder.done())

    def look(self) -> None:
        """See how far the workers have come."""
        for worker in self.workers:
            self.note_done(worker.advance())

    def progress(self, total: int) -> Progress:
        """How far the group of so many tasks is, after ``look``; only what runs is read."""
        at_work = [worker.current for worker in self.workers] + [folder for folder, _ in self.adopted.values()]
        fraction, text, running = float(len(self.done)), "", 0
        for folder in at_work:
            attempts = folder.attempts() if not folder.done() else []
            running += bool(attempts)
            note = read_json(attempts[-1] / "progress.json") if attempts else None
            if note is not None:
                fraction, text = fraction + min(note["fraction"], 1.0), note["text"]
        failed = len(self.given_up) + len(self.fatal)
        return Progress(total, len(self.done), running, failed, fraction / max(1, total), text)


def claim_worker(folder: TaskFolder) -> str | None:
    """The name of the worker that made a folder's newest attempt; None if there is none."""
    attempts = folder.attempts()
    claim = read_json(attempts[-1] / "claim.json") if attempts else None
    return claim.get("worker") if isinstance(claim, dict) else None
