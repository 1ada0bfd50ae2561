"""A submission: which tasks one call of the engine was given, and each job that came of it, kept in the run folder."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pfd.digests import json_digest
from pfd.json_file import read_json, write_json

FOLDER = "submissions"
"""In the run folder; each submission has a folder of its own in it."""


@dataclass(frozen=True)
class JobRecord:
    """One job, written down before it is submitted.

    Attributes:
        name: under which it stands in the queue; its claims carry it as their worker.
        tasks: its task folders in order, relative to the run folder.
        state: ``submitting`` until its id is known; ``queued``; ``ended``.
        id: the scheduler's.
        how: what became of it.
    """

    name: str
    tasks: tuple[str, ...]
    state: Literal["submitting", "queued", "ended"] = "submitting"
    id: str = ""
    how: str = ""


class Submission:
    """The folder of one submission.

    submission.json   the tasks it was made for and the cluster; never changed
    jobs/NAME.json    a ``JobRecord``
    NAME.began        made by the job as its first deed, or by a driver that declares it void: only one of them can
    NAME.code         exit code of the job's tasks; NAME.log and NAME.out what was written
    closed.json       nothing of it is left to do
    """

    def __init__(self, run: Path, path: Path) -> None:
        self.run, self.path = run, path
        self._jobs: int | None = None
        self._content: dict[str, Any] = read_json(path / "submission.json") or {}

    @classmethod
    def create(cls, run: Path, tasks: Sequence[str], cluster: dict[str, Any]) -> Submission:
        """A new one, under the next number.

        Args:
            run: the run folder.
            tasks: task folders relative to it.
            cluster: the settings of the cluster.
        """
        parent = run / FOLDER
        parent.mkdir(exist_ok=True)
        key = json_digest({"tasks": list(tasks), "unique": uuid.uuid4().hex})[:6]
        number = 1 + max((int(path.name[:4]) for path in parent.glob("[0-9][0-9][0-9][0-9]-*")), default=-1)
        new = parent / f".new-{key}"
        (new / "jobs").mkdir(parents=True)
        write_json(new / "submission.json", {"key": key, "tasks": list(tasks), "cluster": cluster})
        path = parent / f"{number:04d}-{key}"
        new.rename(path)
        return cls(run, path)

    @classmethod
    def open_ones(cls, run: Path) -> Iterator[Submission]:
        """Those of a run that are not closed, oldest first."""
        for path in sorted((run / FOLDER).glob("[0-9][0-9][0-9][0-9]-*")):
            if not (path / "closed.json").is_file() and (path / "submission.json").is_file():
                yield cls(run, path)

    @property
    def tasks(self) -> list[str]:
        """The task folders that it was made for."""
        return list(self._content["tasks"])

    @property
    def cluster(self) -> dict[str, Any]:
        """The settings of the cluster that its jobs were submitted to."""
        return dict(self._content["cluster"])

    @property
    def place(self) -> str:
        """Its folder relative to the run folder."""
        return str(self.path.relative_to(self.run))

    def records(self) -> list[JobRecord]:
        """All jobs, in the order of their names."""
        found = []
        for path in sorted((self.path / "jobs").glob("*.json")):
            content = read_json(path)
            if isinstance(content, dict):
                found.append(JobRecord(**content | {"tasks": tuple(content["tasks"])}))
        return found

    def new_record(self, tasks: Sequence[str]) -> JobRecord:
        """Write down that a job with these tasks is about to be submitted."""
        if self._jobs is None:
            self._jobs = len(self.records())
        record = JobRecord(f"pfd-{self._content['key']}-{self._jobs:04d}", tuple(tasks))
        self._jobs += 1
        return self.write(record)

    def write(self, record: JobRecord, **changes: Any) -> JobRecord:
        """Write a record, changed."""
        record = replace(record, **changes)
        write_json(self.path / "jobs" / f"{record.name}.json", asdict(record))
        return record

    def close(self) -> None:
        """Note that nothing of it is left to do."""
        write_json(self.path / "closed.json", {"jobs": len(self.records())})


def is_own_worker(run: Path, worker: str) -> bool:
    """Whether a claim's worker is a job that this run has submitted."""
    return worker.startswith("pfd-") and any((run / FOLDER).glob(f"*/jobs/{worker}.json"))


def queue_in_words(run: Path) -> str:
    """How many of a run's jobs wait, as its files tell without asking the scheduler; empty if none does."""
    live = [
        (each.path / f"{record.name}.began").exists()
        for each in Submission.open_ones(run)
        for record in each.records()
        if record.state != "ended"
    ]
    return waiting_in_words(live.count(False), len(live))


def waiting_in_words(waiting: int, jobs: int) -> str:
    """Such as ``3 of 4 jobs wait in the queue``; empty if none waits."""
    return f"{waiting} of {jobs} jobs wait in the queue" if waiting else ""
