"""``pfd resubmit``: do tasks of a run anew, failed ones or those that are named, and go on from there."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import typer

from pfd.api import UNTIL, Begin
from pfd.cli.run_argument import input_and_run
from pfd.cli.submit import submit_and_show
from pfd.errors import SettingError
from pfd.tasks.folder import TaskFolder
from pfd.wording import counted
from pfd.workflow.redo import Redo
from pfd.workflow.run_folder import ASIDE

LISTED = 10


def resubmit_and_show(
    given: Path | None, run: Path, redo: Redo, until: str | None, *, take_over: bool, dry_run: bool
) -> int:
    """Say what is to be done anew and, unless that was all, submit.

    Args:
        given: the run folder or its input; None if there is only one run here.
        run: the run folder that is meant.
        redo: what to do anew.
        until: a step after which to pause.
        take_over: see ``Begin``.
        dry_run: only say what would be done.

    Raises:
        SettingError, RunError: if nothing, or nothing certain, was named.
    """
    if until not in {None, *UNTIL}:
        raise SettingError(f"no step {until!r} to stop after", where="--until", hint=f"one of {', '.join(UNTIL)}")
    input_file, _ = input_and_run(given if given is not None else run, None)
    for line in redo_lines(run, redo.find(run)):
        typer.echo(line, err=not dry_run)
    return 0 if dry_run else submit_and_show(input_file, run, until, Begin(take_over, redo))


def redo_lines(run: Path, folders: list[TaskFolder]) -> list[str]:
    """What will be done anew, for a person."""
    steps = Counter(folder.task()["step"] if folder.readable() else "damaged" for folder in folders)
    kinds = ", ".join(f"{count} {step}" for step, count in steps.items())
    lines = [f"{run}: {counted(len(folders), 'task')} to be done anew ({kinds})"]
    lines += [f"  {folder.path.relative_to(run)}" for folder in folders[:LISTED]]
    lines += [f"  and {len(folders) - LISTED} more"] if len(folders) > LISTED else []
    lines.append(f"  what they left is kept in {run / ASIDE}; what depends on them is done anew where results differ")
    paid = sum(folder.done() and folder.path.parts[-4:-1:2] == ("finetune", "label") for folder in folders)
    return lines + ([f"  {counted(paid, 'label')} will be paid for again"] if paid else [])
