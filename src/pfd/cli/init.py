"""``pfd init``: a commented input for a material and a goal, and the schema by which editors complete and check it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_args

import typer

from pfd.cli.out_file import require_new
from pfd.config.commented import commented_yaml, value_text
from pfd.config.new_input import POOL_KEY, Goal, Wish, label_form, new_input
from pfd.config.overrides import with_overrides
from pfd.errors import DataError, SettingError
from pfd.models.family import Family
from pfd.plugins import FAMILIES, LABELERS, load_plugin, plugin_names
from pfd.wording import shell_word

SCHEMA = "pfd.schema.json"
GOALS = get_args(Goal)


@dataclass(frozen=True)
class Flags:
    """What was given on the command line; None is what is asked for, or has a default."""

    structure: Path | None
    goal: str | None
    family: str | None
    model: str | None
    label: str | None
    student: str | None
    temperatures: tuple[float, ...]


def write_input(flags: Flags, out: Path, overrides: Sequence[str]) -> None:
    """Write the input and the schema; nothing is written over, and nothing if there is a mistake.

    Args:
        flags: what was given.
        out: the input file.
        overrides: keys to set, such as what a labeler needs.

    Raises:
        SettingError: naming the flags that are missing, or what is wrong.
        DataError: if the structure cannot be read.
    """
    from pfd.config.reading import resolve
    from pfd.config.schema import input_schema
    from pfd.frames.structures import read_starting

    require_new(out, "--out")
    if out.suffix not in {".yaml", ".yml"}:
        raise SettingError("what is written is YAML, for its comments", where=f"--out {out}", hint="name it input.yaml")
    asks = _is_terminal()
    wish, file = _wish(flags, out, asks=asks)
    frame = read_starting(file)[0]
    content, comments = new_input(wish, frame)
    content, _ = with_overrides(content, overrides)
    form: dict[str, str] = {}
    if "finetune" in content and isinstance(label := content["finetune"].get("label"), dict):
        form = _complete(label, sorted(set(frame.get_chemical_symbols())), asks=asks)
    resolve(content, out.resolve().parent, str(out))
    schema = json.dumps(input_schema(), indent=1, ensure_ascii=False) + "\n"
    beside = out.parent / SCHEMA
    if beside.exists() and beside.read_text(encoding="utf-8") != schema:
        hint = f"remove it, or write it anew: pfd schema > {shell_word(beside)}"
        raise SettingError("it is there already, and of another version", where=str(beside), hint=hint)
    text = "\n".join([f"# yaml-language-server: $schema={SCHEMA}", commented_yaml(content, comments | form)])
    if not beside.exists():
        with beside.open("x", encoding="utf-8") as stream:
            stream.write(schema)
    with out.open("x", encoding="utf-8") as stream:
        stream.write(text)
    typer.echo(f"{out} and {beside} are written")
    to_complete = [] if asks else list(form)
    if wish.label == "stored" and wish.goal != "distill":
        to_complete.append(POOL_KEY)
    if to_complete:
        typer.echo(f"complete it, for what stands there is an example: {', '.join(to_complete)}")
    typer.echo(f"next: pfd check {shell_word(out)}; pfd submit {shell_word(out)}")


def _is_terminal() -> bool:
    """Whether there is somebody to ask."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def _wish(flags: Flags, out: Path, *, asks: bool) -> tuple[Wish, Path]:
    """What is wanted, asked for where it was not given and there is somebody to ask; and the structure file."""
    if flags.structure is not None:
        _require_structure(flags.structure)
    missing = [] if asks else _missing(flags)
    if missing:
        hint = "name them, or call pfd init in a terminal, which asks"
        raise SettingError(f"missing: {', '.join(missing)}", where="pfd init", hint=hint)
    file = flags.structure or Path(typer.prompt("structure file (cif, POSCAR, extxyz ...)"))
    _require_structure(file)
    goal = flags.goal or typer.prompt(f"goal ({', '.join(GOALS)})", default="both")
    if goal not in GOALS:
        raise SettingError(f"{goal!r} is no goal", where="--goal", hint=f"write {', '.join(GOALS)}")
    for option, value, useless in (("--label", flags.label, "distill"), ("--student", flags.student, "finetune")):
        if value is not None and goal == useless:
            raise SettingError(f"without effect: the goal is {goal}", where=option, hint="leave it out, or write both")
    family = flags.family or (_asked("pre-trained model: family", FAMILIES, "chgnet") if asks else "chgnet")
    shipped = _family(family).shipped
    model = flags.model or (shipped[0] if shipped else None) or typer.prompt("checkpoint file")
    labels, students = ("toy", "toy") if family == "toy" else ("tblite", "pod")
    label = flags.label or (_asked("who labels", LABELERS, labels) if asks and goal != "distill" else labels)
    asks_student = asks and goal != "finetune"
    student = flags.student or (_asked("student: family", FAMILIES, students) if asks_student else students)
    beside = not file.is_absolute()
    named = os.path.relpath(file.resolve(), out.resolve().parent) if beside else str(file)
    if model not in shipped and not Path(model).is_absolute():
        model = os.path.relpath(Path(model).resolve(), out.resolve().parent)
    return Wish(named, cast("Goal", goal), family, model, label, student, flags.temperatures), file


def _require_structure(file: Path) -> None:
    if not file.is_file():
        raise DataError("no such structure file", where=str(file), hint="name a file that ASE reads")


def _missing(flags: Flags) -> list[str]:
    """Flags without which nothing can be written."""
    missing = ["--structure FILE"] if flags.structure is None else []
    missing += [f"--goal {'|'.join(GOALS)}"] if flags.goal is None else []
    family = flags.family or "chgnet"
    if flags.model is None and not _family(family).shipped:
        missing.append(f"--model FILE (weights of {family} have to be downloaded)")
    return missing


def _family(name: str) -> type[Family]:
    family: type[Family] = load_plugin(FAMILIES, name, "--family")
    return family


def _asked(question: str, group: str, usual: str) -> str:
    return str(typer.prompt(f"{question} ({', '.join(plugin_names(group))})", default=usual))


def _complete(label: dict[str, Any], elements: Sequence[str], *, asks: bool) -> dict[str, str]:
    """Write the form of what a labeler needs, or ask for it; the reader of the input tells the rest.

    Returns:
        Dotted key -> comment of what was written.

    Raises:
        SettingError: if it needs what its form does not have and nobody is there to ask.
    """
    from pfd.config.yaml_file import parse_value

    method = label.get("method")
    if not isinstance(method, str):
        return {}
    form = label_form(method, elements, label)
    fields = load_plugin(LABELERS, method, "--label").Settings.model_fields
    unknown = [name for name, field in fields.items() if field.is_required() and name not in label and name not in form]
    if unknown and not asks:
        told = " ".join(f"finetune.label.{name}=..." for name in unknown)
        raise SettingError(f"labels by {method} need more", where="pfd init", hint=f"add {told}")
    for name in (*form, *unknown):
        key = f"finetune.label.{name}"
        if not asks:
            label[name] = form[name][0]
            continue
        typer.echo(fields[name].description or form[name][1])
        try:
            label[name] = parse_value(typer.prompt(key, default=value_text(form[name][0]) if name in form else None))
        except ValueError as error:
            raise SettingError(f"no value: {error}", where=key, hint="write it as YAML") from error
    return {f"finetune.label.{name}": comment for name, (_, comment) in form.items()}
