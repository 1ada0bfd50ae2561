"""``pfd models`` and ``pfd doctor``: what is here, what is missing, and the command that mends it."""

from __future__ import annotations

import json
import shutil
from typing import Any

from rich.console import Console
from rich.table import Table

from pfd.models.training import make_family
from pfd.plugins import FAMILIES, LABELERS, install_command, load_plugin, missing_modules, plugin_names


def show_models(as_json: bool) -> None:
    """Print the families."""
    rows = [_family(name) for name in plugin_names(FAMILIES)]
    _show(rows, as_json, "Model families", ("family", "installed", "teacher", "student", "lammps", "weights"))


def show_doctor(as_json: bool) -> None:
    """Print what each family and labeler lacks."""
    rows = [
        {"kind": "family", "name": row["family"], "state": row["installed"], "mend": row["mend"]}
        for row in (_family(name) for name in plugin_names(FAMILIES))
    ]
    for name in plugin_names(LABELERS):
        labeler = load_plugin(LABELERS, name)
        missing = missing_modules(labeler.modules) + [p for p in labeler.programs if shutil.which(p) is None]
        state = f"missing: {', '.join(missing)}" if missing else "yes"
        rows.append({"kind": "labeler", "name": name, "state": state, "mend": labeler.install if missing else ""})
    _show(rows, as_json, "What is installed", ("kind", "name", "state"))


def _family(name: str) -> dict[str, Any]:
    family = make_family(name)
    missing = missing_modules(family.modules)
    return {
        "family": name,
        "installed": f"missing: {', '.join(missing)}" if missing else "yes",
        "teacher": "yes" if family.FineTuneSettings is not None else "no",
        "student": "yes" if family.FitSettings is not None else "no",
        "lammps": "yes" if type(family).lammps_potential is not _no_potential() else "no",
        "weights": ", ".join(family.shipped) or "from a file",
        "mend": install_command(family.extra) if missing and family.extra else "",
    }


def _no_potential() -> Any:
    from pfd.models.family import Family

    return Family.lammps_potential


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
    Console().print(table)
    key = "name" if "name" in columns else "family"
    for command in dict.fromkeys(row["mend"] for row in rows if row["mend"]):
        names = ", ".join(str(row[key]) for row in rows if row["mend"] == command)
        console.print(f"for {names}: {command}", markup=False)  # outside the table, which would break long lines
