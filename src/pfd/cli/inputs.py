"""The commands about input files: a new one, an older one made today's, and what one would run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pfd.cli.completion import complete_families, complete_labelers
from pfd.cli.options import INPUT, AsJson, InputFile, Overrides


def add_to(app: typer.Typer) -> None:
    """Make them commands of the program."""
    for command in (init, plan, convert):
        app.command(rich_help_panel=INPUT)(command)


def init(
    words: Overrides = None,
    structure: Annotated[Path | None, typer.Option(help="Structure file of the material.")] = None,
    goal: Annotated[str | None, typer.Option(help="finetune, distill or both.")] = None,
    family: Annotated[
        str | None, typer.Option(help="Family of the pre-trained model; chgnet.", autocompletion=complete_families)
    ] = None,
    model: Annotated[str | None, typer.Option(help="Its shipped weights, or a checkpoint.")] = None,
    label: Annotated[
        str | None,
        typer.Option(help="Who labels; tblite, or toy for the family toy.", autocompletion=complete_labelers),
    ] = None,
    student: Annotated[
        str | None,
        typer.Option(help="Family of the student; pod, or toy for the family toy.", autocompletion=complete_families),
    ] = None,
    temperature_K: Annotated[
        list[float] | None, typer.Option("--temperature-K", min=0.1, help="Temperature to explore at; may be repeated.")
    ] = None,
    out: Annotated[Path, typer.Option(help="File to write.")] = Path("input.yaml"),
) -> None:
    """Write a commented input for a material and a goal, and the schema by which editors complete and check it.

    Asks in a terminal for what was not given. Nothing is overwritten.

    Example: pfd init --structure Si8.cif --goal both --label tblite
    """
    from pfd.cli.init import Flags, write_input
    from pfd.cli.words import only_overrides

    flags = Flags(structure, goal, family, model, label, student, tuple(temperature_K or (300.0, 900.0)))
    write_input(flags, out, only_overrides(words or []))


def convert(
    input_file: Annotated[Path, typer.Argument(help="Input of PFD-kit 0.10.", metavar="OLD.json")],
    out: Annotated[Path | None, typer.Option(help="File to write; printed if not given.")] = None,
) -> None:
    """Turn an input of PFD-kit 0.10 into today's, with a comment on each value that changed, and on what has no effect.

    Example: pfd convert old.json --out input.yaml
    """
    from pfd.cli.convert import convert_file

    convert_file(input_file, out)


def plan(
    input_file: InputFile,
    words: Overrides = None,
    engine: Annotated[str, typer.Option(help="local, or argo: compile the workflow, and check it.")] = "local",
    yaml: Annotated[
        Path | None, typer.Option("--yaml", help="With --engine argo: write the workflow here.", metavar="FILE")
    ] = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="Time the teacher first, for seconds; later plans remember it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Tell what an input would run: tasks, labels at most, time, disk, and what of an existing run would be reused.

    Times are those of this run, else of earlier ones on this host, or of --measure; each tells where it comes from.
    With --engine argo, the workflow that Kubernetes would get is compiled and checked; no server is asked.

    Example: pfd plan examples/toy/input.yaml --measure
    """
    from pfd.cli.plan import PlanOptions, plan_and_show
    from pfd.cli.words import only_overrides

    plan_and_show(input_file, only_overrides(words or []), PlanOptions(engine, yaml, measure, as_json))
