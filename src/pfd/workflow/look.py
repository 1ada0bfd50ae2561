"""Where a run stands, from its journal and its task folders alone: the same story for whoever looks, wherever."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pfd.engines.hpc.submission import queue_in_words
from pfd.json_file import read_json
from pfd.tasks.folder import TaskFolder
from pfd.wording import shell_word
from pfd.workflow.argo.submitted import told_of_kubernetes
from pfd.workflow.decisions import REVIEWED
from pfd.workflow.driver_lock import Driver, driver_of
from pfd.workflow.journal import BESIDE, Event, Journal, last_submission
from pfd.workflow.pause import FOR_APPROVAL, Paused
from pfd.workflow.run_folder import task_folders

LOOP = "loop"
"""The journal's event of a loop that begins: how many stages it has, and iterations of each at most."""
LEAST_PART = 0.02
"""Of a step's work that is to be done before its rest is estimated."""


@dataclass(frozen=True)
class Look:
    """A run at one moment.

    Attributes:
        status: as ``Run.status``.
        error: why it failed, or what it waits for.
        driver: who works on it.
        place: of the group of tasks that is being done, such as ``finetune/iter-001/label``; empty between groups.
        step: its step.
        total, done, running, failed: tasks of the group.
        fraction: 0 to 1, running tasks counted by their own progress.
        text: what a running task last said, or how many jobs wait in a queue.
        begin: when the submission began, seconds since 1970.
        seconds: since then, or from then to its last event.
        step_left_s: what is left of the group at the pace so far; None while nothing can be said.
        iteration_left_s: with the steps that come after it, as long as they took in the iteration before.
        loop_left_s: with all iterations that may come, as long as the one before took; at most, that is.
    """

    status: str
    error: str
    driver: Driver | None
    place: str = ""
    step: str = ""
    total: int = 0
    done: int = 0
    running: int = 0
    failed: int = 0
    fraction: float = 0.0
    text: str = ""
    begin: float = 0.0
    seconds: float = 0.0
    step_left_s: float | None = None
    iteration_left_s: float | None = None
    loop_left_s: float | None = None


class Onlooker:
    """Looks at a run again and again; what is done is read once.

    Args:
        run: the run folder.
    """

    def __init__(self, run: Path) -> None:
        self._run = run
        self._journal = Journal(run / "journal.jsonl")
        self._events: list[Event] = []
        self._begun: Event = {}
        self._group: list[TaskFolder] = []
        """The tasks that were to be done when the group began."""

    def look(self) -> tuple[Look, list[Event]]:
        """The run as it is now, and the events since the last look (all of them, at the first)."""
        driver = driver_of(self._run)  # before the journal: a driver that has ended has written how
        news = self._journal.news()
        self._events += news
        status, error = state_of(self._events, driver, self._run)
        if status == "interrupted":
            driven = any(event["event"] == "tasks" for event in self._events)
            error = told_of_kubernetes(self._run, driven) or error
        here = last_submission(self._events)
        begin = here[0]["time"] if here else time.time()
        now = time.time() if driver is not None else max((event["time"] for event in here), default=begin)
        seconds = max(0.0, now - begin)
        begun = _open_group(here)
        if begun is not self._begun:
            self._begun = begun
            self._group = [TaskFolder(self._run / name) for name in begun.get("pending", ())]
        look = Look(status, error, driver, begin=begin, seconds=seconds)
        return (self._at(begun, now, look) if begun else look), news

    def _at(self, begun: Event, now: float, look: Look) -> Look:
        """With what is known of the group of tasks that is being done."""
        done = [folder for folder in self._group if folder.done()]
        others = [folder for folder in self._group if not folder.done()]
        failed = sum(folder.result() is not None for folder in others)
        work, running, text = float(len(done) + failed), 0, ""
        for folder in others:
            if under_way(folder, look.driver is not None):
                note = read_json(folder.attempts()[-1] / "progress.json") or {"fraction": 0.0, "text": ""}
                work, running, text = work + min(note["fraction"], 1.0), running + 1, note["text"] or text
        before = begun["total"] - len(self._group)
        elapsed = max(0.0, now - begun["time"])
        left = None
        if work >= LEAST_PART * len(self._group) and work > 0.0:
            left = elapsed * (len(self._group) - work) / work
        after = _steps_after(self._events, begun["place"])
        of_iteration = left + after if left is not None and after is not None else None
        return replace(
            look,
            place=begun["place"],
            step=begun["step"],
            total=begun["total"],
            done=before + len(done),
            running=running,
            failed=failed,
            fraction=(before + work) / max(1, begun["total"]),
            text=text or queue_in_words(self._run),
            step_left_s=left,
            iteration_left_s=of_iteration,
            loop_left_s=_loop_left(self._events, begun["place"], of_iteration),
        )


def under_way(folder: TaskFolder, driven: bool) -> bool:
    """Whether somebody works on a task.

    Args:
        folder: the task.
        driven: whether the run has a driver: then a claim of another host, whose processes cannot be seen from here,
            is taken at its word.
    """
    holder = folder.claimed_by()
    return holder is not None and (driven or holder.state() == "alive")


def state_of(events: Sequence[Event], driver: Driver | None, run: Path) -> tuple[str, str]:
    """The status of a run, and why it failed or what it waits for.

    Args:
        events: its journal.
        driver: who works on it.
        run: how commands name it.
    """
    last = last_word(events)
    if last["event"] == "end":
        return last.get("status", "interrupted"), last.get("error", "")
    if driver is not None:
        return "running", ""
    if last["event"] == "paused":
        since = events[max(number for number, event in enumerate(events) if event is last) :]
        if last["after"] == FOR_APPROVAL and any(event["event"] == REVIEWED for event in since):
            return "paused", f"the chosen frames were looked at: pfd submit {shell_word(run)} goes on"
        return Paused(last["after"]).status, asked_for(last, run)
    return "interrupted", f"pfd submit {shell_word(run)} goes on"


def asked_for(paused: Event, run: Path) -> str:
    """What a run waits for, by its event, with the command that tells more where there is one.

    Args:
        paused: the event.
        run: how commands name the run.
    """
    words: str = paused.get("message") or f"after {paused['after']}"
    if paused["after"] != FOR_APPROVAL:
        return words
    approve = f"pfd approve {shell_word(run)}"
    return f"{words}: {approve} shows them, {approve} --all takes them all, --strike FRAME leaves one out"


def last_word(events: Sequence[Event]) -> Event:
    """The last event that a driver has written; others write beside it."""
    return next((event for event in reversed(events) if event["event"] not in BESIDE), {"event": ""})


def used_tasks(run: Path, events: Sequence[Event]) -> list[TaskFolder]:
    """The task folders of the latest submission, as far as can be told.

    When it has ended, the journal lists those that it did not use. Before, its open tasks are those that it has begun,
    or has gone on without, which the journal lists too; of the finished ones, all count.
    """
    superseded = set(last_word(events).get("superseded", ()))
    here = last_submission(events)
    begun = {name for event in here for key in ("pending", "without") for name in event.get(key, ())}
    found = ((folder, folder.in_run) for folder in task_folders(run))
    return [folder for folder, name in found if name not in superseded and (name in begun or folder.done())]


def _open_group(events: Sequence[Event]) -> Event:
    """The group of tasks that was begun last, if it has not been finished."""
    last = next((event for event in reversed(events) if event["event"] in {"tasks", "finished"}), {})
    return last if last.get("event") == "tasks" else {}


def _steps_after(events: Sequence[Event], place: str) -> float | None:
    """How long the steps took that came after this one in the iteration before, s; None if there was none."""
    took = _iteration_before(events, place)
    order = list(took)
    same = "/".join(place.split("/")[2:])
    return sum(took[each] for each in order[order.index(same) + 1 :]) if same in took else None


def _iteration_before(events: Sequence[Event], place: str) -> dict[str, float]:
    """How long each step of the iteration before took, s, in their order; nothing if there was none."""
    parts = place.split("/")
    if len(parts) < 3 or not parts[1].startswith("iter-") or not int(parts[1][5:]):
        return {}
    before = f"{parts[0]}/iter-{int(parts[1][5:]) - 1:03d}/"
    took: dict[str, float] = {}
    began: dict[str, float] = {}
    for event in events:
        if event["event"] == "tasks" and event["place"].startswith(before):
            began[event["place"]] = event["time"]
        elif event["event"] == "finished" and event["place"] in began:
            took.setdefault(event["place"].removeprefix(before), max(0.0, event["time"] - began[event["place"]]))
    return took


def _loop_left(events: Sequence[Event], place: str, of_iteration: float | None) -> float | None:
    """What is left of the loop at most, s, if each iteration that may come takes as long as the one before."""
    here = last_submission(events)
    loop = place.split("/", maxsplit=1)[0]
    sizes = [event for event in here if event["event"] == LOOP and event["loop"] == loop]
    took = _iteration_before(events, place)
    if of_iteration is None or not sizes or not took:
        return None
    rounds, stages, most = 0, int(sizes[-1]["stages"]), int(sizes[-1]["max_iterations"])
    for event in here:
        if event["event"] == "decision" and event["loop"] == loop:
            rounds = 0 if event["action"] == "next_stage" else rounds + 1
            stages -= event["action"] == "next_stage"
    more = max(0, stages * most - rounds - 1)
    return of_iteration + more * sum(took.values())
