"""Files on a file system that the nodes share: nothing is carried, and what jobs leave is looked at where it is."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from pfd.engines.hpc.submission import Submission
from pfd.tasks.folder import TaskFolder


class Files(Protocol):
    """How the engine and its jobs see each other's files."""

    def path_of(self, path: Path) -> str:
        """A path in the run folder as a job sees it."""

    def send(self, folders: Sequence[TaskFolder]) -> None:
        """Bring task folders and their inputs to where jobs find them."""

    def fetch(self, folders: Sequence[TaskFolder]) -> None:
        """Bring back what a job left in task folders."""

    def names(self, submission: Submission) -> set[str]:
        """What stands in a submission's folder."""

    def text(self, submission: Submission, name: str) -> str:
        """The end of a file in it; empty if there is none."""

    def reserve(self, submission: Submission, name: str) -> bool:
        """Make a folder in it; False if somebody was faster."""

    def remove(self, submission: Submission, name: str) -> None:
        """Remove such a folder."""

    def age_s(self, submission: Submission, name: str) -> float:
        """Seconds since it was made; 0 if it is not there."""


class SharedFiles:
    """See ``Files``."""

    def path_of(self, path: Path) -> str:
        """See ``Files``."""
        return str(path)

    def send(self, folders: Sequence[TaskFolder]) -> None:
        """See ``Files``: they are there."""

    def fetch(self, folders: Sequence[TaskFolder]) -> None:
        """See ``Files``: they are here."""

    def names(self, submission: Submission) -> set[str]:
        """See ``Files``."""
        return {path.name for path in submission.path.iterdir()}

    def text(self, submission: Submission, name: str) -> str:
        """See ``Files``."""
        path = submission.path / name
        return path.read_text(encoding="utf-8", errors="replace")[-TAIL:] if path.is_file() else ""

    def reserve(self, submission: Submission, name: str) -> bool:
        """See ``Files``."""
        try:
            (submission.path / name).mkdir()
        except FileExistsError:
            return False
        return True

    def remove(self, submission: Submission, name: str) -> None:
        """See ``Files``."""
        if (submission.path / name).is_dir():
            (submission.path / name).rmdir()

    def age_s(self, submission: Submission, name: str) -> float:
        """See ``Files``."""
        path = submission.path / name
        return max(0.0, time.time() - path.stat().st_mtime) if path.exists() else 0.0


TAIL = 4000
"""Characters of a log that are looked at."""
