"""Every line of shell in the docs is run, or its command line taken apart; none is passed over."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
import typer
from tests.cli.conftest import wait_for
from tests.docs.blocks import ROOT, named_commands, printed_after, shell_lines
from tests.docs.lines import LINES, SWAPS
from typer.testing import CliRunner

from pfd.cli.environment import tenants
from pfd.cli.main import app
from pfd.errors import PFDError
from pfd.workflow.driver_lock import driver_of

PROGRAM = typer.main.get_command(app)
SHELL = shell_lines()
BY_KIND = {
    kind: sorted({line.text for line in SHELL if line.text in LINES and LINES[line.text].kind == kind})
    for kind in ("run", "in order", "process", "check", "parsed", "not ours")
}


def swapped(text):
    """A line of the docs in the words of the test's folder."""
    for old, new in (*LINES[text].swaps, *SWAPS.items()):
        text = re.sub(rf"(?<![\w.-]){re.escape(old)}(?![\w-])", new, text)
    return text


RUNS = list({(LINES[text].given, swapped(text)): text for text in BY_KIND["run"]}.values())
"""Lines to run, those once that are the same in the test's folder."""
IN_ORDER = {
    given: [text for text in LINES if LINES[text].kind == "in order" and LINES[text].given == given]
    for given in sorted({LINES[text].given for text in BY_KIND["in order"]})
}


def params(texts):
    """Texts for a test, with the markers of what they need."""
    return [pytest.param(text, marks=[getattr(pytest.mark, name) for name in LINES[text].needs]) for text in texts]


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


def started(text, *more):
    """A command of the docs in a process of its own, with its output in pipes."""
    command = [sys.executable, "-m", "pfd.cli.main", *words_of(swapped(text)), *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def shell(text):
    """The exit code of a line that is not of pfd alone, and what it says; what is within $(...) runs here."""
    for inner in re.findall(r"\$\((.*?)\)", text):
        code, said = invoke(words_of(inner))
        assert code == 0, said
        text = text.replace(f"$({inner})", said.strip())
    done = subprocess.run(["bash", "-c", text], capture_output=True, text=True, timeout=300, check=False)
    return done.returncode, done.stdout + done.stderr


def prints(text, said):
    """Hold what the pages quote of a command's output against what it says; numbers and folders are other ones."""
    for line in printed_after(text):
        pattern = re.sub(r"\d+", r"\\d+", re.escape(line).replace(r"\.\.\.", ".*"))
        pattern = re.sub(r"/home/me/\w+|\b(?:silicon|anatase)\b", r"[^\\s;]+", pattern)
        assert re.search(f"^{pattern}$", said, re.MULTILINE), f"{text!r} does not print {line!r}, but:\n{said}"


@pytest.mark.parametrize("line", SHELL, ids=lambda line: f"{line.page}:{line.line}")
def test_somebody_has_decided_how_the_line_is_tested(line):
    assert line.text in LINES, f"{line.page}:{line.line}: say in tests/docs/lines.py how {line.text!r} is tested"
    how = LINES[line.text]
    assert how.why or how.kind not in {"parsed", "not ours"}, "say why it is not run"
    assert how.kind != "not ours" or not line.text.startswith(("pfd ", "$(pfd "))


def test_no_line_of_the_table_has_left_the_docs():
    assert set(LINES) == {line.text for line in SHELL}


@pytest.mark.parametrize("text", params(RUNS))
def test_it_runs(text, here, request):
    how = LINES[text]
    if how.given:
        request.getfixturevalue(how.given)
    if how.without:
        (here / how.without).unlink()
    code, said = invoke(words_of(swapped(text)))
    assert code == how.code, said
    prints(text, said)


@pytest.mark.parametrize(
    "given", [pytest.param(given, marks=params(texts)[0].marks) for given, texts in IN_ORDER.items()]
)
def test_they_run_one_after_the_other(given, here, request):
    request.getfixturevalue(given)
    for text in IN_ORDER[given]:
        line = swapped(text)
        code, said = invoke(words_of(line)) if line.startswith("pfd ") else shell(line)
        assert code == LINES[text].code, f"{text}: {said}"


def test_what_is_left_in_the_background_goes_on_until_it_is_stopped(endless):
    """The input first, then the folder of its run, which goes on; and a file of frames."""
    for text in [text for text in LINES if text.endswith("--detach")]:
        said, complaint = started(text).communicate(timeout=120)
        driven = re.search(r" drives (\S+) in the background", said)
        assert driven is not None, complaint
        run = Path(driven[1])
        try:
            assert driver_of(run) is not None, (run / "driver.log").read_text()
            wait_for(lambda run=run: list(run.glob("resolved-*")))
            prints(text, said)
        finally:
            code, answer = invoke(["stop", str(run)])
        assert code == 0, answer
        assert driver_of(run) is None


def test_what_is_served_is_the_page_of_the_run(here):
    (here / "toy" / "report-data.json").unlink()  # a page without plots
    process = started("pfd report toy --serve")
    try:
        address = re.match(r"http://[\w.:]+/", process.stdout.readline())
        with urllib.request.urlopen(address[0], timeout=60) as answer:
            assert "<h1>toy" in answer.read().decode()
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 0


def test_every_line_that_needs_a_process_has_a_test_above():
    served = "pfd report toy --serve"
    assert [text for text in BY_KIND["process"] if not text.endswith("--detach")] == [served]


@pytest.mark.parametrize("text", params(BY_KIND["check"]))
def test_what_it_would_submit_has_no_mistake(text, here):
    code, said = invoke(["check", *words_of(text)[1:]])
    assert code == LINES[text].code, said


@pytest.mark.parametrize("text", [text for text in LINES if re.match(r"(\$\()?pfd ", text)])
def test_its_words_are_taken(text):
    command, rest = command_of(words_of(re.sub(r"\$\((.*?)\).*", r"\1", text)))
    assert command is not None, f"no such command: {text}"
    if command_of(["env", "create"])[0] is command:
        assert rest[0] in {tenant.name for tenant in tenants()}, f"nothing is called so: {text}"
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
