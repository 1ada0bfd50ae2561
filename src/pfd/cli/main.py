"""``pfd``: the commands; each imports what it needs when it is called."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

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


InputFile = Annotated[Path, typer.Argument(help="Input file, YAML or JSON.", metavar="INPUT")]
RunArgument = Annotated[
    Path | None,
    typer.Argument(help="Run folder, or its input file; the only run here if not given.", metavar="RUN"),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""
_RUN, _LOOK, _FRAMES = "Run", "Look", "Frames"
environments = typer.Typer(
    no_args_is_help=True, help="Environments of model families that exclude each other, and of labelers."
)
app.add_typer(environments, name="env", rich_help_panel=_LOOK)


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
    help="Look for mistakes in an input (pfd check INPUT), or at labelled sets (pfd check data FILE...).",
)
app.add_typer(checks, name="check", rich_help_panel=_RUN)
FamilyName = Annotated[
    str, typer.Argument(help="Registered name of a family (pfd models lists them).", metavar="FAMILY")
]
IndexUrl = Annotated[
    str | None, typer.Option(help="An index besides pip's own, e.g. https://download.pytorch.org/whl/cpu.")
]

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


@app.command(rich_help_panel=_RUN)
def submit(
    input_file: Annotated[
        Path, typer.Argument(help="Input file, YAML or JSON; or a run folder, to go on with it.", metavar="INPUT")
    ],
    run: Annotated[Path | None, typer.Argument(help="Run folder; ./NAME of the input if not given.")] = None,
    until: Annotated[str | None, typer.Option(help="Pause after this step: select, label or train.")] = None,
    engine: Annotated[str, typer.Option(help="local, or argo: the whole loop on Kubernetes.")] = "local",
) -> None:
    """Run an input, or go on where it stopped.

    Exit code 0: converged, or paused where --until asked. 1: failed. 2: bad input. 3: finished without converging.
    130: interrupted.

    Example: pfd submit examples/toy/input.yaml
    """
    from pfd.cli.engine import require_engine
    from pfd.cli.submit import submit_and_show

    if require_engine(engine) == "argo":
        from pfd.cli.argo import submit_to_argo

        submit_to_argo(input_file, run, until)
        return
    try:
        code = submit_and_show(input_file, run, until)
    except KeyboardInterrupt:
        typer.echo("interrupted; the same command goes on where it was", err=True)
        code = INTERRUPTED
    raise typer.Exit(code)


@checks.command("INPUT")
def check(input_file: InputFile) -> None:
    """Look for mistakes in an input, and tell what it would run; nothing is started.

    Example: pfd check examples/toy/input.yaml
    """
    from pfd.cli.check import check_and_show

    check_and_show(input_file)


@app.command(rich_help_panel=_RUN)
def plan(
    input_file: InputFile,
    engine: Annotated[str, typer.Option(help="local, or argo: compile the workflow, and check it.")] = "local",
    yaml: Annotated[
        Path | None, typer.Option("--yaml", help="With --engine argo: write the workflow here.", metavar="FILE")
    ] = None,
) -> None:
    """Tell what an input would run; with --engine argo, as the workflow that Kubernetes would get. No server is asked.

    Example: pfd plan examples/kubernetes/input.yaml --engine argo --yaml workflow.yaml
    """
    from pfd.cli.plan import plan_and_show

    plan_and_show(input_file, engine, yaml)


@app.command(rich_help_panel=_RUN)
def download(run: RunArgument = None) -> None:
    """Bring a run folder up to what its run on Argo has done so far, and write its report.

    Example: pfd download silicon
    """
    from pfd.cli.argo import download_from_argo
    from pfd.cli.run_argument import find_run

    download_from_argo(find_run(run))


@app.command(rich_help_panel=_RUN)
def resubmit(
    run: RunArgument = None,
    from_step: Annotated[
        str | None, typer.Option("--from", help="Key of the first step that is done anew.", metavar="KEY")
    ] = None,
) -> None:
    """Submit a run on Argo again: what has succeeded is used again by its key. Other runs: submit the input again.

    Example: pfd resubmit silicon --from finetune-iter-001-train-0000
    """
    from pfd.cli.argo import resubmit_to_argo
    from pfd.cli.run_argument import find_run

    resubmit_to_argo(find_run(run), from_step)


@checks.command("data")
def check_data(
    files: Annotated[list[Path], typer.Argument(help="Labelled sets to train on.", metavar="FILE...")],
    against: Annotated[
        str | None,
        typer.Option(help="A model that was not trained on them: FAMILY:WEIGHTS or a model folder.", metavar="MODEL"),
    ] = None,
    test: Annotated[list[Path] | None, typer.Option(help="Labelled sets to test on.", metavar="FILE")] = None,
    labels: Annotated[
        list[str] | None,
        typer.Option(help="Key of a label: energy=KEY, forces=KEY, stress=KEY.", metavar="LABEL=KEY"),
    ] = None,
    file_format: Annotated[
        str | None, typer.Option("--format", help="Format of the files, where their names do not tell it.")
    ] = None,
    head: Annotated[str | None, typer.Option(help="Head of a multi-head model.")] = None,
    trust_file: Annotated[
        bool, typer.Option("--trust-file", help="Read a pickled module, which can run code that is in it.")
    ] = False,
    device: Annotated[str, typer.Option(help="Where the model runs: cpu or cuda.")] = "cpu",
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


@app.command(rich_help_panel=_LOOK)
def status(run: RunArgument = None, as_json: AsJson = False) -> None:
    """How far a run is: iterations, decisions, errors against limits, labels, models, tasks.

    Example: pfd status toy
    """
    from pfd.cli.run_argument import find_run
    from pfd.cli.status import show_status

    folder = find_run(run)
    show_status(folder, as_json)
    if not as_json and (folder / "argo" / "workflow.json").is_file():
        from pfd.cli.argo import show_workflow

        show_workflow(folder)


@app.command(rich_help_panel=_LOOK)
def report(run: RunArgument = None) -> None:
    """Write RUN/report.html, one self-contained page, and print the table of results; before the end, the status too.

    Example: pfd report toy
    """
    from pfd.cli.report import write_and_show
    from pfd.cli.run_argument import find_run

    write_and_show(find_run(run))


@app.command(rich_help_panel=_LOOK)
def models(
    family: Annotated[str | None, typer.Argument(help="A family, to read a model of it.", metavar="FAMILY")] = None,
    model: Annotated[
        str | None, typer.Argument(help="Its checkpoint, shipped weights or folder.", metavar="MODEL")
    ] = None,
    head: Annotated[str | None, typer.Option(help="Head of a multi-head model.")] = None,
    trust_file: Annotated[
        bool, typer.Option("--trust-file", help="Read a pickled module, which can run code that is in it.")
    ] = False,
    input_file: WithInput = None,
    as_json: AsJson = False,
) -> None:
    """The model families and what is installed of them; or what one model says of itself: heads, elements, cutoff.

    Example: pfd models; pfd models deepmd DPA-3.pt
    """
    from pfd.cli.inventory import show_card, show_models
    from pfd.errors import SettingError

    if family is None:
        show_models(as_json, input_file)
    elif model is None:
        raise SettingError("a family is named, and no model", hint="pfd models FAMILY MODEL, or pfd models for all")
    else:
        show_card(family, model, head, trust_file, as_json, input_file)


@app.command(rich_help_panel=_LOOK)
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


@app.command(rich_help_panel=_LOOK)
def schema(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print it for people: docs/input.md.")] = False,
) -> None:
    """Print the JSON schema of the input file, for editors that complete and check.

    Example: pfd schema > pfd.schema.json
    """
    from pfd.cli.schema import show_schema

    show_schema(markdown)


@app.command(rich_help_panel=_LOOK)
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


@app.command(rich_help_panel=_FRAMES)
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


@app.command(rich_help_panel=_FRAMES)
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


@environments.command("list")
def list_environments(as_json: AsJson = False) -> None:
    """Which families and labelers have an environment of their own, and what would be in it.

    Example: pfd env list
    """
    from pfd.cli.environment import show_environments

    show_environments(as_json)


@environments.command("create")
def create_environment(
    family: FamilyName,
    wheelhouse: Annotated[Path | None, typer.Option(help="Folder of wheels to take all packages from.")] = None,
    index_url: IndexUrl = None,
    anew: Annotated[bool, typer.Option("--anew", help="Remove it first if it is there.")] = False,
) -> None:
    """Build the environment of a family or labeler, which then runs there. An interrupted build goes on where it was.

    Example: pfd env create mace
    """
    from pfd.cli.environment import create_environment as create

    create(family, wheelhouse, index_url, anew)


@environments.command("wheels")
def fill_wheelhouse(
    family: FamilyName,
    folder: Annotated[Path, typer.Argument(help="Folder for the wheels.", metavar="DIR")],
    index_url: IndexUrl = None,
) -> None:
    """Download what create --wheelhouse needs on a machine without a network.

    Example: pfd env wheels mace wheels
    """
    from pfd.cli.environment import fill_wheelhouse as fill

    fill(family, folder, index_url)


@environments.command("remove")
def remove_environment(family: FamilyName) -> None:
    """Remove the environment of a family or labeler.

    Example: pfd env remove mace
    """
    from pfd.cli.environment import remove_environment as remove

    remove(family)


@environments.command("path")
def show_path(family: FamilyName) -> None:
    """Print the folder of the environment of a family or labeler.

    Example: $(pfd env path mace)/bin/python -c "import mace"
    """
    from pfd.cli.environment import show_path as show

    show(family)


if __name__ == "__main__":
    main()
