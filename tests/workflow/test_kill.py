"""What a run that was interrupted or moved leaves behind, and how it goes on; test_chaos.py kills at random."""

from __future__ import annotations

import signal

from tests.workflow.kill_harness import check_runs_once, finish, finished_results, outcome, start_driver, wait_for_tasks


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
