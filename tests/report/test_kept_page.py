"""The page of a run that goes on is written again, and not too often."""

from __future__ import annotations

from types import SimpleNamespace

from pfd.report import read_report_data
from pfd.report.kept_page import PERIOD_S, KeptPage
from pfd.workflow.journal import Journal
from pfd.workflow.outcome import Outcome


def test_a_page_is_written_again_when_the_last_one_is_old(tmp_path, monkeypatch):
    written, now = [], [1000.0]
    monkeypatch.setattr("pfd.report.page.write_report", written.append)
    page = KeptPage(tmp_path, lambda: now[0])
    for later, count in ((0.0, 0), (PERIOD_S - 1, 0), (1.0, 1), (1.0, 1), (PERIOD_S, 2)):
        now[0] += later
        page()
        assert len(written) == count
    assert written == [tmp_path, tmp_path]


def test_whoever_waits_for_results_is_told_of_them(tmp_path):
    told = []
    run = SimpleNamespace(used={}, journal=Journal(tmp_path / "journal.jsonl"), path=tmp_path)
    outcome = Outcome("toy", 1, SimpleNamespace(counts=dict), written=lambda: told.append(read_report_data(tmp_path)))
    outcome.write(run)
    assert [data.name for data in told] == ["toy"]  # after the files, not before
