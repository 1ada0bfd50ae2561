"""Watching: lines for people and scripts, and exit codes of runs that have ended."""

from __future__ import annotations

import json

import pytest
from tests.cli.conftest import pfd

from pfd.cli.progress import Follower, JsonDisplay, LiveDisplay, PlainDisplay
from pfd.cli.watch import exit_code_of, watch_and_show
from pfd.workflow.driver_lock import driver_lock
from pfd.workflow.look import Look
from pfd.workflow.run_folder import take_folder


@pytest.fixture
def run(tmp_path):
    take_folder(tmp_path / "run", "toy")
    return tmp_path / "run"


def write_events(run, *events):
    lines = [json.dumps({"time": float(time), "event": event, **fields}) for time, event, fields in events]
    (run / "journal.jsonl").write_text("".join(line + "\n" for line in lines))


END = {"superseded": []}
"""What every last event has."""


@pytest.mark.parametrize(
    ("event", "fields", "code"),
    [
        ("end", {"status": "converged"}, 0),
        ("end", {"status": "not_converged"}, 3),
        ("end", {"status": "failed", "exit_code": 2, "error": "no such file"}, 2),
        ("end", {"status": "failed", "error": "?"}, 1),
        ("paused", {"after": "select", "message": ""}, 0),
        ("paused", {"after": "external labels", "message": "put files there"}, 4),
        ("interrupted", {}, 130),
    ],
)
def test_it_ends_with_the_exit_code_of_the_run(run, event, fields, code, capsys):
    write_events(run, (0, "submit", {}), (1, event, END | fields), (2, "stop", {"by": "me"}))
    assert exit_code_of(run) == code
    assert watch_and_show(run, as_json=False) == code
    assert "toy: " in capsys.readouterr().out


def test_json_lines_tell_changes_only(capsys):
    display = JsonDisplay()
    with display:
        for look in (Look("running", "", None, done=1), Look("running", "", None, done=1, seconds=5.0)):
            display.show(look, [])
        display.show(Look("running", "", None, done=2), [{"event": "lost"}])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["done"], len(line["events"])) for line in lines] == [(1, 0), (2, 1)]


@pytest.mark.parametrize("kind", [LiveDisplay, PlainDisplay])
def test_what_has_happened_goes_by_and_names_with_brackets_are_no_markup(kind):
    from rich.console import Console

    console = Console(record=True, force_terminal=True, width=200)
    events = [
        {"event": "finished", "place": "finetune/iter-000/label", "step": "label", "total": 8, "done": 7},
        {"event": "finished", "place": "finetune/iter-000/plan", "step": "plan", "total": 1},
        {"event": "lost", "task": "a/b/c", "message": "[red]killed[/red] [oops"},
        {"event": "decision", "loop": "finetune", "iteration": 0, "action": "give_up", "reason": "enough"},
        {"event": "said", "words": "level of theory: [PBE]"},
    ]
    events = [{"time": 1000.0 + 7.5 * index} | event for index, event in enumerate(events)]
    group = {"place": "finetune/iter-000/train", "step": "train", "total": 2, "running": 1, "failed": 1}
    look = Look("running", "", None, text="[epoch 3", begin=1000.0, seconds=99.0, **group)
    with kind(console) as display:
        display.show(look, events)
    text = console.export_text()
    for words in ("label: 7 of 8 done", "failed: a/b/c: [red]killed[/red] [oops", "0: given up (enough)", "[PBE]"):
        assert words in text
    assert "plan" not in text
    if kind is PlainDisplay:  # each line with its own time
        assert "   15.0 s  failed: a/b/c" in text
        assert "   30.0 s  level of theory" in text
    if kind is LiveDisplay:
        assert "1 running, 1 failed, [epoch 3" in text


def test_events_of_earlier_submissions_are_not_shown_again(run):
    write_events(
        run, (0, "submit", {}), (1, "said", {"words": "old"}), (2, "submit", {}), (3, "said", {"words": "new"})
    )
    shown = []

    class Display(JsonDisplay):
        def show(self, look, news):
            shown.extend(event.get("words") for event in news)

    follower = Follower(Display())
    assert follower.tick(now=True) is None
    follower.follow(run)
    with driver_lock(run):
        assert follower.tick(now=True).driver is not None
        assert follower.tick() is None  # not so soon again
    assert shown == [None, "new"]


def test_no_such_run(tmp_path):
    ended = pfd("watch", "nothing", cwd=tmp_path)
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
