"""Whole runs on toys: how they end, what they count, and what they refuse."""

from __future__ import annotations

import json
from collections import Counter

import ase.build
import ase.io
import pytest
from tests.workflow.conftest import MD, data_of

import pfd
from pfd.errors import DataError, RunError, TaskFailed
from pfd.frames import labels_of, read_frames, without_labels, write_frames
from pfd.frames.fingerprint import overlap
from pfd.models.training import fit_model
from pfd.tasks.steps import training
from pfd.workflow.journal import Journal
from pfd.workflow.run_folder import take_folder, task_folders


def steps_of(run):
    return [folder.task()["step"] for folder in task_folders(run)]


def test_a_run_ends_with_models_data_summary_and_report(write_input, small, tmp_path):
    run = pfd.submit(write_input(small), tmp_path / "run")
    assert run.status == "converged"
    assert run.exit_code == 0
    summary = run.summary
    assert (
        summary["models"]["finetuned"]["test"]["force_rmse_meV_per_A"]
        < 0.2 * (summary["models"]["pretrained"]["test"]["force_rmse_meV_per_A"])
    )
    assert summary["labels"]["asked"] == summary["labels"]["accepted"] + summary["labels"]["rejected"]
    assert set(summary["models"]) == {"pretrained", "finetuned", "student", "scratch"}
    assert "<html" in (run.path / "report.html").read_text(encoding="utf-8")
    test = read_frames(run.path / "data" / "finetune-test.extxyz")
    train = read_frames(run.path / "data" / "finetune-train.extxyz")
    assert not {frame.info["trajectory"] for frame in test} & {frame.info["trajectory"] for frame in train}
    calculator = pfd.load(run.student)
    frame = test[0].copy()
    frame.calc = calculator
    assert frame.get_forces() == pytest.approx(labels_of(test[0]).forces, abs=0.2)


def test_until_select_pays_for_nothing_and_goes_on_afterwards(write_input, small, tmp_path, in_process):
    del small["distill"]
    path = write_input(small | {"resources": {"other": {"memory_GB": 3.0}}})
    run = pfd.submit(path, tmp_path / "run", until="select")
    assert run.status == "paused"
    (adoption,) = run.path.glob("start/teacher/adopt/*/task.json")
    assert json.loads(adoption.read_text(encoding="utf-8"))["resources"]["memory_GB"] == 3.0
    assert "label" not in steps_of(run.path)
    assert pfd.submit(path, tmp_path / "run").status == "converged"
    again = pfd.submit(path, tmp_path / "run", until="select")
    assert again.status == "converged"  # it has been further than that: there is nothing to pause before
    assert "paused" not in Journal(run.path / "journal.jsonl").read()[-1]["event"]


def test_the_label_budget_is_never_exceeded_and_ends_honestly(write_input, small, tmp_path, in_process):
    del small["distill"]
    small["finetune"] |= {"converge": {"force_rmse_relative": 1e-6}, "max_iterations": 5}
    small["finetune"]["label"]["max_total"] = 7
    run = pfd.submit(write_input(small), tmp_path / "run")
    assert run.exit_code == 3
    assert run.summary["labels"]["asked"] == 7
    assert steps_of(run.path).count("label") == 7
    assert "budget" in run.summary["status"] or run.summary["status"] == "not_converged"


def test_rejected_labels_are_counted_and_named_and_the_run_goes_on(write_input, small, tmp_path, in_process):
    del small["distill"]
    small["finetune"]["label"] |= {"reject_fraction": 0.25, "min_success": 0.3}
    small["finetune"]["select"]["max_frames"] = 12
    small["finetune"]["explore"][0][0] |= {"steps": 120}
    run = pfd.submit(write_input(small), tmp_path / "run")
    rejected = json.loads((run.path / "report-data.json").read_text(encoding="utf-8"))["rejected"]
    assert run.summary["labels"]["rejected"] == len(rejected) > 0
    assert all("converge" in entry["reason"] for entry in rejected)
    ids = {entry["id"] for entry in rejected}
    for name in ("train", "valid", "test"):
        assert not ids & {frame.info["id"] for frame in read_frames(run.path / "data" / f"finetune-{name}.extxyz")}


def test_too_many_rejected_labels_stop_the_run_with_their_reason(write_input, small, tmp_path, in_process):
    small["finetune"]["label"]["reject_fraction"] = 1.0
    with pytest.raises(TaskFailed, match=r"0 of .* labels were accepted") as failure:
        pfd.submit(write_input(small), tmp_path / "run")
    assert failure.value.exit_code == 1
    assert json.loads((tmp_path / "run" / "summary.json").read_text(encoding="utf-8"))["status"] == "failed"


def test_starting_frames_and_data_are_trained_on_before_exploring(write_input, small, tmp_path, in_process):
    first = pfd.submit(write_input(small | {"distill": None}), tmp_path / "first")
    small |= {"name": "second", "data": [{"file": str(first.path / "data" / "finetune-train.extxyz")}]}
    small["finetune"]["initial"] = "label"
    del small["distill"]
    second = pfd.submit(write_input(small), tmp_path / "second")
    assert second.status == "converged"
    assert second.summary["iterations"] == 1  # the first prospective error already passes
    brought = {frame.info["id"] for frame in read_frames(first.path / "data" / "finetune-train.extxyz")}
    used = {
        frame.info["id"]
        for name in ("train", "valid")
        for frame in read_frames(second.path / "data" / f"finetune-{name}.extxyz")
    }
    assert brought < used


def test_data_of_another_level_of_theory_is_refused(write_input, small, tmp_path, in_process):
    first = pfd.submit(write_input(small | {"distill": None}), tmp_path / "first", until="train")
    frames = next((first.path / "finetune").glob("iter-000/collect/*/outputs/train.extxyz"))
    small |= {"name": "second", "data": [{"file": str(frames), "level_of_theory": "PBE"}]}
    with pytest.raises(DataError, match="PBE"):
        pfd.submit(write_input(small), tmp_path / "second")


def test_a_pool_with_stored_labels_is_active_learning(write_input, small, tmp_path, in_process):
    small["finetune"]["explore"][0][0] |= {"steps": 200, "replicas": 3}
    small["finetune"]["select"]["max_frames"] = 40
    first = pfd.submit(write_input(small | {"distill": None}), tmp_path / "first")
    pool = first.path / "data" / "finetune-train.extxyz"
    small |= {"name": "second", "structures": []}
    small["finetune"] |= {
        "explore": {"method": "pool", "file": str(pool)},
        "label": {"method": "stored"},
        "select": {"max_frames": 5},
        "max_iterations": 2,
    }
    del small["distill"]
    second = pfd.submit(write_input(small), tmp_path / "second")
    assert second.exit_code in {0, 3}
    train = read_frames(second.path / "data" / "finetune-train.extxyz")
    assert 0 < len(train) <= 10
    stored = {frame.info["id"]: labels_of(frame).energy for frame in read_frames(pool)}
    assert all(labels_of(frame).energy == stored[frame.info["id"]] for frame in train)


def test_all_explorers_run_and_are_judged_by_group(write_input, small, tmp_path, in_process):
    del small["structures"][0]["perturb"]
    small["finetune"]["explore"] = [
        [
            {"method": "rattle", "temperatures_K": [300], "frames": 4},
            {"method": "relax", "cell": "full", "steps": 20, "every": 5},
            {"method": "anneal", "ramp_K": [200, 600], "steps": 40, "every": 10},
            {"method": "random", "formulas": ["Cu8"], "replicas": 2, "steps": 20},
            MD,
        ]
    ]
    small["finetune"] |= {"select": {"max_frames": 20}, "max_iterations": 1}
    small["distill"]["explore"] = [{"method": "rattle", "temperatures_K": [300], "frames": 6}]
    del small["distill"]["own_md_factor"]
    run = pfd.submit(write_input(small), tmp_path / "run")
    test = read_frames(run.path / "data" / "finetune-test.extxyz")
    assert {frame.info["group"] for frame in test} == {f"s0-g{number}" for number in range(5)}
    train = read_frames(run.path / "data" / "finetune-train.extxyz")
    assert not {frame.info["trajectory"] for frame in test} & {frame.info["trajectory"] for frame in train}
    assert all("explored_with" in frame.info for frame in train)
    assert "Cu8" in {str(frame.symbols) for frame in train}
    assert not list(run.path.glob("distill/*/student-explore"))  # rattling is no dynamics
    assert run.summary["labels"]["rejected"] == 0


def test_a_committee_narrows_the_candidates_down_and_is_calibrated(write_input, small, tmp_path, in_process):
    del small["distill"]
    small["finetune"] |= {"converge": {"force_rmse_relative": 1e-6}, "max_iterations": 2}
    small["finetune"]["explore"][0][0] |= {"steps": 80}
    small["finetune"]["select"] |= {"committee": {"models": 3}, "max_frames": 8}
    run = pfd.submit(write_input(small), tmp_path / "run")
    first, second = json.loads((run.path / "report-data.json").read_text(encoding="utf-8"))["iterations"]
    assert first["committee"] is None  # nothing to train a committee on yet
    assert second["committee"]["frames"] == second["labels"]["accepted"] > 0
    assert second["committee"]["scale"] > 0
    selection = json.loads(next(run.path.glob("finetune/iter-001/select/*/outputs/selection.json")).read_text())
    assert selection["refused"]["the committee agrees"] == selection["candidates"] // 2
    assert len(list(run.path.glob("finetune/iter-001/committee-train/*"))) == 2


def test_distilling_alone_needs_no_first_principles(write_input, small, tmp_path, in_process):
    del small["finetune"]
    run = pfd.submit(write_input(small), tmp_path / "run")
    assert run.status == "converged"
    assert run.summary["labels"]["asked"] == 0
    assert set(run.summary["models"]) == {"pretrained", "student"}


@pytest.mark.parametrize(("asked", "times"), [({}, 3), ({"label_times": 1}, 1), ({"label_times": 0}, 0)])
def test_the_student_is_fitted_to_the_labels_that_are_there_too(
    write_input, small, tmp_path, in_process, monkeypatch, asked, times
):
    fitted = []
    monkeypatch.setattr(
        training, "fit_model", lambda family, train, *rest: fitted.append(train) or fit_model(family, train, *rest)
    )
    small["distill"] |= asked
    run = pfd.submit(write_input(small), tmp_path / "run")
    paid = {frame.info["id"]: frame for name in ("train", "valid") for frame in data_of(run, f"finetune-{name}")}
    tested = {frame.info["id"] for frame in data_of(run, "finetune-test")}
    students, alone = fitted[:-1], fitted[-1]
    assert {frame.info["id"] for frame in alone} <= set(paid)
    for frames in students:
        found = Counter(frame.info["id"] for frame in frames if labels_of(frame).level_of_theory.startswith("toy"))
        assert set(found) <= set(paid)
        assert set(found.values()) == ({times} if times else set())
        assert tested.isdisjoint(frame.info["id"] for frame in frames)
        assert all(
            labels_of(frame).energy == labels_of(paid[frame.info["id"]]).energy
            for frame in frames
            if labels_of(frame).level_of_theory.startswith("toy")
        )
    for name in ("train", "valid", "test"):  # no file holds labels of two levels
        levels = {labels_of(frame).level_of_theory for frame in data_of(run, f"distill-{name}")}
        assert all(level.startswith("model:") for level in levels)


def test_frames_that_are_trained_on_beside_validate_nothing(write_input, small, tmp_path, in_process):
    """The teacher labels frames of the pool that are first-principles labels as well."""
    first = pfd.submit(write_input(small), tmp_path / "first")
    frames = [frame for name in ("train", "valid") for frame in data_of(first, f"finetune-{name}")]
    pool = tmp_path / "pool.extxyz"
    write_frames(pool, [without_labels(frame) for frame in frames])
    small["distill"] |= {"explore": [[{"method": "pool", "file": str(pool)}, MD]], "valid_fraction": 0.5}
    small["distill"]["select"] = {"max_frames": 30, "min_per_condition": 4}
    run = pfd.submit(write_input(small), tmp_path / "run")
    labels, learnt, valid = (data_of(run, f"distill-{name}") for name in ("labels", "train", "valid"))
    assert overlap(labels, learnt)
    assert valid
    assert not overlap(labels, valid)


def test_a_group_that_is_no_dynamics_is_not_asked_of_the_own_md(write_input, small, tmp_path, in_process):
    small["distill"]["explore"] = [[MD, {"method": "rattle", "temperatures_K": [300], "frames": 4}]]
    small["distill"]["converge"] = {"force_rmse_relative": 0.9}
    run = pfd.submit(write_input(small), tmp_path / "run")
    assert run.status == "converged"
    [path] = run.path.glob("distill/iter-*/evaluate-student-md/*/outputs/errors.json")
    judged = json.loads(path.read_text(encoding="utf-8"))["verdicts"]
    assert {each["group"] for each in judged} == {"all", "temperature_K=400"}


def test_another_temperature_leaves_the_trajectories_that_there_are(write_input, small, tmp_path, in_process):
    del small["distill"]
    run = pfd.submit(write_input(small), tmp_path / "run", until="select")
    before = set(run.path.glob("finetune/iter-000/explore/*"))
    small["finetune"]["explore"] = [[MD | {"temperatures_K": [400, 600], "replicas": 2}]]
    pfd.submit(write_input(small), tmp_path / "run", until="select")
    after = set(run.path.glob("finetune/iter-000/explore/*"))
    assert before < after
    assert len(after) == 4 * len(before)


def test_what_the_student_explores_hotter_is_as_long_as_its_own_md(write_input, small, tmp_path, in_process):
    del small["finetune"]
    small["distill"] |= {"explore": [[MD | {"with": "student"}]], "converge": {"force_rmse_relative": 1e-6}}
    run = pfd.submit(write_input(small), tmp_path / "run")

    def steps(place):
        tasks = [json.loads(path.read_text(encoding="utf-8")) for path in run.path.glob(f"distill/{place}/*/task.json")]
        asked = [task["parameters"] for task in tasks]
        return {(each["trajectory"]["temperature_K"], each["group"]["steps"]) for each in asked}

    assert steps("iter-000/explore") == {(400.0, 40), (600.0, 40)}  # by the teacher
    assert steps("iter-000/student-explore") == {(400.0, 80)}
    assert steps("iter-001/explore") == {(400.0, 40), (600.0, 80)}


def test_a_model_that_cannot_be_timed_loses_nothing(write_input, small, tmp_path, in_process, monkeypatch):
    def explodes(*_args, **_kwargs):
        raise TaskFailed("Lost atoms")

    monkeypatch.setattr("pfd.models.speed.calculator_speed_us", explodes)
    del small["distill"]
    small["evaluate"]["speed_atoms"] = 32
    run = pfd.submit(write_input(small), tmp_path / "run")
    assert run.status == "converged"
    assert run.summary["models"]["finetuned"]["us_per_atom_step"] is None
    told = [event for event in Journal(run.path / "journal.jsonl").read() if event["event"] == "not_timed"]
    assert "Lost atoms" in told[0]["message"]


def test_two_stages_are_run_in_order(write_input, small, tmp_path, in_process):
    del small["distill"]
    hotter = small["finetune"]["explore"][0][0] | {"temperatures_K": [700]}
    small["finetune"]["explore"].append([hotter])
    small["finetune"]["max_iterations"] = 3
    run = pfd.submit(write_input(small), tmp_path / "run")
    data = json.loads((run.path / "report-data.json").read_text(encoding="utf-8"))
    assert [entry["decision"] for entry in data["iterations"]].count("next_stage") == 1
    test = read_frames(run.path / "data" / "finetune-test.extxyz")
    assert {frame.info["temperature_K"] for frame in test} == {400, 700}
    groups = [{verdict["group"] for verdict in entry["verdicts"]} for entry in data["iterations"]]
    assert "temperature_K=700" not in groups[0]  # a stage is not judged by what only a later one explores
    assert {"temperature_K=400", "temperature_K=700"} <= groups[-1]  # but the last one by all


def test_a_stage_that_could_not_pass_at_later_conditions_is_passed(write_input, small, tmp_path, in_process):
    del small["distill"]
    small["evaluate"]["test_frames"] = 3
    beyond = small["finetune"]["explore"][0][0] | {"temperatures_K": [2500], "steps": 60}
    small["finetune"]["explore"].append([beyond])
    small["finetune"]["converge"]["force_rmse_relative"] = 0.02
    small["finetune"]["max_iterations"] = 3
    run = pfd.submit(write_input(small), tmp_path / "run")
    data = json.loads((run.path / "report-data.json").read_text(encoding="utf-8"))
    passed = next(entry for entry in data["iterations"] if entry["decision"] == "next_stage")
    hot = passed["test"]["by_group"]["temperature_K"]["2500"]
    assert hot["force_rmse_relative"] > 0.02, "the case shows nothing: the hot condition passes by itself"


def test_every_starting_structure_has_its_own_part_in_the_test_set(write_input, small, tmp_path, in_process):
    del small["distill"]
    path = write_input(small)
    bcc = ase.build.bulk("Cu", "bcc", a=2.87, cubic=True).repeat(3)
    ase.io.write(tmp_path / "bcc.cif", bcc)
    small["structures"].append({"file": "bcc.cif", "perturb": {"count": 1, "displacement_A": 0.05}})
    path = write_input(small)
    run = pfd.submit(path, tmp_path / "run", until="label")
    test = next((run.path / "finetune" / "test" / "collect").glob("*/outputs/new.extxyz"))
    assert sorted(len(frame) for frame in read_frames(test)) == [32, 54]


def test_a_condition_without_a_test_frame_stops_the_run_before_labels_are_paid_for(
    write_input, small, tmp_path, in_process
):
    small["finetune"]["explore"][0][0] |= {"temperatures_K": [400, 20000]}
    with pytest.raises(TaskFailed, match=r"no test frame at temperature_K=20000 \(.* at step"):
        pfd.submit(write_input(small), tmp_path / "run")
    assert "label" not in steps_of(tmp_path / "run")


def test_distilling_from_a_pool_alone_can_converge(write_input, small, tmp_path, in_process):
    small["finetune"]["explore"][0][0] |= {"steps": 400, "replicas": 2}
    first = pfd.submit(write_input(small | {"distill": None}), tmp_path / "first")
    frames = [
        f for path in first.path.glob("finetune/iter-*/explore/*/outputs/trajectory.extxyz") for f in read_frames(path)
    ]
    ase.io.write(tmp_path / "pool.extxyz", frames)
    small |= {"name": "second", "structures": []}
    del small["finetune"]
    small["distill"] |= {"explore": {"method": "pool", "file": "pool.extxyz"}, "max_iterations": 4}
    del small["distill"]["own_md_factor"]
    run = pfd.submit(write_input(small), tmp_path / "second")
    assert run.status == "converged"
    data = json.loads((run.path / "report-data.json").read_text(encoding="utf-8"))
    assert data["iterations"][0]["decision"] == "again"
    assert data["iterations"][-1]["prospective"] is not None


def test_what_was_fine_tuned_is_there_even_if_distilling_fails(write_input, small, tmp_path, in_process):
    small["distill"]["explore"] = [[MD | {"stop": {"max_temperature_factor": 1.001}}]]
    with pytest.raises(TaskFailed):
        pfd.submit(write_input(small), tmp_path / "run")
    run = pfd.open_run(tmp_path / "run")
    assert run.status == "failed"
    assert set(run.summary["models"]) == {"pretrained", "finetuned"}
    pfd.load(run.finetuned)


def test_models_of_an_earlier_input_do_not_stay(write_input, small, tmp_path, in_process):
    run = pfd.submit(write_input(small), tmp_path / "run")
    assert run.student.is_dir()
    run = pfd.submit(write_input(small | {"distill": None}), tmp_path / "run")
    assert not run.student.exists()
    assert sorted(path.name for path in (run.path / "data").iterdir()) == [
        "finetune-test.extxyz",
        "finetune-train.extxyz",
        "finetune-valid.extxyz",
    ]


def test_candidates_that_are_all_known_are_nothing_new_rather_than_insane(write_input, small, tmp_path, in_process):
    del small["distill"]
    small["finetune"]["select"] |= {"max_frames": 40, "gate": {"near_duplicate": 5.0}}
    small["finetune"]["max_iterations"] = 3
    run = pfd.submit(write_input(small), tmp_path / "run")
    data = json.loads((run.path / "report-data.json").read_text(encoding="utf-8"))
    assert data["iterations"][-1]["reason"] == "nothing new to select"
    assert run.status == "converged"


def test_an_edited_input_redoes_what_depends_on_it_and_nothing_else(write_input, small, tmp_path, in_process):
    del small["distill"]
    run = pfd.submit(write_input(small), tmp_path / "run")
    labels = steps_of(run.path).count("label")
    small["finetune"]["train"] = {"ridge": 1e-3}
    again = pfd.submit(write_input(small), tmp_path / "run")
    end = [event for event in Journal(again.path / "journal.jsonl").read() if event["event"] == "end"][-1]
    assert any("/train/" in path for path in end["superseded"])
    assert end["reused"] >= labels
    assert len(list(again.path.glob("resolved-*.yaml"))) == 2


def test_a_folder_of_another_run_or_of_no_run_is_refused(write_input, small, tmp_path, in_process):
    take_folder(tmp_path / "run", "other")
    with pytest.raises(RunError, match="holds the run 'other'"):
        pfd.submit(write_input(small), tmp_path / "run")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").touch()
    with pytest.raises(RunError, match="holds no run"):
        pfd.submit(write_input(small), tmp_path / "photos")
