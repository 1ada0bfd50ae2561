"""A run that goes on, for the served page: where it stands in a few lines, and what names the state of its results."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from pfd.errors import RunError
from pfd.report.data import DATA_FILE, SUMMARY_FILE
from pfd.report.page import report_page
from pfd.report.words import duration, left_in_words, place_in_words
from pfd.wording import counted
from pfd.workflow.journal import Event
from pfd.workflow.look import Look, Onlooker

TOLD = {"lost", "gone_on", "submit", "end", "paused"}
"""Events after which the page says something else although the results are the same."""
CHOSEN = "select"
"""The step after which it has more frames to show."""


@dataclass(frozen=True)
class State:
    """A run at one moment.

    Attributes:
        token: names what the page shows: another token, another page.
        lines: where the run stands, for a person.
        fraction: of the present group of tasks, 0 to 1; None between groups.
    """

    token: str
    lines: tuple[str, ...]
    fraction: float | None

    def as_json(self) -> str:
        """For the script of the page."""
        return json.dumps({"token": self.token, "lines": self.lines, "fraction": self.fraction})


class LivePage:
    """The page of a run as it is whenever it is asked for; made anew only if the run has written something.

    Not to be used by two threads at once.

    Args:
        run: the run folder.

    Raises:
        RunError: if there is no run in it.
    """

    def __init__(self, run: Path) -> None:
        if not (run / "run.json").is_file():
            raise RunError("no run in this folder", where=str(run), hint="give the folder that pfd submit made")
        self._run = run
        self._onlooker = Onlooker(run)
        self._told = 0
        self._token, self._page = "", ""

    def state(self) -> State:
        """Where the run stands."""
        look, news = self._onlooker.look()
        self._told += sum(_is_told(event) for event in news)
        stamps = [_stamp(self._run / name) for name in (DATA_FILE, SUMMARY_FILE)]
        token = "-".join([*stamps, str(self._told), look.status])
        return State(token, _lines(look), look.fraction if look.place and look.status == "running" else None)

    def page(self) -> str:
        """The page.

        Raises:
            RunError: if a file of the run is damaged.
        """
        token = self.state().token
        if token != self._token:
            self._page = report_page(self._run, live=token)
            self._token = token
        return self._page


def _is_told(event: Event) -> bool:
    return event["event"] in TOLD or (event["event"] == "finished" and event.get("step") == CHOSEN)


def _stamp(path: Path) -> str:
    try:
        found = path.stat()
    except FileNotFoundError:
        return "0"
    return f"{found.st_mtime_ns:x}.{found.st_size:x}"


def _lines(look: Look) -> tuple[str, ...]:
    """The status; the place, how many of its tasks are done, what one of them says; what is left."""
    lines = [f"{look.status.replace('_', ' ')}{f' ({look.error})' if look.error else ''}, {duration(look.seconds)}"]
    if look.place and look.status == "running":
        running = f", {look.running} running" if look.running else ""
        failed = f", {look.failed} failed" if look.failed else ""
        done = f"{look.done} of {counted(look.total, 'task')} done{running}{failed}"
        lines.append(f"{place_in_words(look.place)}: {done}")
        lines += [look.text] if look.text else []
        left = left_in_words(look.step_left_s, look.iteration_left_s)
        lines += [left] if left else []
    return tuple(lines)
