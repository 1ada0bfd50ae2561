"""The commands that start, watch and end the drivers of runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from pfd.cli.options import INTERRUPTED, LOOK, RUN, AsJson, Detach, RunArgument, RunIdentifier, TakeOver, Until


def add_to(app: typer.Typer) -> None:
    """Make them commands of the program."""
    for command in (submit, approve, resubmit, stop, download):
        app.command(rich_help_panel=RUN)(command)
    app.command(rich_help_panel=LOOK)(watch)


def submit(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            help="Input file, YAML, JSON or TOML, or a run folder to go on with; then the run folder, ./NAME if not "
            "given. Or several input files: one run each. Keys to set may follow: finetune.select.max_frames=40.",
            metavar="INPUT [RUN] [KEY=VALUE...]",
        ),
    ],
    until: Until = None,
    detach: Detach = False,
    take_over: TakeOver = False,
    structures: Annotated[
        list[Path] | None,
        typer.Option(
            help="A material for the input, whose one structure it replaces: a structure file, or a table (.csv with "
            "the columns name, file) of many; again for more. One run each, in ./NAME-MATERIAL.",
            metavar="FILE",
        ),
    ] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Of many runs, so many at once; 4 if not given.")] = None,
    cores: Annotated[int | None, typer.Option(min=1, help="Of many runs, most cores together; all by default.")] = None,
    memory_GB: Annotated[
        float | None, typer.Option("--memory-GB", min=1.0, help="Of many runs, most memory together; all by default.")
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print how it ended as JSON, as status --json does, or of many runs the summary."),
    ] = False,
    engine: Annotated[
        str, typer.Option(help="local: driven from here (steps may still run on a cluster); argo: all on Kubernetes.")
    ] = "local",
) -> None:
    """Run an input, or go on where it stopped; or run many inputs side by side under one cap of cores and memory.

    Exit code 0: converged, or paused where --until asked. 1: failed. 2: bad input. 3: finished without converging.
    4: waits for you, for labels or to look at frames. 130: interrupted. Of many runs, the worst: 1, 2, 130, 3, 4, 0.

    Example: pfd submit examples/toy/input.yaml; pfd submit a.yaml b.yaml --jobs 2 --cores 16
    """
    from pfd.cli.submitting import SubmitOptions, submit_as_asked

    options = SubmitOptions(
        *(tuple(structures or ()), jobs, cores, memory_GB, until, take_over, as_json), detach=detach, engine=engine
    )
    raise typer.Exit(interruptible(lambda: submit_as_asked(inputs, options)))


def approve(
    run: RunArgument = None,
    strike: Annotated[
        list[str] | None,
        typer.Option(
            help="Leave this frame out, and approve the others: its number in the table, a range (3-5), or the "
            "beginning of its id; again, or with commas, for more.",
            metavar="FRAME",
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Approve all of them.")] = False,
    as_json: AsJson = False,
) -> None:
    """Look at the frames that a run with pause: before_label has chosen, and decide which of them are labelled.

    Without --strike and --all it only shows them. Frames that are struck out cost nothing, and are not chosen again.

    Example: pfd approve silicon --strike 3 --strike 5-7
    """
    from pfd.cli.approve import approve_and_show
    from pfd.cli.run_argument import find_run

    approve_and_show(find_run(run), strike or [], everything=everything, as_json=as_json)


def resubmit(
    run: RunArgument = None,
    identifier: RunIdentifier = None,
    from_steps: Annotated[
        list[str] | None,
        typer.Option(
            "--from",
            help="Do these tasks anew: a loop (distill), an iteration (finetune/iter-001), a step of all loops (train) "
            "or of one iteration (finetune/iter-001/train); again for more.",
            metavar="STEP",
        ),
    ] = None,
    redo: Annotated[
        list[str] | None,
        typer.Option(
            help="Do this task anew: its folder, with its place if need be (label/0003), or the beginning of its "
            "identity; again for more.",
            metavar="TASK",
        ),
    ] = None,
    rejected: Annotated[
        bool, typer.Option("--rejected", help="Make the labels anew that were rejected, and no others.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done anew.")] = False,
    listed: Annotated[bool, typer.Option("-l", "--list", help="Only list the steps that --from takes.")] = False,
    reuse: Annotated[str | None, typer.Option("-u", "--reuse", hidden=True)] = None,
    until: Until = None,
    detach: Detach = False,
    take_over: TakeOver = False,
    as_json: AsJson = False,
) -> None:
    """Do tasks of a run anew and go on: those that have failed, also those given up, or those that are named.

    Of a run on Kubernetes, --from takes the key of the first step that is done anew; what has succeeded is used again.

    What they left stays in RUN/superseded. What depends on them is done anew only if their results differ. Exit codes
    and --json as of submit; with --list and --dry-run it prints a list.

    Example: pfd resubmit toy --from distill --dry-run
    """
    from pfd.cli.resubmit import ResubmitOptions, list_steps, resubmit_as_asked
    from pfd.cli.run_argument import find_run

    folder = find_run(run, identifier)
    if reuse is not None or listed:
        list_steps(folder, reuse, as_json=as_json)
        return
    options = ResubmitOptions(
        tuple(from_steps or ()),
        tuple(redo or ()),
        rejected=rejected,
        dry_run=dry_run,
        until=until,
        detach=detach,
        take_over=take_over,
        as_json=as_json,
    )
    raise typer.Exit(interruptible(lambda: resubmit_as_asked(run, folder, options)))


def stop(
    run: RunArgument = None,
    wait_s: Annotated[float, typer.Option("--wait", min=0.0, help="Longest time to wait for its end, s.")] = 60.0,
) -> None:
    """Ask the driver of a run to end its tasks and itself, and wait; the run can be gone on with.

    Exit code 0: no driver works on the run now. 1: it has not ended in time. 2: it is on another host, or not yours.

    Example: pfd stop toy
    """
    from pfd.cli.run_argument import find_run
    from pfd.cli.stop import stop_and_say

    raise typer.Exit(stop_and_say(find_run(run), wait_s))


def download(
    run: RunArgument = None,
    identifier: RunIdentifier = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-p", "--prefix", help="Folder that takes what is asked for.", metavar="DIR")
    ] = None,
    keys: Annotated[
        list[str] | None,
        typer.Option("-k", "--keys", help="Outputs of these steps: finetune-iter-000-train, or its place in the run."),
    ] = None,
    iterations: Annotated[
        list[str] | None, typer.Option("-i", "--iterations", help="Outputs of these iterations: 0-2,5.")
    ] = None,
    definitions: Annotated[
        list[str] | None,
        typer.Option("-d", "--step-definitions", help="These outputs: STEP or STEP/OUTPUT, such as train/model."),
    ] = None,
    listed: Annotated[bool, typer.Option("-l", "--list", help="Only list what there is.")] = False,
    as_json: AsJson = False,
) -> None:
    """Collect the models, data and report of a run in a folder; or, with -k, -i or -d, outputs of its tasks.

    A run on Kubernetes is brought up to date first; without --out that is all. An INPUT and the name of its workflow
    make the run folder where there is none.

    Example: pfd download silicon --out results; pfd download silicon -i 0 -d train/model --out models
    """
    from pfd.cli.download import Download, download_and_show
    from pfd.workflow.outputs import Selector

    selector = Selector(tuple(iterations or ()), tuple(definitions or ()), tuple(keys or ()))
    download_and_show(run, identifier, Download(out, selector, listed, as_json))


def watch(run: RunArgument = None, as_json: AsJson = False) -> None:
    """Look on while a run goes on: loop, iteration, step, tasks, errors, what is left. --json: a line per change.

    It ends with the run, with its exit code. Ctrl-C ends the watching only, with exit code 130.

    Example: pfd watch toy
    """
    from pfd.cli.run_argument import find_run
    from pfd.cli.watch import watch_and_show

    try:
        code = watch_and_show(find_run(run), as_json)
    except KeyboardInterrupt:
        typer.echo("no longer watching; the run goes on", err=True)
        code = INTERRUPTED
    raise typer.Exit(code)


def interruptible(work: Callable[[], int]) -> int:
    """The exit code of what can be gone on with after Ctrl-C."""
    try:
        return work()
    except KeyboardInterrupt:
        typer.echo("interrupted; the same command goes on where it was", err=True)
        return INTERRUPTED
