"""The wall time of a run, of drivers that ended well and of drivers that were killed."""

from __future__ import annotations

import json

import pytest

from pfd.workflow.journal import Journal, union_seconds


@pytest.fixture
def journal(tmp_path):
    """Write a journal by hand: ``journal((0, "submit"), (5, "step"))``."""

    def write(*events):
        path = tmp_path / "journal.jsonl"
        path.write_text("".join(json.dumps({"time": time, "event": event}) + "\n" for time, event in events))
        return Journal(path)

    return write


def test_from_submit_to_the_last_event_and_not_the_nights_between(journal):
    written = journal((0.0, "submit"), (90.0, "end"), (5000.0, "submit"), (5010.0, "end"))
    assert written.sessions() == [(0.0, 90.0), (5000.0, 5010.0)]
    assert union_seconds(written.sessions()) == 100.0


def test_a_killed_driver_lived_at_least_as_long_as_the_tasks_that_it_began(journal):
    written = journal((0.0, "submit"), (10.0, "step"), (50_000.0, "submit"), (50_020.0, "end"))
    tasks = [(12.0, 5000.0), (14.0, 7200.0), (50_001.0, 50_010.0)]
    assert written.sessions(tasks) == [(0.0, 7200.0), (50_000.0, 50_020.0)]
    wall = union_seconds(written.sessions(tasks))
    assert wall == 7220.0
    assert wall - union_seconds(tasks) == pytest.approx(12.0 + 11.0)  # orchestration, which used to be clipped to 0


def test_a_task_that_outlives_its_driver_counts_once(journal):
    written = journal((0.0, "submit"), (1.0, "step"), (100.0, "submit"), (130.0, "end"))
    assert union_seconds(written.sessions([(2.0, 120.0)])) == 130.0


def test_nothing_was_ever_submitted(journal):
    assert journal().sessions([(1.0, 2.0)]) == []
    assert union_seconds([]) == 0.0
