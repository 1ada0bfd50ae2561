"""The commands that do one step on files of frames: perturb, select, label, evaluate, properties."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pfd.cli.completion import complete_labelers
from pfd.cli.options import FRAMES, AsJson, Device, FileFormat, Force, Head, LabelKeys, Overrides, TrustFile
from pfd.cli.running import interruptible


def add_to(app: typer.Typer) -> None:
    """Make them commands of the program."""
    for command in (perturb, select, label, evaluate, properties):
        app.command(rich_help_panel=FRAMES)(command)


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
    force: Force = False,
) -> None:
    """Write randomly strained and displaced copies of structures to pert_STEM.extxyz.

    Example: pfd perturb Cu.cif -n 10 -c 0.03 -d 0.1 -r 2 2 2
    """
    from pfd.cli.perturb import perturb_files

    perturb_files(files, count, strain, displacement_A, style, fraction, repeat, seed, out, force=force)


def select(
    pool: Annotated[list[Path], typer.Argument(help="Files of frames to choose from.")],
    max_frames: Annotated[int, typer.Option("--max", min=1, help="Never more frames than this.")],
    out: Annotated[Path, typer.Option(help="Extended XYZ file for the chosen frames.")],
    reference: Annotated[list[Path] | None, typer.Option(help="Files of frames that have labels already.")] = None,
    method: Annotated[str, typer.Option(help="entropy, random, farthest, msc or mixed.")] = "entropy",
    score: Annotated[str | None, typer.Option(help="For entropy and mixed: mean (default), top or per_cost.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of random and mixed; 0 if not given.")] = None,
    min_gain_nats: Annotated[float | None, typer.Option(help="Stop where a pick gains less.")] = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Choose frames worth a label: sane, new, and different from what is known.

    Example: pfd select pool.extxyz --reference train.extxyz --max 24 --out chosen.extxyz
    """
    from pfd.cli.select import select_from_files

    select_from_files(pool, reference or [], max_frames, out, method, score, seed, min_gain_nats, as_json, force=force)


def label(
    frames: Annotated[Path, typer.Argument(help="File of frames: extended XYZ, or what ASE reads.", metavar="FRAMES")],
    out: Annotated[Path, typer.Option(help="Extended XYZ file for the labelled frames.")],
    words: Overrides = None,
    input_file: Annotated[
        Path | None, typer.Option("--input", help="Input whose finetune.label and resources say how.")
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(help="Or a labeler: tblite, espresso, vasp, family ...", autocompletion=complete_labelers),
    ] = None,
    file_format: FileFormat = None,
    as_json: AsJson = False,
    detach: Annotated[
        bool, typer.Option("--detach", help="Leave the driver in the background; its log is OUT.labels/driver.log.")
    ] = False,
) -> None:
    """Label frames by first principles (or a model), as a run does: by its engine, judged by its rules, resumable.

    What is done stands in OUT.labels, and is not done again. Exit code 0: all are labelled. 3: some were rejected, or
    a cap was reached. 4: waits for labels that you make. 1: failed. 2: bad input. 130: interrupted.

    Example: pfd label chosen.extxyz --method tblite finetune.label.hamiltonian=GFN1-xTB --out labelled.extxyz
    """
    from pfd.cli.label import LabelOptions, label_and_show
    from pfd.cli.words import only_overrides

    if detach:
        from pfd.cli.detach import leave_in_background

        raise typer.Exit(interruptible(lambda: leave_in_background(as_json=as_json, told_of="OUT.labels")))
    options = LabelOptions(input_file, method, out, file_format, only_overrides(words or []), as_json)
    raise typer.Exit(interruptible(lambda: label_and_show(frames, options)))


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


def properties(
    model: Annotated[str, typer.Argument(help="Model folder, such as RUN/models/student, or FAMILY:WEIGHTS.")],
    structure: Annotated[Path, typer.Option(help="Structure file, any that ASE reads.")],
    words: Annotated[
        list[str] | None,
        typer.Argument(help="Keys of evaluate.properties to set, e.g. strain=0.01.", metavar="KEY=VALUE"),
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
