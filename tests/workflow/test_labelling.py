"""Labels are paid once whatever is edited, caps hold over edits, and a few rejections late in a run stop nothing."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from tests.workflow.conftest import EngineInProcess

from pfd.config.reading import read_input
from pfd.errors import TaskFailed, TransientError
from pfd.frames import read_frames
from pfd.json_file import write_json
from pfd.tasks.folder import Artifact, TaskSpec
from pfd.testing.toy_labeler import ToyLabeler
from pfd.workflow.bindings import FineTune
from pfd.workflow.budget import Budget
from pfd.workflow.campaign import Campaign
from pfd.workflow.label_model import adopt_label_model
from pfd.workflow.labelling import Labelling
from pfd.workflow.ledger import Ledger, core_seconds
from pfd.workflow.outcome import Outcome
from pfd.workflow.run_folder import RunFolder

PLACE = "finetune/iter-000/label"


class Submission:
    """Labelling alone, of perturbed structures, as one submission of an input would do it."""

    def __init__(self, write_input, content, path, cores=2):
        resolved = read_input(write_input(content))
        path.mkdir(exist_ok=True)
        self.run = RunFolder(path, EngineInProcess(), 3, lambda place, progress: None)
        self.structures = Campaign(self.run, resolved)._structures()
        model = adopt_label_model(self.run, resolved, read_frames(self.structures.path))
        self.binding = FineTune(resolved, resolved.input.finetune, None, model)
        self.ledger = Ledger(path, cores)
        self.budget = Budget(resolved.campaign, self.ledger)
        self.outcome = Outcome("small", 3, self.budget)

    def choose(self, count):
        spec = TaskSpec("sample", {"per_trajectory": [count], "gate": {}}, {"trajectory0": self.structures})
        return self.run.one("finetune/iter-000/select", spec)

    def label(self, count, place=PLACE):
        labelling = Labelling(self.run, self.binding, self.budget, self.outcome)
        return labelling.label({place: self.choose(count)})[place]

    def begun(self):
        return len(self.ledger.begun())


@pytest.fixture
def submission(write_input, small, tmp_path):
    """Make one submission after the other in the same folder, each with other settings of the labeler."""
    del small["distill"]
    small["structures"][0]["perturb"]["count"] = 12
    small["structures"][0]["supercell"] = [1, 1, 1]

    def make(cores=2, **label):
        small["finetune"]["label"] = {"method": "toy"} | label
        return Submission(write_input, small, tmp_path / "run", cores)

    return make


def accepted_in(judged):
    return {frame.info["id"] for frame in read_frames(judged[0].path / "outputs" / "label" / "labelled.extxyz")}


def test_acceptance_rules_are_judged_again_and_pay_for_nothing(submission):
    strict = submission(accept={"max_force_eV_per_A": 1e-6})
    with pytest.raises(TaskFailed, match="0 of 12 labels were accepted") as failure:
        strict.label(12)
    assert "max_force_eV_per_A" in str(failure.value)
    assert strict.budget.counts() == {"asked": 12, "accepted": 0, "rejected": 12, "unfinished": 0}
    loose = submission(accept={"max_force_eV_per_A": 99.0})
    assert len(accepted_in(loose.label(12))) == 12
    assert loose.begun() == 12


def test_labels_in_another_magnetic_state_are_rejected_or_flagged_and_pay_for_nothing(submission, monkeypatch):
    honest = ToyLabeler.run

    def losing(self, frame, scratch):
        asked = frame.copy()
        asked.set_initial_magnetic_moments([2.0] * len(frame))
        return replace(honest(self, frame, scratch), asked=asked, extra={"local_magmoms": [0.0] * len(frame)})

    monkeypatch.setattr(ToyLabeler, "run", losing)
    with pytest.raises(TaskFailed, match="4 atoms lost the moment that was asked for"):
        submission().label(4)
    flagging = submission(accept={"magnetic_state": "flag"})
    ids = accepted_in(flagging.label(4))
    assert flagging.begun() == len(ids) == 4
    assert {entry["id"] for entry in flagging.outcome.flagged} == ids
    assert "lost" in flagging.outcome.flagged[0]["reason"]
    (event,) = [each for each in flagging.run.journal.read() if each["event"] == "flagged_labels"]
    assert (event["count"], set(event["frames"])) == (4, ids)


def test_what_rules_do_not_change_is_byte_for_byte_the_same(submission):
    first = submission().label(4)[0]
    second = submission(accept={"max_force_eV_per_A": 49.0}).label(4)[0]
    assert first.path != second.path
    assert first.output("label").sha256 == second.output("label").sha256


def test_other_settings_try_the_rejected_again_and_leave_the_accepted_alone(submission):
    first = submission(reject_fraction=0.4, min_success=0.1)
    good = accepted_in(first.label(12))
    assert 0 < len(good) < 12
    same = submission(reject_fraction=0.4, min_success=0.2)
    assert accepted_in(same.label(12)) == good
    assert same.begun() == 12
    better = submission(reject_fraction=0.0)
    assert len(accepted_in(better.label(12))) == 12
    assert better.begun() == 12 + 12 - len(good)
    back = submission(reject_fraction=0.4, delay_s=0.001)
    assert len(accepted_in(back.label(12))) == 12  # what is sound stays
    assert back.begun() == better.begun()


def test_another_level_of_theory_is_another_label(submission):
    submission().label(3)
    other = submission(constant_eV=-4.0)
    other.label(3)
    assert other.begun() == 6


def test_the_cap_on_labels_counts_those_of_earlier_inputs(submission):
    submission(max_total=7).label(5)
    edited = submission(max_total=7, constant_eV=-4.0)
    assert len(accepted_in(edited.label(5))) == 2
    assert edited.begun() == 7
    assert edited.budget.reached()
    again = submission(max_total=7, constant_eV=-4.0)
    assert len(accepted_in(again.label(5))) == 2  # going through it again comes out the same
    assert again.begun() == 7
    with pytest.raises(TaskFailed, match="no label is left: 7 were begun"):
        submission(max_total=7, constant_eV=-5.0).label(5)


def test_the_cap_on_core_hours_is_a_cap(submission, monkeypatch):
    monkeypatch.setattr("pfd.workflow.budget.core_seconds", lambda folder, cores: 36000.0 * folder.done())
    monkeypatch.setattr("pfd.workflow.ledger.core_seconds", lambda folder, cores: 36000.0 * folder.done())
    capped = submission(max_core_hours=45.0, cores=2)
    assert len(accepted_in(capped.label(12))) == 4  # of 10 h each; the first two tell the cost
    assert capped.begun() == 4
    assert capped.budget.reached()
    again = submission(max_core_hours=45.0, cores=2)
    assert len(accepted_in(again.label(12))) == 4
    assert again.begun() == 4


def test_late_rejections_do_not_stop_a_run_that_went_well(submission):
    run = submission()
    run.budget.ask(f"x{number}" for number in range(40))
    run.budget.accept(f"x{number}" for number in range(40))
    bad = submission(accept={"max_force_eV_per_A": 1e-6})
    bad.budget = run.budget
    bad.label(4)
    assert run.budget.counts() == {"asked": 44, "accepted": 40, "rejected": 4, "unfinished": 0}
    bad = submission(accept={"max_force_eV_per_A": 1e-7})
    bad.budget = run.budget
    with pytest.raises(TaskFailed, match="40 of 52"):
        bad.label(12)


def test_a_labeler_that_cannot_start_rejects_nothing(submission, monkeypatch):
    from pfd.errors import MissingError
    from pfd.testing.toy_labeler import ToyLabeler

    def missing(self, frame, scratch):
        raise MissingError("there is no program 'pw.x'")

    monkeypatch.setattr(ToyLabeler, "run", missing)
    run = submission()
    with pytest.raises(TaskFailed, match=r"pw\.x"):
        run.label(6)
    assert run.budget.counts() == {"asked": 6, "accepted": 0, "rejected": 0, "unfinished": 6}
    monkeypatch.undo()
    mended = submission(max_total=6)
    assert len(accepted_in(mended.label(6))) == 6
    assert mended.begun() == 6


def test_lost_labels_are_unfinished_and_too_many_of_them_can_be_tried_again(submission, monkeypatch):
    from pfd.testing.toy_labeler import ToyLabeler

    def killed(self, frame, scratch):
        raise TransientError("node lost")

    with monkeypatch.context() as patch:
        patch.setattr(ToyLabeler, "run", killed)
        run = submission()
        with pytest.raises(TaskFailed, match="used up their attempts"):
            run.label(3)
    assert run.budget.counts()["unfinished"] == 3
    assert run.budget.counts()["rejected"] == 0


def test_core_seconds_count_failed_attempts_and_no_more_cores_than_there_are(submission):
    import os

    run = submission()
    run.label(1)
    (folder,) = run.ledger.folders()
    result = folder.result()
    lost = folder.path / "attempts" / "07"
    lost.mkdir()
    write_json(lost / "claim.json", {"host": "h", "boot_id": "b", "pid": 1, "start_ticks": 0})
    write_json(lost / "ended.json", {"message": "out of time", "counted": True})
    os.utime(lost / "claim.json", (1000.0, 1000.0))
    os.utime(lost / "ended.json", (1100.0, 1100.0))
    silent = folder.path / "attempts" / "08"
    silent.mkdir()
    write_json(silent / "claim.json", {"host": "h", "boot_id": "b", "pid": 1, "start_ticks": 0})
    (silent / "log.txt").touch()
    os.utime(silent / "claim.json", (1000.0, 1000.0))
    os.utime(silent / "log.txt", (1020.0, 1020.0))
    write_json(silent / "ended.json", {"message": "", "counted": True})
    os.utime(silent / "ended.json", (1020.0, 1020.0))
    assert core_seconds(folder, 8) == pytest.approx(result.seconds + 120.0)
    task = json.loads((folder.path / "task.json").read_text(encoding="utf-8"))
    task["resources"]["cores"] = 64
    write_json(folder.path / "task.json", task)
    assert core_seconds(type(folder)(folder.path), 2) == pytest.approx(result.seconds + 240.0)


def test_a_model_can_label_in_the_place_of_first_principles(submission):
    run = submission(method="family", family="toy", model="soft-copper")
    judged = run.label(3)
    levels = {frame.info["level_of_theory"] for frame in read_frames(judged[0].path / "outputs/label/labelled.extxyz")}
    assert levels == {run.binding.level_of_theory()}
    assert run.binding.level_of_theory().startswith("model:")
    model = next(run.run.path.glob("start/labeler/adopt/*/outputs/model"))
    folder = submission(method="family", family="toy", model=str(model))
    assert folder.binding.label(Artifact.of(model)).inputs["model"].sha256 == Artifact.of(model).sha256


def test_the_record_holds_what_was_changed_and_no_time(submission, monkeypatch):
    from dataclasses import replace

    from pfd.testing.toy_labeler import ToyLabeler

    plain = ToyLabeler.run
    monkeypatch.setattr(
        ToyLabeler, "run", lambda *args: replace(plain(*args), notes={"mixing_beta": "0.35", "tries": "2"})
    )
    run = submission()
    judged = run.label(1)
    (folder,) = run.ledger.folders()
    record = json.loads((folder.path / "outputs/label/label.json").read_text(encoding="utf-8"))
    assert record["notes"] == {"mixing_beta": "0.35", "tries": "2"}
    assert (record["scf_steps"], record["max_scf_steps"]) == (2, 10)
    assert "second" not in json.dumps(record)
    assert folder.result().measured["label_seconds"] > 0.0
    (frame,) = read_frames(judged[0].path / "outputs/label/labelled.extxyz")
    assert frame.info["label_notes"] == "mixing_beta 0.35, tries 2"
