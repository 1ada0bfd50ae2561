"""The state of one call of the hpc engine: what waits, what is in the queue, and what has come of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from pfd.engines.engine import Progress
from pfd.engines.hpc.submission import JobRecord, Submission, waiting_in_words
from pfd.errors import PFDError
from pfd.json_file import read_json
from pfd.schedulers.scheduler import End
from pfd.tasks.folder import TaskFolder


@dataclass
class Live:
    """A job that has not ended as far as is known."""

    submission: Submission
    record: JobRecord
    folders: list[TaskFolder]
    adopted: bool = False
    """Whether an earlier driver submitted it."""
    waiting: bool = True
    missing_since: float | None = None
    end: End = ""


@dataclass
class Work:
    """One call of ``run``."""

    folders: Sequence[TaskFolder]
    submission: Submission
    queue: list[list[TaskFolder]] = field(default_factory=list)
    """Groups of tasks, each to become one job."""
    live: dict[str, Live] = field(default_factory=dict)
    """Jobs by name."""
    strangers: dict[str, TaskFolder] = field(default_factory=dict)
    """Tasks that a process works on which is no job of this run's, by path."""
    given_up: dict[str, str] = field(default_factory=dict)
    fatal: list[PFDError] = field(default_factory=list)
    done: set[str] = field(default_factory=set)
    """Paths of the tasks that were seen to be done."""
    barren: int = 0
    """Jobs in a row that ended before they had begun a task."""
    halted: bool = False
    busy_since: float | None = None
    busy_until: float = 0.0
    message: str = ""
    """What the queue last said, for whoever watches."""

    def open(self) -> bool:
        """Whether there is anything left to wait for."""
        return bool(self.live or self.strangers or (self.queue and not self.fatal))

    def in_jobs(self) -> set[str]:
        """Paths of the tasks that a living job is to run."""
        return {str(folder.path) for live in self.live.values() for folder in live.folders}

    def note_done(self, folders: Sequence[TaskFolder]) -> None:
        """Count those that are done; only tasks that were at work since the last look need be looked at."""
        self.done.update(str(folder.path) for folder in folders if str(folder.path) not in self.done and folder.done())

    def is_busy(self) -> bool:
        """Whether the queue was asked to take a job a moment ago, and would not."""
        return time.monotonic() < self.busy_until

    def progress(self) -> Progress:
        """How far it is."""
        at_work = [live for live in self.live.values() if not live.waiting]
        for live in at_work:
            self.note_done(live.folders)
        fraction, text, running = float(len(self.done)), "", 0
        for live in at_work:
            for folder in live.folders:
                attempts = folder.attempts() if str(folder.path) not in self.done else []
                if not attempts or (attempts[-1] / "ended.json").is_file():
                    continue
                running += 1
                note = read_json(attempts[-1] / "progress.json")
                if note is not None:
                    fraction, text = fraction + min(note["fraction"], 1.0), note["text"]
        waiting = sum(live.waiting for live in self.live.values())
        text = text or waiting_in_words(waiting, len(self.live))
        message, self.message = self.message, ""
        failed = len(self.given_up) + len(self.fatal)
        total = len(self.folders)
        return Progress(total, len(self.done), running, failed, fraction / max(1, total), text, message)
