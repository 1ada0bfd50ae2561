"""The help: every command has a panel and an example that is a command, and the shell completes what is here."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys

import click
import pytest
import typer

from pfd.cli.completion import complete_environments, complete_families, complete_labelers, complete_runs
from pfd.cli.main import app

PROGRAM = typer.main.get_command(app)


def commands(group=PROGRAM, words=()):
    """Every command with its words, those of sub-commands too."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group) or hasattr(command, "commands"):
            yield from commands(command, (*words, name))
        else:
            yield pytest.param((*words, name), command, id=" ".join((*words, name)))


def test_every_command_has_a_panel():
    panels = {name: getattr(command, "rich_help_panel", None) for name, command in PROGRAM.commands.items()}
    assert set(panels.values()) <= {"Inputs", "Runs", "Looking at runs", "Single steps on files", "What is installed"}
    assert panels["check"] == "Inputs"


@pytest.mark.parametrize(("words", "command"), list(commands()))
def test_every_command_has_an_example_of_its_own_options(words, command):
    found = re.search(r"Example: (.*)", " ".join((command.help or "").split()))
    assert found, "no example"
    for example in found[1].split(";"):
        told = shlex.split(example.strip().removeprefix("$(").partition(")")[0].partition(">")[0])
        name = [word for word in words if word != "INPUT"]
        assert told[: 1 + len(name)] == ["pfd", *name]
        options = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in told if word.startswith("-") and not word[1:2].isdigit()} <= options


def test_runs_and_inputs_are_completed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("silicon", "silver"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text(json.dumps({"name": name}))
    (tmp_path / "silent").mkdir()
    (tmp_path / "silicon.yaml").touch()
    (tmp_path / "silicon.cif").touch()
    (tmp_path / ".hidden.yaml").touch()
    assert complete_runs("sil") == ["silicon", "silicon.yaml", "silver"]
    assert complete_runs("") == ["silicon", "silicon.yaml", "silver"]
    assert complete_runs(f"{tmp_path}/silv") == [f"{tmp_path}/silver"]
    assert complete_runs("nowhere/x") == []


def test_families_and_labelers_are_completed():
    assert complete_families("s") == ["sevennet", "snap"]
    assert complete_labelers("es") == ["espresso"]
    assert "argo" in complete_environments("a")


def test_the_shell_is_answered(tmp_path):
    (tmp_path / "silicon").mkdir()
    (tmp_path / "silicon" / "run.json").touch()
    asked = {"_PFD_COMPLETE": "complete_bash", "COMP_WORDS": "pfd status s", "COMP_CWORD": "2"}
    code = "import sys; sys.argv = ['pfd']; from pfd.cli.main import app; app(prog_name='pfd')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, **asked},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["silicon"]
