"""``student: auto``: compared, chosen once, kept, said; and what is refused before anything is started."""

from __future__ import annotations

import pytest
from tests.workflow.conftest import EngineInProcess

import pfd
from pfd.config import student_candidates
from pfd.config.reading import read_input
from pfd.config.student_candidates import candidates_of
from pfd.errors import SettingError, TaskFailed
from pfd.models.family import read_model
from pfd.report.data import read_report_data
from pfd.testing.toy_family import ToyFamily
from pfd.workflow.journal import Journal
from pfd.workflow.redo import Redo
from pfd.workflow.run_folder import task_folders

SIZES = ({"functions": 3}, {"functions": 10}, {"functions": 14})


@pytest.fixture
def auto(small, monkeypatch):
    """A distillation that compares three sizes of the toy, of which the smallest is far off."""
    monkeypatch.setattr(ToyFamily, "student_sizes", SIZES)
    del small["finetune"]
    small["distill"]["student"] = {"family": "auto", "families": ["toy"]}
    return small


def told(run):
    return [entry for entry in Journal(run.path / "journal.jsonl").read() if entry["event"] == "student_chosen"]


def test_the_choice_is_made_once_kept_and_told(write_input, auto, tmp_path, monkeypatch, in_process):
    speeds = iter((30.0, 20.0, 10.0))
    monkeypatch.setattr(
        "pfd.workflow.student_trials.StudentTrials._speed", lambda *_: {"us_per_atom_step": next(speeds)}
    )
    source = write_input(auto)
    run = pfd.submit(source, tmp_path / "run")
    students = run.summary["students"]
    assert [each["name"] for each in students] == ["toy 3", "toy 10", "toy 14"]
    assert [each["passed"] for each in students] == [False, True, True]
    assert [each["chosen"] for each in students] == [False, False, True]
    assert read_model(run.student).card.parameters == students[2]["parameters"]
    assert [each.chosen for each in read_report_data(run.path).students] == [False, False, True]
    assert "toy 14 (" in told(run)[0]["reason"]
    # Later the clock says otherwise: what was chosen stays chosen.
    monkeypatch.setattr("pfd.workflow.student_trials.StudentTrials._speed", lambda *_: {"us_per_atom_step": 1.0})
    again = pfd.submit(source, tmp_path / "run")
    assert again.summary["students"] == students
    assert sum(folder.task()["step"] == "choose_student" for folder in task_folders(run.path)) == 1


def test_other_labels_in_the_fit_are_another_choice(write_input, small, tmp_path, monkeypatch, in_process):
    monkeypatch.setattr(ToyFamily, "student_sizes", SIZES)
    monkeypatch.setattr("pfd.workflow.student_trials.StudentTrials._speed", lambda *_: {"us_per_atom_step": 1.0})
    small["distill"] |= {"student": {"family": "auto", "families": ["toy"]}, "label_times": 0}
    first = pfd.submit(write_input(small), tmp_path / "run").summary["students"]
    small["distill"]["label_times"] = 3
    second = pfd.submit(write_input(small), tmp_path / "run").summary["students"]
    errors = [[each["force_rmse_meV_per_A"] for each in students] for students in (first, second)]
    assert all(one != other for one, other in zip(*errors, strict=True))


def test_a_candidate_that_cannot_be_fitted_is_left_out_and_said(write_input, auto, tmp_path, monkeypatch, in_process):
    from pfd.workflow.run_folder import RunFolder

    perform = RunFolder.perform

    def failing(self, groups, min_done=1.0):
        if "distill/students/toy-14-train" in groups:
            raise TaskFailed("no such luck")
        return perform(self, groups, min_done)

    monkeypatch.setattr(RunFolder, "perform", failing)
    monkeypatch.setattr("pfd.workflow.student_trials.StudentTrials._speed", lambda *_: {"us_per_atom_step": 1.0})
    auto["distill"]["converge"] = {"force_rmse_relative": 1e-6}
    auto["distill"]["max_iterations"] = 1
    run = pfd.submit(write_input(auto), tmp_path / "run")
    assert [each["chosen"] for each in run.summary["students"]] == [False, True, False]
    assert run.summary["students"][2]["failed"] == "no such luck"
    assert "none of 2 meets converge: toy 10" in told(run)[0]["reason"]


def test_a_candidate_that_was_lost_is_compared_once_it_is_done_anew(
    write_input, auto, tmp_path, monkeypatch, in_process
):
    class Losing(EngineInProcess):
        def run(self, folders, observe):
            doomed = [folder for folder in folders if "toy-14-train" in str(folder.path)]
            return super().run([each for each in folders if each not in doomed], observe) | {
                str(folder.path): "killed by signal 9" for folder in doomed
            }

    monkeypatch.setattr("pfd.workflow.student_trials.StudentTrials._speed", lambda *_: {"us_per_atom_step": 1.0})
    auto["distill"] |= {"converge": {"force_rmse_relative": 1e-6}, "max_iterations": 1}
    source = write_input(auto)
    with monkeypatch.context() as first:
        first.setattr("pfd.engines.local.LocalEngine", Losing)
        run = pfd.submit(source, tmp_path / "run")
    lost = run.summary["students"]
    assert "killed by signal 9" in lost[2]["failed"]
    assert pfd.submit(source, run.path).summary["students"] == lost
    Redo().set_aside(run.path)
    students = pfd.submit(source, run.path).summary["students"]
    assert [each["failed"] for each in students] == ["", "", ""]
    assert students[2]["parameters"]


def test_what_is_installed_later_is_not_compared_in_a_run_that_has_chosen(
    write_input, auto, tmp_path, monkeypatch, in_process
):
    seen = {"toy"}
    launch_of = student_candidates.launch_of

    def there(name, *rest):
        return launch_of(name, *rest) if name in seen else None

    monkeypatch.setattr(student_candidates, "launch_of", there)
    monkeypatch.setattr("pfd.workflow.student_trials.StudentTrials._speed", lambda *_: {"us_per_atom_step": 1.0})
    auto["distill"] |= {"student": "auto", "max_iterations": 1}
    source = write_input(auto)
    run = pfd.submit(source, tmp_path / "run")
    students, before = run.summary["students"], {folder.in_run for folder in task_folders(run.path)}
    monkeypatch.setattr(ToyFamily, "student_sizes", (*SIZES, {"functions": 12}))
    assert pfd.submit(source, run.path).summary["students"] == students
    seen.clear()  # as on a machine that has none of them
    assert pfd.submit(source, run.path).summary["students"] == students
    assert {folder.in_run for folder in task_folders(run.path)} == before


def test_auto_alone_compares_what_is_there_in_several_sizes(write_input, auto):
    auto["distill"]["student"] = "auto"
    names = [candidate.name for candidate in candidates_of(read_input(write_input(auto)))]
    assert names == [name for name in names if name.split()[0] in {"ace", "deepmd", "nep", "pod", "snap", "toy", "uf3"}]
    assert {"toy 3", "toy 10", "toy 14"} <= {*names}


@pytest.mark.parametrize(
    ("student", "message"),
    [
        ({"family": "auto", "families": ["pot"]}, "did you mean 'pod'"),
        ({"family": "auto", "families": ["chgnet"]}, "cannot be fitted from scratch"),
        ({"family": "auto", "families": ["toy", "toy"]}, "named twice"),
        ({"family": "auto", "families": []}, "at least 1"),
        ({"family": "auto", "size": "S"}, "size"),
        ("automatic", "distill.student"),
    ],
)
def test_mistakes_are_told_before_anything_starts(write_input, auto, student, message):
    auto["distill"]["student"] = student
    with pytest.raises(SettingError) as told:
        read_input(write_input(auto))
    assert message in str(told.value)


def test_a_family_outside_lammps_is_refused_where_the_student_must_run_there(write_input, auto):
    auto["distill"]["explore"][0].append(auto["distill"]["explore"][0][0] | {"method": "lammps", "with": "student"})
    with pytest.raises(SettingError, match="needs a student that runs in LAMMPS"):
        candidates_of(read_input(write_input(auto)))
