"""``pfd models``: the families, what is installed of them, and what a model says of itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from pfd.cli.wide_table import show_table
from pfd.config.environment import told_by_input
from pfd.environments.launch import HERE, EnvironmentSettings, launch_of
from pfd.errors import SettingError
from pfd.models.environment import install_hint, launch_for, read_card
from pfd.models.family import MODEL_FILE, Family, read_model
from pfd.models.training import make_family
from pfd.plugins import FAMILIES, missing_modules, plugin_names
from pfd.wording import shell_word

COLUMNS = ("family", "installed", "teacher", "student", "lammps", "weights")


def show_models(as_json: bool, input_file: Path | None = None) -> None:
    """Print the families; an input may say where they live.

    Raises:
        SettingError: if the input has mistakes.
    """
    told = told_by_input(input_file)
    rows = [_family(name, told.get(name)) for name in plugin_names(FAMILIES)]
    _show(rows, as_json, "Model families", COLUMNS)


def show_family(name: str, as_json: bool, input_file: Path | None = None) -> None:
    """Print one family, and the commands that read its shipped weights.

    Raises:
        SettingError: if there is no such family, or the input has mistakes.
    """
    family = make_family(name)
    _show([_family(name, told_by_input(input_file).get(name))], as_json, f"The family {name}", COLUMNS)
    if as_json:
        return
    for weights in family.shipped:
        print(f"pfd models {name} {shell_word(weights)}")
    if not family.shipped and family.FineTuneSettings is not None:
        print(f"no weights come with it: pfd models {name} FILE reads a checkpoint")
    for weights, source in family.downloads.items():
        print(f"{weights}: {source}")


def show_card(
    name: str, model: str, head: str | None, trust_file: bool, as_json: bool, input_file: Path | None = None
) -> None:
    """Print what a checkpoint, shipped weights or a model folder say of themselves.

    Raises:
        SettingError: if the input that says where the family lives has mistakes, or an option has no effect.
        ModelError: if it is no model of the family.
        MissingError: if the family's packages are nowhere.
    """
    family = make_family(name)
    path = Path(model)
    if trust_file and not family.pickles:
        what = f"checkpoints of {name!r} are never read in a way that could run code"
        raise SettingError(what, where="--trust-file", hint="leave it out")
    if (path / MODEL_FILE).is_file():
        if head is not None or trust_file:
            what = "a model folder says its head itself, and is never trusted to run code"
            raise SettingError(what, where="--trust-file" if head is None else "--head", hint="leave it out")
        card = read_model(path).card
    else:
        card = read_card(family, model, head, trust_file, launch_for(family, told_by_input(input_file)))
    if as_json:
        print(card.model_dump_json(indent=1))
        return
    units = {"cutoff_A": " Å"}
    for key, value in card.model_dump().items():
        text = ", ".join(value) if isinstance(value, tuple) else str(value)
        if value not in (None, "", ()):
            print(f"{key.removesuffix('_A').replace('_', ' '):16} {text}{units.get(key, '')}")


def _family(name: str, told: EnvironmentSettings | None) -> dict[str, Any]:
    family = make_family(name)
    launch = launch_of(name, family.packages, family.modules, told)
    missing = ", ".join(missing_modules(family.modules))
    elsewhere = "own environment" if told is None else "as the input says"
    return {
        "family": name,
        "installed": f"missing: {missing}" if launch is None else "yes" if launch == HERE else elsewhere,
        "teacher": "yes" if family.FineTuneSettings is not None else "no",
        "student": "yes" if family.FitSettings is not None else "no",
        "lammps": "yes" if type(family).lammps_potential is not Family.lammps_potential else "no",
        "weights": ", ".join(family.shipped) or ("from a file" if family.FineTuneSettings is not None else ""),
        "mend": install_hint(family) if launch is None else "",
    }


def _show(rows: list[dict[str, Any]], as_json: bool, title: str, columns: tuple[str, ...]) -> None:
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    table = Table(title=title)
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*(str(row[column]).replace("[", "\\[") for column in columns))
    console = Console(soft_wrap=True, highlight=False)
    show_table(table)
    for command in dict.fromkeys(row["mend"] for row in rows if row["mend"]):
        names = ", ".join(str(row["family"]) for row in rows if row["mend"] == command)
        console.print(f"for {names}: {command}", markup=False)  # outside the table, which would break long lines
