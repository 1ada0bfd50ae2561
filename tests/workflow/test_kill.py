"""``kill -9`` of the driver at many points: nothing finished runs twice, and the end is byte-identical."""

from __future__ import annotations

import os
import random
import signal
import time

import pytest
from tests.workflow.kill_harness import (
    check_runs_once,
    finish,
    finished_results,
    outcome,
    start_driver,
    wait_for_tasks,
)

KILLS = int(os.environ.get("PFD_KILLS", "6"))
SEED = int(os.environ.get("PFD_KILL_SEED", "20261124"))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    import shutil

    import yaml
    from tests.workflow.conftest import EXAMPLE, SMALL

    folder = tmp_path_factory.mktemp("undisturbed")
    shutil.copyfile(EXAMPLE / "Cu.cif", folder / "Cu.cif")
    path = folder / "input.yaml"
    path.write_text(yaml.safe_dump(SMALL), encoding="utf-8")
    assert finish(path, folder / "run") == 0
    return path, outcome(folder / "run")


@pytest.mark.slow
@pytest.mark.parametrize("number", range(KILLS))
def test_a_killed_driver_goes_on_where_it_was(undisturbed, tmp_path, number):
    input_file, expected = undisturbed
    chance = random.Random(SEED + number)
    run = tmp_path / "run"
    before = {}
    total = len([path for path in expected["digests"] if not path.startswith(("data", "models"))])
    for _ in range(chance.choice((1, 2))):
        driver = start_driver(input_file, run)
        wait_for_tasks(run, driver, chance.randint(1, total))
        time.sleep(chance.uniform(0.0, 0.6))
        driver.send_signal(signal.SIGKILL)
        driver.communicate()
        if run.is_dir():
            now = finished_results(run)
            assert {path: now[path] for path in before} == before
            before = now
    assert finish(input_file, run) == 0
    after = finished_results(run)
    assert {path: after[path] for path in before} == before
    check_runs_once(run)
    assert outcome(run) == expected


def test_an_interrupted_run_is_resumable_and_leaves_no_process(undisturbed, tmp_path):
    input_file, expected = undisturbed
    run = tmp_path / "run"
    driver = start_driver(input_file, run)
    wait_for_tasks(run, driver, 6)
    driver.send_signal(signal.SIGINT)
    _, text = driver.communicate(timeout=60)
    assert driver.returncode == 130
    assert b"Traceback" not in text
    assert finish(input_file, run) == 0
    check_runs_once(run)
    assert outcome(run) == expected


def test_a_moved_run_goes_on_and_a_second_submission_does_nothing(undisturbed, tmp_path):
    input_file, expected = undisturbed
    run = tmp_path / "run"
    driver = start_driver(input_file, run)
    wait_for_tasks(run, driver, 12)
    driver.send_signal(signal.SIGINT)
    driver.communicate(timeout=60)
    moved = tmp_path / "elsewhere"
    run.rename(moved)
    assert finish(input_file, moved) == 0
    assert outcome(moved) == expected
    before = finished_results(moved)
    assert finish(input_file, moved) == 0
    assert finished_results(moved) == before
