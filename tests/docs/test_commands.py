"""Every line of shell in the docs is run, or its command line taken apart; none is passed over."""

from __future__ import annotations

import re
import shlex

import pytest
import typer
from tests.conftest import NEEDS, REQUIRED, lacks
from tests.docs.blocks import ROOT, named_commands, shell_lines
from tests.docs.lines import LINES, SWAPS
from typer.testing import CliRunner

from pfd.cli.main import app
from pfd.errors import PFDError

PROGRAM = typer.main.get_command(app)
SHELL = shell_lines()
BY_KIND = {
    kind: sorted({line.text for line in SHELL if line.text in LINES and LINES[line.text].kind == kind})
    for kind in ("run", "check", "parsed", "not ours")
}


def swapped(text):
    """A line of the docs in the words of the test's folder."""
    for old, new in (*LINES[text].swaps, *SWAPS.items()):
        text = re.sub(rf"(?<![\w.-]){re.escape(old)}(?![\w-])", new, text)
    return text


RUNS = list({swapped(text): text for text in BY_KIND["run"]}.values())
"""Lines to run, those once that are the same in the test's folder."""


def words_of(text):
    """The arguments of a command line of pfd; what it prints goes nowhere, and what may be left out is there."""
    return shlex.split(re.sub(r" > .*", "", text).translate(str.maketrans("", "", "[]")))[1:]


def invoke(words):
    """The exit code of a command that runs in this process, and what it says."""
    done = CliRunner().invoke(app, words)
    if isinstance(done.exception, PFDError):
        return done.exception.exit_code, str(done.exception)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.output


def command_of(words):
    """The command that the words name, and the words after it; None if they name none."""
    command, rest = PROGRAM, list(words)
    while hasattr(command, "commands"):
        name = rest.pop(0) if rest and rest[0] in command.commands else "INPUT"
        if name not in command.commands:
            return None, rest
        command = command.commands[name]
    return command, rest


def require(how):
    """Skip, or fail where PFD_REQUIRE says so, if what the line needs is not there."""
    for name in how.needs:
        reason = lacks(name)
        if reason and name in REQUIRED:
            pytest.fail(f"PFD_REQUIRE names {name}, but {reason}")
        if reason:
            pytest.skip(reason)
        assert name in NEEDS


@pytest.mark.parametrize("line", SHELL, ids=lambda line: f"{line.page}:{line.line}")
def test_somebody_has_decided_how_the_line_is_tested(line):
    assert line.text in LINES, f"{line.page}:{line.line}: say in tests/docs/lines.py how {line.text!r} is tested"
    how = LINES[line.text]
    assert how.why or how.kind in {"run", "check"}, "say why it is not run"
    assert (how.kind == "not ours") == (not line.text.startswith(("pfd ", "$(pfd ")))


def test_no_line_of_the_table_has_left_the_docs():
    assert set(LINES) == {line.text for line in SHELL}


@pytest.mark.parametrize("text", RUNS)
def test_it_runs(text, here):
    how = LINES[text]
    require(how)
    if how.without:
        (here / how.without).unlink()
    code, said = invoke(words_of(swapped(text)))
    assert code == how.code, said


@pytest.mark.parametrize("text", BY_KIND["check"])
def test_what_it_would_submit_has_no_mistake(text, here):
    require(LINES[text])
    code, said = invoke(["check", *words_of(text)[1:]])
    assert code == LINES[text].code, said


@pytest.mark.parametrize("text", [*BY_KIND["parsed"], *BY_KIND["run"], *BY_KIND["check"]])
def test_its_words_are_taken(text):
    command, rest = command_of(words_of(re.sub(r"\$\((.*?)\).*", r"\1", text)))
    assert command is not None, f"no such command: {text}"
    command.make_context("pfd", rest)  # raises if an option is unknown, or an argument missing or of another type


@pytest.mark.parametrize("line", named_commands(), ids=lambda line: f"{line.page}:{line.line}")
def test_commands_in_a_sentence_exist_and_have_these_options(line):
    words = [word.rstrip(",;") for word in line.text.translate(str.maketrans("", "", "[]")).split()[1:]]
    if words[0].isupper():
        return  # pfd COMMAND: any
    command, rest = command_of(words)
    assert command is not None or words[0] in PROGRAM.commands, f"no such command: {line.text}"
    known = {name for each in getattr(command, "params", ()) for name in each.opts} | {"--help", "-h"}
    assert {word.split("=")[0] for word in rest if word.startswith("-")} <= known, line.text


def test_targets_and_extras_are_there():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for line in SHELL:
        if line.text.startswith("make "):
            assert re.search(rf"^{line.text.split()[1]}:", makefile, re.MULTILINE), line
        for extras in re.findall(r'(?:pfd-kit|"\.)\[([\w,]+)\]', line.text):
            assert all(re.search(rf"^{name} = \[", pyproject, re.MULTILINE) for name in extras.split(",")), line
