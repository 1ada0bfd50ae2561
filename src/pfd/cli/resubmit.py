"""``pfd resubmit``: do tasks of a run anew, failed ones or those that are named, and go on from there."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import typer

from pfd.api import UNTIL, Begin
from pfd.cli.detach import leave_in_background
from pfd.cli.engine import refuse_for_argo
from pfd.cli.run_argument import input_and_run
from pfd.cli.submit import submit_and_show
from pfd.errors import SettingError
from pfd.tasks.folder import TaskFolder
from pfd.wording import counted, shell_word
from pfd.workflow.argo.submitted import workflow_of
from pfd.workflow.journal import Journal
from pfd.workflow.look import used_tasks
from pfd.workflow.redo import Redo
from pfd.workflow.run_folder import ASIDE

LISTED = 10


@dataclass(frozen=True)
class ResubmitOptions:
    """The options of ``pfd resubmit``.

    Attributes:
        from_steps: steps whose tasks are done anew.
        redo: tasks that are done anew.
        rejected: whether labels that were rejected are made anew.
        dry_run: only say which.
        until, detach, take_over: as of ``pfd submit``.
        as_json: print what would be done anew, or how it ended, as JSON.
    """

    from_steps: tuple[str, ...] = ()
    redo: tuple[str, ...] = ()
    rejected: bool = False
    dry_run: bool = False
    until: str | None = None
    detach: bool = False
    take_over: bool = False
    as_json: bool = False


def resubmit_as_asked(given: Path | None, run: Path, options: ResubmitOptions) -> int:
    """Say what is to be done anew and, unless that was all, submit; returns the exit code.

    Args:
        given: the run folder or its input; None if there is only one run here.
        run: the run folder that is meant.
        options: what to do anew, and how to go on.

    Raises:
        SettingError, RunError: if nothing, or nothing certain, was named, or an option has no effect.
    """
    if workflow_of(run) is not None:
        from pfd.cli.argo import resubmit_to_argo

        if len(options.from_steps) > 1:
            what = "a workflow is submitted again from one step on"
            raise SettingError(what, where="--from", hint="name the first of them")
        asked = {"until": options.until, "detach": options.detach, "take_over": options.take_over}
        refuse_for_argo(
            **asked, redo=options.redo, rejected=options.rejected, dry_run=options.dry_run, json=options.as_json
        )
        resubmit_to_argo(run, options.from_steps[0] if options.from_steps else None)
        return 0
    if options.until not in {None, *UNTIL}:
        what = f"no step {options.until!r} to stop after"
        raise SettingError(what, where="--until", hint=f"one of {', '.join(UNTIL)}")
    if options.detach:
        if options.dry_run:
            raise SettingError("--dry-run starts nothing that could go to the background", hint="leave --detach out")
        return leave_in_background(as_json=options.as_json)
    redo = Redo(options.from_steps, options.redo, options.rejected)
    input_file, _ = input_and_run(given if given is not None else run, None)
    folders = redo.find(run)
    if options.dry_run and options.as_json:
        anew = [{"task": folder.in_run, "step": _step(folder), "paid_again": _paid(folder)} for folder in folders]
        typer.echo(json.dumps(anew, indent=1))
        return 0
    for line in redo_lines(run, folders):
        typer.echo(line, err=not options.dry_run)
    if options.dry_run:
        return 0
    return submit_and_show(input_file, run, options.until, Begin(options.take_over, redo), as_json=options.as_json)


def list_steps(run: Path, reuse: str | None, *, as_json: bool = False) -> None:
    """Print the steps of a run that have tasks, in their order, with what became of these.

    Args:
        run: the run folder.
        reuse: numbers of steps that are to be used again, as the older tool took them.
        as_json: print a list of JSON.

    Raises:
        SettingError: if numbers are given: all that is done is used again, unless it is named.
    """
    if reuse is not None:
        what = "steps are not numbered: everything that is done is used again"
        hint = f"pfd resubmit {shell_word(run)} --from STEP names what is done anew; --list tells the steps"
        raise SettingError(what, where="--reuse", hint=hint)
    done: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for folder in used_tasks(run, Journal(run / "journal.jsonl").read()):
        place = "/".join(folder.place)
        total[place] += 1
        done[place] += folder.done()
    if as_json:
        steps = [{"step": place, "tasks": count, "done": done[place]} for place, count in total.items()]
        typer.echo(json.dumps(steps, indent=1))
        return
    for place, count in total.items():
        typer.echo(f"{place}: {done[place]} of {counted(count, 'task')} done")


def redo_lines(run: Path, folders: list[TaskFolder]) -> list[str]:
    """What will be done anew, for a person."""
    steps = Counter(map(_step, folders))
    kinds = ", ".join(f"{count} {step}" for step, count in steps.items())
    lines = [f"{run}: {counted(len(folders), 'task')} to be done anew ({kinds})"]
    lines += [f"  {folder.path.relative_to(run)}" for folder in folders[:LISTED]]
    lines += [f"  and {len(folders) - LISTED} more"] if len(folders) > LISTED else []
    lines.append(f"  what they left is kept in {run / ASIDE}; what depends on them is done anew where results differ")
    paid = sum(map(_paid, folders))
    return lines + ([f"  {counted(paid, 'label')} will be paid for again"] if paid else [])


def _step(folder: TaskFolder) -> str:
    return str(folder.task()["step"]) if folder.readable() else "damaged"


def _paid(folder: TaskFolder) -> bool:
    """Whether it is a label by first principles that has been made."""
    return folder.done() and folder.path.parts[-4:-1:2] == ("finetune", "label")
