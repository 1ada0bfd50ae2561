"""The wall time of a run, of drivers that ended well and of drivers that were killed."""

from __future__ import annotations

import fcntl
import json
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


def test_what_is_written_between_two_drivers_is_no_sign_of_life(journal):
    written = journal((0.0, "submit"), (10.0, "end"), (5000.0, "redo"), (5001.0, "submit"), (5002.0, "end"))
    assert union_seconds(written.sessions()) == 11.0


def test_nothing_was_ever_submitted(journal):
    assert journal().sessions([(1.0, 2.0)]) == []
    assert union_seconds([]) == 0.0


def test_a_line_that_is_torn_anywhere_is_left_out_and_closed(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl")
    journal.write("submit", name="é")
    journal.write("end", pending=["a/b/c"], words='a "quoted" \\ line')
    whole = journal.path.read_bytes()
    first = whole.index(b"\n") + 1
    for length in range(len(whole) + 1):
        journal.path.write_bytes(whole[:length])
        there = ["submit"] * (length >= first - 1) + ["end"] * (length >= len(whole) - 1)
        assert [event["event"] for event in journal.read()] == there
        journal.write("stop")
        assert [event["event"] for event in Journal(journal.path).read()] == [*there, "stop"]


def test_news_are_told_once_and_whole(tmp_path):
    journal, other = Journal(tmp_path / "journal.jsonl"), Journal(tmp_path / "journal.jsonl")
    assert other.news() == []
    journal.write("submit")
    with journal.path.open("a", encoding="utf-8") as stream:
        stream.write('{"event": "tas')
    assert [event["event"] for event in other.news()] == ["submit"]
    with journal.path.open("a", encoding="utf-8") as stream:
        stream.write('ks", "time": 1.0}\n')
    assert [event["event"] for event in other.news()] == ["tasks"]
    assert other.news() == []


def test_who_appends_waits_for_who_is_appending(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl")
    with journal.path.open("ab") as stream:  # another process in the middle of a line
        fcntl.flock(stream, fcntl.LOCK_EX)
        stream.write(b'{"time": 1.0, "ev')
        stream.flush()
        writer = threading.Thread(target=journal.write, args=("stop",))
        writer.start()
        writer.join(timeout=0.2)
        assert writer.is_alive()
        stream.write(b'ent": "tasks"}\n')
    writer.join()
    assert [event["event"] for event in journal.read()] == ["tasks", "stop"]


def test_a_clock_that_jumps_back_makes_no_time_negative(journal):
    written = journal((1000.0, "submit"), (1010.0, "end"), (500.0, "submit"), (400.0, "tasks"), (520.0, "end"))
    assert written.sessions() == [(1000.0, 1010.0), (500.0, 520.0)]
    back = journal((1000.0, "submit"), (10.0, "end"), (5.0, "submit"))
    assert back.sessions([(1001.0, 1003.0), (7.0, 9.0)]) == [(1000.0, 1000.0), (5.0, 1003.0)]


@given(st.lists(st.tuples(st.floats(0, 1e6), st.sampled_from(["submit", "tasks", "end"])), max_size=12))
def test_no_order_of_times_makes_a_session_negative(events):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.jsonl"
        path.write_text("".join(json.dumps({"time": time, "event": event}) + "\n" for time, event in events))
        sessions = Journal(path).sessions([(3.0, 4.0)])
    assert all(begin <= end for begin, end in sessions)
    assert len(sessions) == sum(event == "submit" for _, event in events)
    assert union_seconds(sessions) >= 0.0
