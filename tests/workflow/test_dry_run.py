"""What a plan says of reuse is what a submission then does, and asking changes nothing."""

from __future__ import annotations

import json
import shutil

import pytest

import pfd
from pfd.config.reading import read_input
from pfd.tasks.steps import STEPS
from pfd.workflow.decisions import decide
from pfd.workflow.dry_run import reuse_of
from pfd.workflow.journal import Journal, last_submission
from pfd.workflow.run_folder import task_folders

pytestmark = pytest.mark.usefixtures("in_process")


@pytest.fixture
def tuned(small):
    """Fine-tuning alone."""
    del small["distill"]
    return small


def state(run):
    """Every file of a run with its bytes."""
    return {path: path.read_bytes() for path in sorted(run.rglob("*")) if path.is_file() and path.name != "lock"}


def asked(path, run):
    before = state(run)
    found = reuse_of(run, read_input(path), path)
    assert state(run) == before, "asking has changed the run"
    return found


def test_of_a_finished_run_everything_is_reused(tuned, write_input, tmp_path):
    path = write_input(tuned)
    run = pfd.submit(path, tmp_path / "run").path
    found = asked(path, run)
    labels = len(list(run.glob("finetune/*/label/*/result.json")))
    assert (found.place, found.new, found.message) == ("", 0, "")
    assert (found.tasks, found.labels) == (sum(folder.done() for folder in task_folders(run)), labels)


def test_after_an_edit_the_first_new_work_is_told_and_comes_true(tuned, write_input, tmp_path):
    path = write_input(tuned)
    run = pfd.submit(path, tmp_path / "run").path
    tuned["finetune"]["select"]["max_frames"] = 5
    found = asked(write_input(tuned), run)
    assert (found.place, found.new) == ("finetune/iter-000/select", 1)
    assert found.labels == 0
    assert found.kept > 0
    again = pfd.submit(path, run)
    events = last_submission(Journal(run / "journal.jsonl").read())
    steps = [event["place"] for event in events if event["event"] == "tasks" and not STEPS[event["step"]].light]
    assert steps[0] == "finetune/iter-000/select"
    assert again.summary["labels"]["kept"] == found.kept


def test_light_work_is_done_on_the_way(tuned, write_input, tmp_path):
    path = write_input(tuned)
    tuned["finetune"] |= {"converge": {"force_rmse_relative": 0.9}}
    path = write_input(tuned)
    run = pfd.submit(path, tmp_path / "run").path
    tuned["finetune"]["converge"] = {"force_rmse_relative": 1e-6}  # judged anew, and a second iteration is needed
    found = asked(write_input(tuned), run)
    assert found.place == "finetune/iter-001/explore"
    assert found.labels == len(list(run.glob("finetune/*/label/*/result.json")))


def test_a_run_that_was_stopped_goes_on_where_it_was(tuned, write_input, tmp_path):
    path = write_input(tuned)
    run = pfd.submit(path, tmp_path / "run", until="select").path
    found = asked(path, run)
    assert (found.place, found.new) == ("finetune/iter-000/label", 6)  # with those of the test set
    assert found.tasks == sum(folder.done() for folder in task_folders(run))


def test_what_waits_for_a_person_is_told(tuned, write_input, tmp_path):
    tuned["finetune"]["pause"] = "before_label"
    path = write_input(tuned)
    run = pfd.submit(path, tmp_path / "run").path
    assert "wait to be looked at" in asked(path, run).message
    frames = [file.stem for file in run.glob("finetune/*/select/*/outputs/frames/*")]
    decide(run, "finetune", frames, [], "somebody")
    assert asked(path, run).place == "finetune/iter-000/label"


def test_a_damaged_output_is_told_and_raises_nothing(tuned, write_input, tmp_path):
    path = write_input(tuned)
    run = pfd.submit(path, tmp_path / "run").path
    shutil.rmtree(next(run.glob("finetune/iter-000/train/*/outputs/model")))
    assert "outputs/model of a finished task is gone" in asked(path, run).message


def test_a_task_that_was_given_up_stays_so(tuned, write_input, tmp_path):
    tuned["finetune"]["label"] |= {"min_success": 0.1}
    path = write_input(tuned)
    run = pfd.submit(path, tmp_path / "run").path
    folder = next(iter(run.glob("finetune/iter-000/label/*")))
    shutil.rmtree(folder / "outputs")
    failure = {"status": "failed", "failure": {"kind": "transient", "message": "lost"}}
    (folder / "result.json").write_text(json.dumps(failure))
    found = asked(path, run)
    assert found.place != "finetune/iter-000/label"
    assert found.tasks > 0


def test_a_file_that_is_new_is_not_kept(tuned, write_input, tmp_path):
    path = write_input(tuned)
    run = pfd.submit(path, tmp_path / "run", until="select").path
    structure = tmp_path / "Cu.cif"
    structure.write_text(structure.read_text().replace("data_image0", "data_another"))
    assert asked(path, run).place == "finetune/iter-000/explore"  # perturbed by another seed: the task is another
