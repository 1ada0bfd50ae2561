"""The tasks of a run that have failed: why, where, after how many attempts, and the command that tries them again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pfd.json_file import read_json
from pfd.tasks.folder import TaskFolder
from pfd.wording import shell_word
from pfd.workflow.journal import Event, last_submission
from pfd.workflow.look import under_way

LOG_LINES = 5


@dataclass(frozen=True)
class FailedTask:
    """A task without a result, on which nobody works.

    Attributes:
        task: its folder, relative to the run.
        step: what it was to do.
        reason: of the failure, in the words of the task or the engine.
        gone_on: whether the run has gone on without it.
        host: where its last attempt ran; empty if there was none.
        attempts: how many there were.
        log_tail: the end of the last attempt's log.
        retry: the command that does it anew.
    """

    task: str
    step: str
    reason: str
    gone_on: bool
    host: str
    attempts: int
    log_tail: str
    retry: str


def failed_tasks(events: Sequence[Event], folders: Iterable[TaskFolder], shown: str) -> list[FailedTask]:
    """Those of some task folders of a run that have failed.

    Args:
        events: the run's journal.
        folders: the tasks that count (see ``used_tasks``).
        shown: how commands name the run.
    """
    lost = {event["task"]: event["message"] for event in last_submission(events) if event["event"] == "lost"}
    failed = []
    for folder in folders:
        if folder.done() or under_way(folder, driven=False):
            continue
        result, name = folder.result(), folder.in_run
        if result is not None and result.failure is not None:
            failed.append(_failed(folder, name, result.failure.message, folder.given_up(), shown))
        elif name in lost:
            failed.append(_failed(folder, name, lost[name], False, shown))
    return failed


def _failed(folder: TaskFolder, name: str, reason: str, gone_on: bool, shown: str) -> FailedTask:
    attempts = folder.attempts()
    claim = read_json(attempts[-1] / "claim.json") if attempts else None
    host = str(claim.get("host", "")) if isinstance(claim, dict) else ""
    step = folder.task()["step"] if folder.readable() else ""
    retry = f"pfd resubmit {shell_word(shown)} --redo {name}"
    return FailedTask(name, step, reason, gone_on, host, len(attempts), folder.log_tail(LOG_LINES), retry)
