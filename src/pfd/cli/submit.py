"""``pfd submit``: run, show progress while it works, and end with the table and the path of the report."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from pfd.api import Run, run_folder_of, submit
from pfd.cli.check import edits
from pfd.cli.convert import say_older
from pfd.cli.run_argument import input_and_run
from pfd.cli.selected import chosen_frames, say_chosen
from pfd.cli.status import used_tasks
from pfd.evaluate.preflight import SettingChange
from pfd.report.words import ACTIONS
from pfd.wording import counted
from pfd.workflow.journal import Journal

if TYPE_CHECKING:
    from pfd.engines.engine import Progress

PLAIN_SECONDS = 15.0
"""Without a terminal, a line is printed when a group of tasks begins and ends, and this often in between."""


def submit_and_show(input_file: Path, run: Path | None, until: str | None, overrides: Sequence[str] = ()) -> int:
    """Submit with progress on the terminal; returns the exit code.

    Args:
        input_file: the input, or the folder of a run to go on with.
        run: the run folder, if it is not the usual one.
        until: a step after which to pause.
        overrides: keys to set, such as ``finetune.select.max_frames=40``.
    """
    from pfd.config.reading import read_input

    input_file, run = input_and_run(input_file, run)
    console = Console(stderr=True)
    resolved = read_input(input_file, overrides)
    say_older(resolved)
    folder = run or run_folder_of(input_file, resolved.input.name)
    if changed := edits(resolved, folder):
        console.print(f"{folder}: going on with an edited input; changed: {changed}", markup=False, highlight=False)
    if console.is_terminal:
        with LiveProgress(console) as progress:
            ended = submit(input_file, run, until, progress.watch, overrides)
    else:
        ended = submit(input_file, run, until, PlainProgress().watch, overrides)
    _say_end(ended, until)
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
        if progress.message:
            self._console.print(progress.message, markup=False, highlight=False)
            return
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
        if progress.message:
            self._console.print(progress.message, markup=False)
            return
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


def _say_end(ended: Run, until: str | None) -> None:
    console = Console(soft_wrap=True, highlight=False)
    events = Journal(ended.path / "journal.jsonl").read()
    last = events[-1]
    if ended.status == "paused":
        if last["message"]:
            console.print(f"paused: {last['message']}", markup=False)
            return
        for line in say_chosen(chosen_frames(ended.path, used_tasks(ended.path, events)) if until == "select" else []):
            console.print(line, markup=False)
        console.print(f"paused after {until}; submit again without --until to go on. Run folder: {ended.path}")
        return
    print_table(ended.path)
    if sum(event["event"] == "submit" for event in events) > 1:
        reused = counted(last["reused"], "task result")
        console.print(f"{reused} reused, {len(last['superseded'])} of an earlier input superseded")
    words = {"converged": "converged", "not_converged": "finished without converging (exit code 3)"}
    wall = ended.summary.get("seconds", {}).get("wall", 0.0)
    labels = ended.summary.get("labels", {})
    kept = f" ({labels['kept']} of an earlier input)" if labels.get("kept") else ""
    asked = f"{counted(labels.get('asked', 0), 'label')}{kept}"
    console.print(f"{words.get(ended.status, ended.status)}; {asked}, {wall:.0f} s in all")
    for change in map(SettingChange.model_validate, ended.summary.get("preflight", ())):
        if change.above_target():
            console.print(change.in_words(), markup=False)
    for line in _unmet(ended.path):
        console.print(line, markup=False)
    for name in ("finetuned", "student"):
        if (ended.path / "models" / name).is_dir():
            console.print(f'{name}: {ended.path / "models" / name}   (in Python: pfd.load("...") is an ASE calculator)')
    console.print(f"report: {ended.path / 'report.html'}")


def _unmet(run: Path) -> list[str]:
    """Which loops did not converge, why, and by how much they missed their limits."""
    from pfd.report.data import read_report_data
    from pfd.report.limits import last_turns, limits_in_words

    data = read_report_data(run)
    lines = []
    for turn in last_turns(data):
        if turn.decision != "converged":
            end = f"{ACTIONS.get(turn.decision, turn.decision)} after iteration {turn.iteration}: {turn.reason}"
            lines.append(f"{turn.loop} did not converge, {end}")
            lines += [f"  {words}"] if (words := limits_in_words(turn, data)) else []
    return lines


def print_table(run: Path) -> bool:
    """Print the table of results of a run; False if there is none yet."""
    from pfd.report.data import read_report_data
    from pfd.report.table import result_rows, results_table

    data = read_report_data(run)
    if result_rows(data):
        Console().print(results_table(data))
    return bool(result_rows(data))
