"""``pfd``: the commands; each imports what it needs when it is called."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from pfd.cli import inputs, running
from pfd.cli.env import environments
from pfd.cli.options import (
    FRAMES,
    LOOK,
    RUN,
    AsJson,
    Device,
    FileFormat,
    Head,
    InputFile,
    LabelKeys,
    Overrides,
    RunArgument,
    TrustFile,
)
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
    help="Look for mistakes in an input, and tell what it would run: pfd check INPUT, such as pfd check input.yaml. "
    "Or look at labelled sets: pfd check data FILE...",
)
running.add_to(app)
inputs.add_to(app)
app.add_typer(checks, name="check", rich_help_panel=RUN)
app.add_typer(environments, name="env", rich_help_panel=LOOK)
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
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        typer.echo(
            f"{error.strerror or error}{where}\n  Try: look at free space and permissions; a run goes on where it was "
            "when it is submitted again",
            err=True,
        )
        sys.exit(1)


def _interrupt(_number: int, _frame: Any) -> None:
    raise KeyboardInterrupt


@checks.command("INPUT", hidden=True)
def check(input_file: InputFile, words: Overrides = None) -> None:
    """Look for mistakes in an input, and tell what it would run; nothing is started.

    Example: pfd check examples/toy/input.yaml
    """
    from pfd.cli.check import check_and_show
    from pfd.cli.words import only_overrides

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
    from pfd.cli.check_data import check_data_and_show

    code = check_data_and_show(
        files, against, test or [], labels or [], file_format, head, trust_file, device, max_frames, as_json
    )
    raise typer.Exit(code)


@app.command(rich_help_panel=LOOK)
def status(run: RunArgument = None, as_json: AsJson = False) -> None:
    """How far a run is: iterations, decisions, errors against limits, labels, models, tasks.

    Example: pfd status toy
    """
    from pfd.cli.run_argument import find_run
    from pfd.cli.status import show_status

    folder = find_run(run)
    show_status(folder, as_json)
    from pfd.workflow.argo.submitted import workflow_of

    if not as_json and workflow_of(folder) is not None:
        from pfd.cli.argo import show_workflow

        show_workflow(folder)


@app.command(rich_help_panel=LOOK)
def report(run: RunArgument = None) -> None:
    """Write RUN/report.html, one self-contained page, and print the table of results; before the end, the status too.

    Example: pfd report toy
    """
    from pfd.cli.report import write_and_show
    from pfd.cli.run_argument import find_run

    write_and_show(find_run(run))


@app.command(rich_help_panel=LOOK)
def models(
    family: Annotated[str | None, typer.Argument(help="A family, to read a model of it.", metavar="FAMILY")] = None,
    model: Annotated[
        str | None, typer.Argument(help="Its checkpoint, shipped weights or folder.", metavar="MODEL")
    ] = None,
    head: Head = None,
    trust_file: TrustFile = False,
    input_file: WithInput = None,
    as_json: AsJson = False,
) -> None:
    """The model families and what is installed of them; or what one model says of itself: heads, elements, cutoff.

    Example: pfd models; pfd models deepmd DPA-3.pt
    """
    from pfd.cli.inventory import show_card, show_models
    from pfd.errors import SettingError

    if model is None and (head is not None or trust_file):
        option = "--trust-file" if head is None else "--head"
        raise SettingError("no model is named to read", where=option, hint="pfd models FAMILY MODEL")
    if family is None:
        show_models(as_json, input_file)
    elif model is None:
        raise SettingError("a family is named, and no model", hint="pfd models FAMILY MODEL, or pfd models for all")
    else:
        show_card(family, model, head, trust_file, as_json, input_file)


@app.command(rich_help_panel=LOOK)
def doctor(
    names: Annotated[
        list[str] | None, typer.Argument(help="Families or labelers; all if none.", metavar="NAME")
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


@app.command(rich_help_panel=LOOK)
def schema(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print it for people: docs/input.md.")] = False,
) -> None:
    """Print the JSON schema of the input file, for editors that complete and check.

    Example: pfd schema > pfd.schema.json
    """
    from pfd.cli.schema import show_schema

    show_schema(markdown)


@app.command(rich_help_panel=LOOK)
def export(
    run: RunArgument,
    target: Annotated[Path, typer.Argument(help="New folder for the files.", metavar="DIR")],
    to: Annotated[
        str, typer.Option(help="lammps, or gpumd for a NEP: files and an input; ase: the model folder.")
    ] = "lammps",
    model: Annotated[str, typer.Option(help="student, finetuned or pretrained.")] = "student",
) -> None:
    """Write a model for use elsewhere; for LAMMPS with an input that runs, and checked in LAMMPS.

    Example: pfd export silicon silicon-lammps
    """
    from pfd.cli.export import export_run
    from pfd.cli.run_argument import find_run

    export_run(find_run(run), target, to, model)


@app.command(rich_help_panel=FRAMES)
def perturb(
    files: Annotated[list[Path], typer.Argument(help="Structure files that ASE reads.")],
    count: Annotated[int, typer.Option("-n", "--count", min=1, help="Perturbed copies of each structure.")] = 1,
    strain: Annotated[float, typer.Option("-c", "--strain", min=0.0, help="Largest of the six strains.")] = 0.05,
    displacement_A: Annotated[
        float, typer.Option("-d", "--displacement-A", min=0.0, help="Displacement of the atoms, Å.")
    ] = 0.2,
    style: Annotated[str, typer.Option("-s", "--style", help="normal, uniform or const.")] = "normal",
    fraction: Annotated[
        float, typer.Option("-a", "--fraction", min=0.0, max=1.0, help="Part of the atoms that move.")
    ] = 1.0,
    repeat: Annotated[tuple[int, int, int], typer.Option("-r", "--repeat", help="Supercell, three integers.")] = (
        1,
        1,
        1,
    ),
    seed: Annotated[int, typer.Option(min=0, help="Seed.")] = 0,
    out: Annotated[Path | None, typer.Option(help="File to write; only with one structure file.")] = None,
) -> None:
    """Write randomly strained and displaced copies of structures to pert_STEM.extxyz.

    Example: pfd perturb Cu.cif -n 10 -c 0.03 -d 0.1 -r 2 2 2
    """
    from pfd.cli.perturb import perturb_files

    perturb_files(files, count, strain, displacement_A, style, fraction, repeat, seed, out)


@app.command(rich_help_panel=FRAMES)
def select(
    pool: Annotated[list[Path], typer.Argument(help="Files of frames to choose from.")],
    max_frames: Annotated[int, typer.Option("--max", min=1, help="Never more frames than this.")],
    out: Annotated[Path, typer.Option(help="Extended XYZ file for the chosen frames.")],
    reference: Annotated[list[Path] | None, typer.Option(help="Files of frames that have labels already.")] = None,
    method: Annotated[str, typer.Option(help="entropy, random, farthest, msc or mixed.")] = "entropy",
    score: Annotated[str, typer.Option(help="For entropy: mean, top or per_cost.")] = "mean",
    seed: Annotated[int, typer.Option(min=0, help="Seed of random and mixed.")] = 0,
    min_gain_nats: Annotated[float | None, typer.Option(help="Stop where a pick gains less.")] = None,
    as_json: AsJson = False,
) -> None:
    """Choose frames worth a label: sane, new, and different from what is known.

    Example: pfd select pool.extxyz --reference train.extxyz --max 24 --out chosen.extxyz
    """
    from pfd.cli.select import select_from_files

    select_from_files(pool, reference or [], max_frames, out, method, score, seed, min_gain_nats, as_json)


@app.command(rich_help_panel=FRAMES)
def evaluate(
    model: Annotated[str, typer.Argument(help="Model folder, such as RUN/models/student, or FAMILY:WEIGHTS.")],
    files: Annotated[list[Path], typer.Argument(help="Frames: labelled sets, or a trajectory.", metavar="FILE...")],
    labels: LabelKeys = None,
    file_format: FileFormat = None,
    head: Head = None,
    trust_file: TrustFile = False,
    device: Device = "cpu",
    shift_on: Annotated[
        Path | None, typer.Option(help="Labelled frames to fit an energy shift per element on first.", metavar="FILE")
    ] = None,
    domain: Annotated[
        Path | None,
        typer.Option(help="What the model was trained on: tell which frames lie outside of it.", metavar="FILE"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="File for the predictions, extended XYZ; a parity plot goes beside it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Errors of a model on labelled frames; with --domain, which frames lie outside of its training set.

    Example: pfd evaluate toy/models/student toy/data/finetune-test.extxyz --domain toy/data/distill-train.extxyz
    """
    from pfd.cli.evaluate import evaluate_and_show
    from pfd.cli.evaluation import Question

    question = Question(
        model, files, labels or [], file_format, head, trust_file, device, shift_on=shift_on, train=domain, out=out
    )
    evaluate_and_show(question, as_json)


@app.command(rich_help_panel=FRAMES)
def properties(
    model: Annotated[str, typer.Argument(help="Model folder, such as RUN/models/student, or FAMILY:WEIGHTS.")],
    structure: Annotated[Path, typer.Option(help="Structure file, any that ASE reads.")],
    words: Annotated[
        list[str] | None,
        typer.Argument(help="Keys of evaluate.properties to set, e.g. strain=0.01.", metavar="[KEY=VALUE...]"),
    ] = None,
    kind: Annotated[
        list[str] | None, typer.Option(help="equation_of_state, elastic, vacancy, phonons, md ... May be repeated.")
    ] = None,
    head: Head = None,
    trust_file: TrustFile = False,
    device: Device = "cpu",
    seed: Annotated[int, typer.Option(min=0, help="Seed of dynamics and displacements.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Physical properties of a model: lattice constant, elastic constants, vacancy, phonons, dynamics.

    Default kinds: equation_of_state and elastic. All kinds and their keys: evaluate.properties in docs/input.md.

    Example: pfd properties toy/models/student --structure Cu.cif --kind elastic strain=0.01
    """
    from pfd.cli.properties import measure_and_show

    kinds = kind or ["equation_of_state", "elastic"]
    measure_and_show(
        model,
        structure,
        kinds,
        words or [],
        head=head,
        trust_file=trust_file,
        device=device,
        seed=seed,
        as_json=as_json,
    )


if __name__ == "__main__":
    main()
