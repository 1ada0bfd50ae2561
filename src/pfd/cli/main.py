"""``pfd``: the commands; each imports what it needs when it is called."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from pfd.cli import files, inputs, running
from pfd.cli.completion import complete_families, complete_runs
from pfd.cli.env import environments
from pfd.cli.options import (
    HERE,
    INPUT,
    INTERRUPTED,
    LOOK,
    AsJson,
    Device,
    FileFormat,
    Head,
    InputFile,
    LabelKeys,
    Overrides,
    RunArgument,
    RunIdentifier,
    TrustFile,
)
from pfd.cli.os_error import os_error_told
from pfd.errors import PFDError

app = typer.Typer(
    name="pfd",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _say_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"pfd-kit {version('pfd-kit')}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Fine-tune a pre-trained atomistic model for one material, and distil it into a fast student."""


class _InputUnlessData(TyperGroup):
    """``pfd check FILE`` is about an input file; only what follows ``data`` is not."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the name of the command for inputs before a word that is no command."""
        if args and args[0] not in {*self.commands, "-h", "--help"}:
            args = ["INPUT", *args]
        return super().parse_args(ctx, args)


checks = typer.Typer(
    cls=_InputUnlessData,
    no_args_is_help=True,
    subcommand_metavar="INPUT | data FILE...",
    options_metavar="",
    help="Look for mistakes in an input, and tell what it would run: pfd check INPUT, such as pfd check input.yaml; "
    "--json lists the mistakes for scripts, and KEY=VALUE sets keys. "
    "Or look at labelled sets: pfd check data FILE...",
)
inputs.add_to(app)
running.add_to(app)
files.add_to(app)
app.add_typer(checks, name="check", rich_help_panel=INPUT)
app.add_typer(environments, name="env", rich_help_panel=HERE)
WithInput = Annotated[
    Path | None, typer.Option("--input", help="Input whose section environments says where families live.")
]


def main() -> None:
    """The console script: every deliberate error is one message and an exit code."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        app()
    except PFDError as error:
        typer.echo(f"{type(error).__name__}: {error}", err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:  # nobody reads what is printed
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (1, 2):
            os.dup2(nowhere, stream)
        sys.exit(INTERRUPTED)
    except OSError as error:
        typer.echo(os_error_told(error), err=True)
        sys.exit(1)


def _interrupt(_number: int, _frame: Any) -> None:
    raise KeyboardInterrupt


@checks.command("INPUT", hidden=True)
def check(input_file: InputFile, words: Overrides = None, as_json: AsJson = False) -> None:
    """Look for mistakes in an input, and tell what it would run; nothing is started.

    With --json the mistakes are a list, empty if there are none; the exit code is the same.

    Example: pfd check examples/toy/input.yaml
    """
    from pfd.cli.check import check_and_show, check_as_json
    from pfd.cli.words import only_overrides

    if as_json:
        raise typer.Exit(check_as_json(input_file, words or []))
    check_and_show(input_file, only_overrides(words or []))


@checks.command("data")
def check_data(
    files: Annotated[list[Path], typer.Argument(help="Labelled sets to train on.", metavar="FILE...")],
    against: Annotated[
        str | None,
        typer.Option(help="A model that was not trained on them: FAMILY:WEIGHTS or a model folder.", metavar="MODEL"),
    ] = None,
    test: Annotated[list[Path] | None, typer.Option(help="Labelled sets to test on.", metavar="FILE")] = None,
    labels: LabelKeys = None,
    file_format: FileFormat = None,
    head: Head = None,
    trust_file: TrustFile = False,
    device: Device = "cpu",
    max_frames: Annotated[
        int, typer.Option(min=1, help="Most frames of each set that the model is asked about.")
    ] = 200,
    as_json: AsJson = False,
) -> None:
    """Look at labelled sets before training: labels, twins, random forces, units, outliers, overlap with a test set.

    Exit code 0: fine, or with warnings. 2: a set is refused.

    Example: pfd check data train.extxyz --test test.extxyz --against chgnet:0.3.0
    """
    from pfd.cli.check_data import Look, check_data_and_show

    look = Look(*(files, against, test or [], labels or [], file_format, head, trust_file, device, max_frames, as_json))
    raise typer.Exit(check_data_and_show(look))


@app.command(rich_help_panel=LOOK)
def status(run: RunArgument = None, identifier: RunIdentifier = None, as_json: AsJson = False) -> None:
    """How far a run is: iterations, decisions, errors against limits, labels, models, tasks.

    Example: pfd status toy
    """
    from pfd.cli.run_argument import find_run
    from pfd.cli.status import show_status

    folder = find_run(run, identifier)
    show_status(folder, as_json)
    from pfd.workflow.argo.submitted import workflow_of

    if not as_json and workflow_of(folder) is not None:
        from pfd.cli.argo import show_workflow

        show_workflow(folder)


@app.command(rich_help_panel=LOOK)
def report(
    run: RunArgument = None,
    serve: Annotated[
        bool, typer.Option("--serve", help="Show a page that follows the run, to this machine only.")
    ] = False,
    port: Annotated[
        int | None,
        typer.Option(help="Where to serve it; 0 takes a free one.  [default: 8765]", min=0, max=65535, metavar="PORT"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Write the page here instead, e.g. of a run folder that is not yours.", metavar="FILE"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write RUN/report.html, one self-contained page, and print the table of results; before the end, the status too.

    Example: pfd report toy; pfd report toy --serve
    """
    from pfd.cli.report import report_run
    from pfd.cli.run_argument import find_run

    report_run(find_run(run), serve=serve, port=port, out=out, as_json=as_json)


@app.command(rich_help_panel=HERE)
def models(
    family: Annotated[
        str | None,
        typer.Argument(
            help="A family; alone, its weights are listed.", metavar="FAMILY", autocompletion=complete_families
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Argument(help="Its checkpoint, shipped weights or folder.", metavar="MODEL")
    ] = None,
    head: Head = None,
    trust_file: TrustFile = False,
    input_file: WithInput = None,
    as_json: AsJson = False,
) -> None:
    """The model families and what is installed of them; or what one model says of itself: heads, elements, cutoff.

    Example: pfd models; pfd models chgnet; pfd models deepmd DPA-3.pt
    """
    from pfd.cli.inventory import show_card, show_family, show_models
    from pfd.errors import SettingError

    if model is None and (head is not None or trust_file):
        option = "--trust-file" if head is None else "--head"
        raise SettingError("no model is named to read", where=option, hint="pfd models FAMILY MODEL")
    if family is None:
        show_models(as_json, input_file)
    elif model is None:
        show_family(family, as_json, input_file)
    else:
        show_card(family, model, head, trust_file, as_json, input_file)


@app.command(rich_help_panel=HERE)
def doctor(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Families or labelers; all if none.", metavar="NAME", autocompletion=complete_families),
    ] = None,
    input_file: WithInput = None,
    as_json: AsJson = False,
) -> None:
    """Test each family where its tasks run (PASS, MISSING, BROKEN), and tell the command that mends it.

    Exit code 1 if one is broken.

    Example: pfd doctor chgnet
    """
    from pfd.cli.doctor import examine

    raise typer.Exit(examine(names or [], as_json, input_file))


@app.command(rich_help_panel=INPUT)
def schema(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print it for people: docs/input.md.")] = False,
    commands: Annotated[
        bool, typer.Option("--commands", help="Print what the commands take, for people: docs/commands.md.")
    ] = False,
) -> None:
    """Print the JSON schema of the input file, for editors that complete and check.

    Example: pfd schema > pfd.schema.json
    """
    from pfd.cli.schema import show_schema

    show_schema(markdown, commands)


@app.command(rich_help_panel=LOOK)
def export(
    run: Annotated[
        Path, typer.Argument(help="Run folder, or its input file.", metavar="RUN", autocompletion=complete_runs)
    ],
    target: Annotated[Path, typer.Argument(help="New folder for the files.", metavar="DIR")],
    to: Annotated[
        str, typer.Option(help="lammps, or gpumd for a NEP: files and an input; ase: the model folder.")
    ] = "lammps",
    model: Annotated[str, typer.Option(help="student, finetuned or pretrained.")] = "student",
    as_json: AsJson = False,
) -> None:
    """Write a model for use elsewhere; for LAMMPS with an input that runs, and checked in LAMMPS.

    Example: pfd export silicon silicon-lammps
    """
    from pfd.cli.export import export_run
    from pfd.cli.run_argument import find_run

    export_run(find_run(run), target, to, model, as_json=as_json)


if __name__ == "__main__":
    main()
