"""``pfd doctor``: each family does once what a run asks of it; programs of labelers are looked for."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from pfd.cli.wide_table import show_table
from pfd.config.environment import families_of, require_used
from pfd.config.reading import read_input
from pfd.environments.environment import Environment
from pfd.environments.launch import HERE, EnvironmentSettings, Launch, launch_of
from pfd.models.environment import environment_of, install_hint
from pfd.models.family import Family
from pfd.models.training import make_family
from pfd.plugins import FAMILIES, LABELERS, load_plugin, missing_modules, plugin_names, unknown_name

LONGEST_SECONDS = 600.0
"""A self-test that takes longer counts as broken."""


def examine(names: Sequence[str], as_json: bool, input_file: Path | None = None) -> int:
    """Test families and labelers, print the findings, and return the exit code: 1 if something is broken.

    Args:
        names: which; all if none is named, or those of the input if there is one.
        as_json: print JSON instead of a table.
        input_file: an input whose ``environments`` say where families live.

    Raises:
        SettingError: if a name is neither a family nor a labeler, or the input has mistakes.
    """
    told, used = _of_input(input_file)
    known = [(FAMILIES, name) for name in plugin_names(FAMILIES)] + [
        (LABELERS, name) for name in plugin_names(LABELERS)
    ]
    wanted = [(group, name) for group, name in known if name in (names or used or [each for _, each in known])]
    for name in names:
        if name not in (there := {each for _, each in known}):
            raise unknown_name(name, "families and labelers", there)
    rows = []
    console = Console(stderr=True)
    with console.status("") as status:
        for group, name in wanted:
            kind = "family" if group == FAMILIES else "labeler"
            status.update(f"testing the {kind} {name}")
            if not console.is_terminal:
                print(f"testing the {kind} {name}", file=sys.stderr, flush=True)
            rows.append(_family(make_family(name), told.get(name)) if group == FAMILIES else _labeler(name))
    if as_json:
        print(json.dumps(rows, indent=1))
    else:
        _show(rows)
    return int(any(row["state"] == "BROKEN" for row in rows))


def _of_input(path: Path | None) -> tuple[Mapping[str, EnvironmentSettings], list[str]]:
    """Where the families of an input live, and the names of its families and its labeler; nothing without one.

    Raises:
        SettingError: if the input has mistakes, or ``environments`` names what it does not use.
    """
    if path is None:
        return {}, []
    resolved = read_input(path)
    require_used(resolved)
    labeler = [] if resolved.labeler is None else [resolved.labeler.method]
    return resolved.input.environments, [*(family.name for _, family in families_of(resolved)), *labeler]


def _show(rows: list[dict[str, Any]]) -> None:
    table = Table(title="What works here")
    for column in ("kind", "name", "state", "where", "what"):
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(str(row[column]).replace("[", "\\[") for column in ("kind", "name", "state", "where", "what")))
    show_table(table)
    for line in _mends(rows):
        Console(soft_wrap=True, highlight=False).print(line, markup=False)  # a table would break long commands


def _mends(rows: list[dict[str, Any]]) -> Iterator[str]:
    for command in dict.fromkeys(row["mend"] for row in rows if row["mend"]):
        names = ", ".join(row["name"] for row in rows if row["mend"] == command)
        yield f"for {names}: {command}"


def _labeler(name: str) -> dict[str, Any]:
    labeler = load_plugin(LABELERS, name)
    launch = launch_of(name, labeler.packages, labeler.modules)
    missing = missing_modules(labeler.modules) if launch is None else []
    missing += [program for program in labeler.programs if shutil.which(program) is None]
    return {
        "kind": "labeler",
        "name": name,
        "state": "MISSING" if missing else "FOUND",
        "where": launch.what if launch is not None and labeler.packages else "",
        "what": ", ".join(missing),
        "mend": labeler.install if missing else "",
    }


def _family(family: Family, told: EnvironmentSettings | None) -> dict[str, Any]:
    environment = environment_of(family)
    launch = launch_of(family.name, family.packages, family.modules, told)
    row = {"kind": "family", "name": family.name, "where": launch.what if launch else "", "mend": ""}
    if launch is None:
        state = environment.state()
        what = ", ".join(missing_modules(family.modules)) + ("; its build did not end" if state == "unfinished" else "")
        return row | {"state": "MISSING", "what": what, "mend": install_hint(family)}
    answer = _self_test(launch, family.name)
    if "error" in answer:
        mend = _repair(family, environment, launch) if told is None else f"correct environments.{family.name}"
        return row | {"state": "BROKEN", "what": answer["error"], "mend": mend}
    if "untested" in answer:
        return row | {"state": "UNTESTED", "what": answer["untested"]}
    what = ", ".join(f"{part} {seconds:.1f} s" for part, seconds in answer["seconds"].items())
    return row | {"state": "PASS", "what": what}


def _repair(family: Family, environment: Environment, launch: Launch) -> str:
    if launch == HERE and family.packages:
        packages = " ".join(f'"{package}"' for package in family.packages)
        return (
            f"pip install --force-reinstall {packages}, or in an environment of its own: pfd env create {family.name}"
        )
    return f"pfd env create {family.name} --anew" if environment.state() == "built" else install_hint(family)


def _self_test(launch: Launch, name: str) -> dict[str, Any]:
    command = launch.command("-P", "-m", "pfd.testing.self_test", name)
    try:
        done = subprocess.run(
            command, env=launch.environ(), capture_output=True, text=True, timeout=LONGEST_SECONDS, check=False
        )
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired:
        return {"error": f"the self-test took more than {LONGEST_SECONDS:g} s"}
    except OSError as error:
        return {"error": f"cannot be started: {error}"}
    except (IndexError, json.JSONDecodeError):
        last = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
        return {"error": f"the self-test ended without an answer: {last}"}
    return answer
