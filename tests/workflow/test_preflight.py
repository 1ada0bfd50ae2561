"""Before a campaign, labels are compared with those of finer settings, once, and outside its cap."""

from __future__ import annotations

import json
import re

import pytest

from pfd import submit
from pfd.cli.status import status_lines, status_of
from pfd.errors import InputError, LabelRejected, TaskFailed, TransientError
from pfd.label.labeler import finer_by
from pfd.report.data import read_report_data
from pfd.testing.toy_labeler import ToyLabeler
from pfd.workflow.journal import Journal

LABELS = "finetune/preflight/label/*"


@pytest.fixture
def depth_is_a_basis(monkeypatch):
    """A labeler whose labels depend on a setting, by so much for one step."""

    def by(factor):
        monkeypatch.setattr(ToyLabeler, "finer", lambda self, frames=(): finer_by(self.settings, "depth", factor))

    return by


@pytest.fixture
def submitted(in_process, small, write_input, tmp_path):
    del small["distill"]
    small["finetune"]["max_iterations"] = 1

    def run(path="run", **label):
        small["finetune"]["label"] = {"method": "toy"} | label
        said = []
        ended = submit(write_input(small), tmp_path / path, watch=lambda place, progress: said.append(progress.message))
        told = [message.removeprefix("preflight: ") for message in said if message]
        run.tried = [message for message in told if re.search(r" on \d frames?; ", message)]
        return ended, [message for message in told if message not in run.tried]

    return run


def test_unconverged_settings_are_warned_of_by_name(submitted, depth_is_a_basis):
    depth_is_a_basis(1.25)
    ended, said = submitted(max_total=50)
    (tried,) = submitted.tried
    assert tried == "depth 1.25 for 1 on 1 frame; forces may change by 10 % of the RMS force, stresses by 0.3 GPa"
    assert len(said) == 1
    assert said[0].startswith("WARNING depth 1, tried with 1.25: forces change by")
    assert "make depth finer" in said[0]
    (change,) = read_report_data(ended.path).preflight
    target, found = change.force_target_meV_per_A, change.force_change_meV_per_A
    assert found == pytest.approx(0.25 / 0.1 * target, rel=1e-6)  # forces are 25 % larger, and 10 % is aimed at
    assert ended.summary["preflight"] == [change.model_dump(mode="json")]
    assert f"  preflight: {said[0]}" in status_lines(status_of(ended.path))
    assert len(list(ended.path.glob(LABELS))) == 1
    assert ended.summary["labels"]["asked"] == sum(
        1 for path in ended.path.glob("finetune/*/label/*") if "preflight" not in str(path)
    )


def test_converged_settings_are_told_so_and_the_cap_is_for_the_campaign(submitted, depth_is_a_basis):
    depth_is_a_basis(1.001)
    ended, said = submitted(max_total=6)
    assert said == [said[0]]
    assert said[0].endswith("converged")
    assert ended.summary["labels"]["asked"] == 6


def test_its_labels_are_trained_on_by_none(submitted, depth_is_a_basis):
    depth_is_a_basis(1.25)
    ended, _ = submitted()
    without, said = submitted("without", preflight=False)
    assert not said
    assert not list(without.path.glob(LABELS))
    for part in ("train", "valid", "test"):
        name = f"data/finetune-{part}.extxyz"
        assert (ended.path / name).read_bytes() == (without.path / name).read_bytes()


def test_a_second_submission_pays_for_none_of_it(submitted, depth_is_a_basis):
    depth_is_a_basis(1.25)
    _, first = submitted()
    again, second = submitted()
    assert first == second
    assert len(list(again.path.glob(LABELS))) == 1
    assert all(len(list(path.glob("attempts/*"))) == 1 for path in again.path.glob(LABELS))


def test_a_rejected_frame_is_told(submitted, depth_is_a_basis, monkeypatch):
    depth_is_a_basis(1.25)
    honest = ToyLabeler.run

    def failing(self, frame, scratch):
        if self.settings.depth != 1.0:
            raise LabelRejected("it did not converge")
        return honest(self, frame, scratch)

    monkeypatch.setattr(ToyLabeler, "run", failing)
    ended, said = submitted()
    assert said == ["depth 1, tried with 1.25: nothing to compare (it did not converge)"]
    assert ended.summary["labels"]["rejected"] == 0


def test_a_labeler_without_such_settings_has_none(submitted):
    ended, said = submitted()
    assert not said
    assert ended.summary["preflight"] == []
    events = Journal(ended.path / "journal.jsonl").read()
    assert "preflight" not in json.dumps(events)


def test_core_hours_that_do_not_pay_for_it_are_told(submitted, depth_is_a_basis, monkeypatch):
    depth_is_a_basis(1.25)
    monkeypatch.setattr("pfd.workflow.budget.core_seconds", lambda folder, cores: 3600.0 * folder.done())
    monkeypatch.setattr("pfd.workflow.ledger.core_seconds", lambda folder, cores: 3600.0 * folder.done())
    ended, said = submitted(max_core_hours=4.5)
    unpaid = "finetune.label.max_core_hours or finetune.label.max_total does not pay for it"
    assert said == [f"depth 1, tried with 1.25: nothing to compare ({unpaid})"]
    assert not list(ended.path.glob(LABELS))


def test_a_finer_setting_that_is_refused_stops_nothing(submitted, depth_is_a_basis, monkeypatch):
    depth_is_a_basis(1.25)
    honest = ToyLabeler.check

    def refusing(self, frames):
        if self.settings.depth != 1.0:
            raise InputError("no such depth")
        honest(self, frames)

    monkeypatch.setattr(ToyLabeler, "check", refusing)
    _, said = submitted()
    assert said == ["depth 1, tried with 1.25: nothing to compare (no such depth)"]


def test_a_first_label_that_is_lost_is_tried_again_by_the_next_submission(submitted, depth_is_a_basis, monkeypatch):
    depth_is_a_basis(1.25)
    honest = ToyLabeler.run

    def killed(self, frame, scratch):
        raise TransientError("out of time")

    monkeypatch.setattr(ToyLabeler, "run", killed)
    with pytest.raises(TaskFailed, match="out of time"):
        submitted()
    monkeypatch.setattr(ToyLabeler, "run", honest)
    ended, _ = submitted()
    assert ended.status in {"converged", "not_converged"}
    assert ended.summary["labels"]["unfinished"] == 0


def test_an_adopted_finer_setting_has_its_labels_already(submitted, depth_is_a_basis, small):
    depth_is_a_basis(1.25)
    submitted()
    depth_is_a_basis(1.001)
    again, _ = submitted(depth=1.25, max_total=20)
    (adopted,) = (path for path in again.path.glob(LABELS) if "times 1.25 " in (path / "task.json").read_text())
    assert len(list(adopted.glob("attempts/*"))) == 1
    assert str(adopted.relative_to(again.path)) not in Journal(again.path / "journal.jsonl").read()[-1]["superseded"]
