"""``pfd submit``: run, show progress while it works, and end with the table and the path of the report."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from pfd.api import Run, submit
from pfd.workflow.journal import Journal

if TYPE_CHECKING:
    from pfd.engines.engine import Progress

PLAIN_SECONDS = 15.0
"""Without a terminal, a line is printed when a group of tasks begins and ends, and this often in between."""


def submit_and_show(input_file: Path, run: Path | None, until: str | None) -> int:
    """Submit with progress on the terminal; returns the exit code."""
    console = Console(stderr=True)
    if console.is_terminal:
        with LiveProgress(console) as progress:
            ended = submit(input_file, run, until, progress.watch)
    else:
        ended = submit(input_file, run, until, PlainProgress().watch)
    _say_end(ended)
    return ended.exit_code


class LiveProgress:
    """One bar for the group of tasks that runs, a line for each that has ended."""

    def __init__(self, console: Console) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bars

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._bars = Bars(*columns, TextColumn("{task.fields[text]}"), console=console)
        self._console = console
        self._place = ""
        self._bar = self._bars.add_task("starting", total=None, text="")

    def __enter__(self) -> LiveProgress:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def watch(self, place: str, progress: Progress) -> None:
        """See ``Watcher``."""
        if place != self._place:
            self._bars.reset(self._bar, total=progress.total, description=place, text="")
            self._place = place
        failed = f"{progress.failed} failed" if progress.failed else progress.text
        self._bars.update(self._bar, completed=progress.fraction * progress.total, text=failed)


class PlainProgress:
    """Plain lines on standard error."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._place, self._printed, self._began = "", 0.0, time.monotonic()
        self._last: tuple[int, int] = (-1, -1)

    def watch(self, place: str, progress: Progress) -> None:
        """See ``Watcher``."""
        now = time.monotonic()
        counts = (progress.done, progress.failed)
        ended = progress.done + progress.failed == progress.total and counts != self._last
        if place != self._place or ended or now - self._printed > PLAIN_SECONDS:
            failed = f", {progress.failed} failed" if progress.failed else ""
            note = f": {progress.text}" if progress.text and not ended else ""
            self._console.print(
                f"{now - self._began:7.1f} s  {place}  {progress.done} of {progress.total} done{failed}{note}",
                markup=False,
            )
            self._place, self._printed, self._last = place, now, counts


def _say_end(ended: Run) -> None:
    console = Console(soft_wrap=True, highlight=False)
    if ended.status == "paused":
        console.print(f"paused; submit again without --until to go on. Run folder: {ended.path}")
        return
    print_table(ended.path)
    events = Journal(ended.path / "journal.jsonl").read()
    last = events[-1]
    if sum(event["event"] == "submit" for event in events) > 1:
        console.print(f"{last['reused']} task results reused, {len(last['superseded'])} of an earlier input superseded")
    words = {"converged": "converged", "not_converged": "finished without converging (exit code 3)"}
    wall = ended.summary.get("seconds", {}).get("wall", 0.0)
    labels = ended.summary.get("labels", {})
    kept = f" ({labels['kept']} of an earlier input)" if labels.get("kept") else ""
    asked = f"{labels.get('asked', 0)} labels{kept}"
    console.print(f"{words.get(ended.status, ended.status)}; {asked}, {wall:.0f} s in all")
    for name in ("finetuned", "student"):
        if (ended.path / "models" / name).is_dir():
            console.print(f'{name}: {ended.path / "models" / name}   (in Python: pfd.load("...") is an ASE calculator)')
    console.print(f"report: {ended.path / 'report.html'}")


def print_table(run: Path) -> None:
    """Print the table of results of a run."""
    from pfd.report.data import read_report_data
    from pfd.report.table import results_table

    console = Console()
    console.print(results_table(read_report_data(run)))
