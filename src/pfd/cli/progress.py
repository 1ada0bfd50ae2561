"""Progress of a run on a terminal, or as plain or JSON lines: what submit shows is what watch shows elsewhere."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Protocol

from rich.console import Console

from pfd.report.words import ACTIONS, left_in_words, place_in_words
from pfd.tasks.steps import STEPS
from pfd.wording import counted
from pfd.workflow.journal import Event, last_submission
from pfd.workflow.look import Look, Onlooker

PLAIN_SECONDS = 15.0
"""Without a terminal, a line is printed for what has ended, and this often in between."""
LOOK_SECONDS = 0.5
DEAREST = 20.0
"""Looking takes at most one part in so many of the time."""


class Display(Protocol):
    """Shows how far a run is."""

    def show(self, look: Look, news: Sequence[Event]) -> None:
        """Show the run as it is, and what has happened since it was last shown."""

    def __enter__(self) -> Display: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Follower:
    """Looks at a run from time to time, and shows it.

    Args:
        display: where.
    """

    def __init__(self, display: Display) -> None:
        self._display = display
        self._onlooker: Onlooker | None = None
        self._next, self._first = 0.0, True

    def follow(self, run: Path) -> None:
        """From now on, this run."""
        self._onlooker = Onlooker(run)

    def tick(self, *, now: bool = False) -> Look | None:
        """Look and show, if it is time (or ``now``)."""
        began = time.monotonic()
        if self._onlooker is None or (began < self._next and not now):
            return None
        look, news = self._onlooker.look()
        self._display.show(look, last_submission(news) if self._first else news)
        self._first = False
        ended = time.monotonic()
        self._next = ended + max(LOOK_SECONDS, DEAREST * (ended - began))
        return look


def display_for(console: Console) -> Display:
    """Bars on a terminal, plain lines elsewhere."""
    return LiveDisplay(console) if console.is_terminal else PlainDisplay(console)


class LiveDisplay:
    """One bar for the group of tasks that runs, a line for each that has ended."""

    def __init__(self, console: Console) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        self._bars = Progress(*columns, TextColumn("{task.fields[text]}", markup=False), console=console)
        self._console = console
        self._place = ""
        self._bar = self._bars.add_task("starting", total=None, text="")

    def __enter__(self) -> LiveDisplay:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def show(self, look: Look, news: Sequence[Event]) -> None:
        """See ``Display``."""
        for line in event_lines(news):
            self._console.print(line, markup=False, highlight=False)
        if not look.place:
            return
        if look.place != self._place:
            self._bars.reset(self._bar, total=look.total, description=place_in_words(look.place), text="")
            self._place = look.place
        self._bars.update(self._bar, completed=look.fraction * look.total, text=notes(look))


class PlainDisplay:
    """Plain lines with the seconds since the run was submitted."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._printed = time.monotonic()

    def __enter__(self) -> PlainDisplay:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, look: Look, news: Sequence[Event]) -> None:
        """See ``Display``."""
        for event in news:
            if line := _event_line(event):
                self._print(event["time"] - look.begin, line)
        if look.place and time.monotonic() - self._printed > PLAIN_SECONDS:
            progress = f"{look.done} of {look.total} done{_after(notes(look))}"
            self._print(look.seconds, f"{place_in_words(look.place)}: {progress}")

    def _print(self, seconds: float, line: str) -> None:
        self._console.print(f"{max(0.0, seconds):7.1f} s  {line}", markup=False, highlight=False, soft_wrap=True)
        self._printed = time.monotonic()


class JsonDisplay:
    """One JSON object a line, whenever something has changed."""

    def __init__(self) -> None:
        self._last: tuple[object, ...] = ()

    def __enter__(self) -> JsonDisplay:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, look: Look, news: Sequence[Event]) -> None:
        """See ``Display``."""
        state = (look.status, look.place, look.done, look.running, look.failed, look.text)
        if news or state != self._last:
            content = asdict(look) | {"driver": look.driver.model_dump() if look.driver is not None else None}
            print(json.dumps(content | {"events": list(news)}), flush=True)
            self._last = state


def event_lines(events: Sequence[Event]) -> list[str]:
    """What of the journal a person wants to see go by."""
    return [line for line in map(_event_line, events) if line]


def _event_line(event: Event) -> str:
    match event["event"]:
        case "finished" if not (event["step"] in STEPS and STEPS[event["step"]].light):
            done = event.get("done", event["total"])
            line = f"{place_in_words(event['place'])}: {done} of {event['total']} done"
        case "decision":
            action = ACTIONS.get(event["action"], event["action"])
            line = f"{event['loop']} iteration {event['iteration']}: {action} ({event['reason']})"
        case "said":
            line = str(event["words"])
        case "lost":
            line = f"failed: {event['task']}: {event['message']}"
        case "gone_on":
            line = f"{place_in_words(event['place'])}: going on without {counted(len(event['without']), 'task')}"
        case "stop":
            line = f"asked to stop by {event['by']}"
        case _:
            line = ""
    return line


def notes(look: Look) -> str:
    """What runs, what has failed, what a task says, and what is left."""
    parts = [f"{look.running} running"] if look.running else []
    parts += [f"{look.failed} failed"] if look.failed else []
    parts += [look.text] if look.text else []
    parts += [left] if (left := left_in_words(look.step_left_s, look.iteration_left_s, look.loop_left_s)) else []
    return ", ".join(parts)


def _after(notes: str) -> str:
    return f"; {notes}" if notes else ""
