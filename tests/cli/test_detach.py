"""A driver in the background, and how it is stopped: what is said, what goes on, and what is left."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import pytest
from tests.cli.conftest import ENDLESS, FINETUNE, pfd, wait_for, write

from pfd.workflow.driver_lock import driver_of
from pfd.workflow.journal import Journal


def test_a_driver_in_the_background_holds_the_run_until_it_is_stopped(endless):
    folder, started = endless
    run = folder / "small"
    pid = driver_of(run).process.pid
    assert f"process {pid} drives {run}" in started.stdout
    assert f"pfd watch {run}" in started.stdout
    assert f"pfd stop {run}" in started.stdout
    assert os.getsid(pid) == pid  # no hangup of a terminal reaches it
    second = pfd("submit", "input.yaml", cwd=folder)
    assert second.returncode == 2
    assert re.search(rf"another driver works on this run: process {pid} on .*, since ", second.stderr)
    status = pfd("status", "small", cwd=folder).stdout
    assert f"driver: process {pid} on " in status
    assert "now at finetune iteration 0, explore" in status

    stopped = pfd("stop", "small", cwd=folder)
    assert stopped.returncode == 0, stopped.stderr
    assert "the run is interrupted" in stopped.stdout
    assert re.search(r"of \d+ running tasks?: 0 finished, \d+ will be done anew", stopped.stdout)
    assert "still running" not in stopped.stdout
    assert driver_of(run) is None
    log = (run / "driver.log").read_text(encoding="utf-8")
    assert f"process {pid}: pfd submit input.yaml" in log
    assert "interrupted; the same command goes on where it was" in log
    events = [event["event"] for event in Journal(run / "journal.jsonl").read()]
    assert {"stop", "interrupted"} <= set(events)
    again = pfd("stop", "small", cwd=folder)
    assert again.returncode == 0
    assert "no driver works on small; the run is interrupted" in again.stdout


def test_a_driver_in_a_terminal_is_stopped_as_well(tmp_path):
    write(tmp_path, ENDLESS)
    command = [sys.executable, "-m", "pfd.cli.main", "submit", "input.yaml"]
    driver = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: list(tmp_path.glob("small/finetune/*/explore/*/attempts/00/progress.json")))
    assert pfd("stop", "input.yaml", cwd=tmp_path).returncode == 0
    _, said = driver.communicate(timeout=60)
    assert driver.returncode == 130
    assert "asked to stop by" in said
    assert "interrupted; the same command goes on" in said


def test_bad_input_is_told_at_once_and_leaves_nothing(tmp_path):
    write(tmp_path, FINETUNE | {"seeed": 1})
    ended = pfd("submit", "input.yaml", "--detach", cwd=tmp_path)
    assert ended.returncode == 2
    assert "seeed" in ended.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Cu.cif", "input.yaml"]


@pytest.mark.parametrize("option", [("--jobs", 2), ("--cores", 1), ("--memory-GB", 2)])
def test_options_about_many_runs_are_refused_for_one(tmp_path, option):
    write(tmp_path, FINETUNE)
    ended = pfd("submit", "input.yaml", *option, cwd=tmp_path)
    assert ended.returncode == 2
    assert f"{option[0]}: without effect" in ended.stderr


def test_watching_ends_with_the_run_and_its_exit_code_and_shows_what_submit_shows(tmp_path):
    write(tmp_path, FINETUNE)
    assert pfd("submit", "input.yaml", "--until", "select", "--detach", cwd=tmp_path).returncode == 0
    watched = pfd("watch", "small", cwd=tmp_path)
    assert watched.returncode == 0
    assert "small: paused (after select)" in watched.stdout
    log = (tmp_path / "small" / "driver.log").read_text(encoding="utf-8")
    shown = [re.findall(r" s  (.* \d+ of \d+ done)$", text, re.MULTILINE) for text in (log, watched.stdout)]
    assert shown[0] == shown[1]
    assert "finetune iteration 0, explore: 3 of 3 done" in shown[0]


def test_ctrl_c_ends_the_watching_only(endless):
    folder, _ = endless
    command = [sys.executable, "-m", "pfd.cli.main", "watch", "small", "--json"]
    watch = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert '"place": "finetune/iter-000/explore"' in watch.stdout.readline()
    watch.send_signal(signal.SIGINT)
    _, said = watch.communicate(timeout=30)
    assert watch.returncode == 130
    assert "the run goes on" in said
    assert driver_of(folder / "small") is not None
