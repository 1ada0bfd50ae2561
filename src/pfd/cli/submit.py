"""``pfd submit``: run, show progress while it works, and end with the table and the path of the report."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from pfd.api import Begin, Run, run_folder_of, submit
from pfd.cli.convert import say_older
from pfd.cli.detach import in_background
from pfd.cli.edits import edits, lost_overrides
from pfd.cli.progress import Follower, display_for
from pfd.cli.run_argument import input_and_run
from pfd.cli.selected import chosen_frames, say_chosen
from pfd.cli.status import show_status
from pfd.cli.wide_table import show_table
from pfd.errors import PFDError
from pfd.evaluate.preflight import SettingChange
from pfd.evaluate.properties.results import limits_in_words
from pfd.report.words import ACTIONS
from pfd.wording import counted
from pfd.workflow.journal import Journal
from pfd.workflow.look import asked_for, last_word, used_tasks

if TYPE_CHECKING:
    from pfd.config.reading import ResolvedInput
    from pfd.engines.engine import Progress


def submit_and_show(
    input_file: Path,
    run: Path | None,
    until: str | None,
    begin: Begin | None = None,
    overrides: Sequence[str] = (),
    *,
    as_json: bool = False,
) -> int:
    """Submit with progress on the terminal; returns the exit code.

    Args:
        input_file: the input, or the folder of a run to go on with.
        run: the run folder, if it is not the usual one.
        until: a step after which to pause.
        begin: tasks to do anew, and a lock to take over.
        overrides: keys to set, such as ``finetune.select.max_frames=40``.
        as_json: print what ``pfd status --json`` tells in the place of tables, also if the run fails once it is driven.
    """
    from pfd.config.reading import read_input

    input_file, run = input_and_run(input_file, run)
    console = Console(stderr=True)
    resolved = read_input(input_file, overrides)
    say_older(resolved)
    folder = run or run_folder_of(input_file, resolved.input.name)
    if changed := edits(resolved, folder):
        console.print(
            f"{folder}: going on; changed since it was last submitted: {changed}", markup=False, highlight=False
        )
        for line in lost_overrides(resolved, folder):
            console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)
    display = display_for(console)
    follower = Follower(display)

    driven: list[Path] = []

    def held(path: Path) -> None:
        driven.append(path)
        in_background(path)
        follower.follow(path)

    def watch(_place: str, _progress: Progress) -> None:
        follower.tick()

    try:
        with display:
            try:
                ended = submit(input_file, run, until, watch, replace(begin or Begin(), held=held), overrides)
            finally:
                follower.tick(now=True)
    except BaseException:
        if as_json and driven:  # a script reads how far it came; the message on standard error is for a person
            with suppress(PFDError, OSError):
                show_status(driven[0], as_json=True)
        raise
    _remember(resolved, ended.path)
    if as_json:
        show_status(ended.path, as_json=True)
    else:
        _say_end(ended, until)
    return ended.exit_code


def _remember(resolved: ResolvedInput, run: Path) -> None:
    """Keep what tasks have cost here, for later plans."""
    from pfd.workflow.rates import rates_of_run, remember

    tasks = used_tasks(run, Journal(run / "journal.jsonl").read())
    remember(rates_of_run(resolved, tasks, here_only=True), f"in the run {resolved.input.name}")


def _say_end(ended: Run, until: str | None) -> None:
    console = Console(soft_wrap=True, highlight=False)
    events = Journal(ended.path / "journal.jsonl").read()
    last = last_word(events)
    if ended.status == "waiting":
        console.print(f"waiting (exit code 4): {asked_for(last, ended.path)}", markup=False)
        return
    if ended.status == "paused":
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
            console.print(f"preflight: {change.in_words()}", markup=False)
    missed = limits_in_words(ended.summary.get("properties", ()))
    for line in (*ended.summary.get("warnings", ()), *missed, *_unmet(ended.path)):
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
    """Print the tables of results of a run; False if there is none yet."""
    from pfd.report.data import read_report_data
    from pfd.report.table import result_rows, results_tables

    data = read_report_data(run)
    if not result_rows(data):
        return False
    for table in results_tables(data):
        show_table(table)
    return True
