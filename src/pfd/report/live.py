"""A run that goes on, for the served page: where it stands in a few lines, and what names the state of its results."""

from __future__ import annotations

from pathlib import Path

from pfd.errors import RunError
from pfd.report.data import DATA_FILE, SUMMARY_FILE
from pfd.report.page import report_page
from pfd.report.state import State, lines_of
from pfd.workflow.journal import Event
from pfd.workflow.look import Onlooker

TOLD = {"lost", "gone_on", "submit", "end", "paused"}
"""Events after which the page says something else although the results are the same."""
CHOSEN = "select"
"""The step after which it has more frames to show."""


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
        return State(token, lines_of(look), look.fraction if look.place and look.status == "running" else None)

    def page(self) -> str:
        """The page.

        Raises:
            RunError: if a file of the run is damaged.
        """
        state = self.state()
        if state.token != self._token:
            self._page = report_page(self._run, live=state)
            self._token = state.token
        return self._page


def _is_told(event: Event) -> bool:
    return event["event"] in TOLD or (event["event"] == "finished" and event.get("step") == CHOSEN)


def _stamp(path: Path) -> str:
    try:
        found = path.stat()
    except FileNotFoundError:
        return "0"
    return f"{found.st_mtime_ns:x}.{found.st_size:x}"
