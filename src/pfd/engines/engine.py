"""The Engine protocol: run these task folders until each is done, or failed for good."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from pfd.tasks.folder import TaskFolder


@dataclass(frozen=True)
class Progress:
    """How far a group of tasks is, for whoever shows it.

    Attributes:
        total: tasks in the group.
        done, running, failed: counts.
        fraction: 0 to 1, running tasks counted by their own progress.
        text: what a running task last said.
        message: a line for the user that is to stay in sight.
    """

    total: int
    done: int
    running: int
    failed: int
    fraction: float
    text: str = ""
    message: str = ""


Observer = Callable[[Progress], None]


class Engine(Protocol):
    """Runs task folders."""

    def run(self, folders: Sequence[TaskFolder], observe: Observer) -> dict[str, str]:
        """Run every folder that is not done; tasks that still run from before are adopted, not started again.

        Args:
            folders: task folders, all of one step.
            observe: told how far the group is.

        Returns:
            Folder path -> message, for the tasks whose retries are used up.

        Raises:
            TaskFailed: if a task failed for good (bad input, missing program); nothing new was started after it,
                and what ran was left to finish.
            KeyboardInterrupt: after having asked running tasks to end; all can be resumed.
        """
