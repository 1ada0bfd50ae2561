"""Doing tasks anew: which are meant, and that what they left is set aside and paid for."""

from __future__ import annotations

import json

import pytest

from pfd.errors import RunError, SettingError
from pfd.json_file import write_json
from pfd.tasks.folder import Artifact, TaskFolder, TaskSpec
from pfd.workflow.journal import Journal
from pfd.workflow.ledger import Ledger
from pfd.workflow.redo import Redo
from pfd.workflow.run_folder import ASIDE, take_folder, task_folders

PLACES = ("distill/iter-000/label", "distill/iter-000/train", "finetune/iter-000/label", "finetune/iter-001/train")


@pytest.fixture
def run(tmp_path):
    """A run with two tasks at each place, all done."""
    run = tmp_path / "run"
    take_folder(run, "toy")
    for place in PLACES:
        for number in range(2):
            spec = TaskSpec(place.rsplit("/", 1)[1], {"settings": {"place": place, "number": number}})
            folder = TaskFolder.create(run / place, number, spec)
            folder.claim()
            write_json(folder.path / "result.json", {"status": "done", "seconds": 7.0})
    return run


def found(run, **redo):
    wanted = Redo(**{key: value if isinstance(value, bool) else tuple(value) for key, value in redo.items()})
    return [str(folder.path.relative_to(run))[: -len("-123456789012")] for folder in wanted.find(run)]


@pytest.mark.parametrize(
    ("step", "places"),
    [
        ("distill", PLACES[:2]),
        ("train", (PLACES[1], PLACES[3])),
        ("finetune/iter-001", PLACES[3:]),
        ("/finetune/iter-001/train/", PLACES[3:]),
        ("iter-000/label", (PLACES[0], PLACES[2])),
    ],
)
def test_a_step_is_a_loop_an_iteration_or_a_step_of_them(run, step, places):
    assert found(run, steps=[step]) == [f"{place}/000{number}" for place in places for number in (0, 1)]


def test_a_task_is_named_by_its_folder_number_or_identity(run):
    folder = next(task_folders(run))
    name = str(folder.path.relative_to(run))
    identity = folder.task()["identity"]
    for given in (name, "iter-000/label/" + folder.path.name, folder.path.name, identity[:6], f"{name[:-13]}"):
        assert found(run, tasks=[given]) == [name[:-13]], given
    assert found(run, tasks=["distill/iter-000/train/1"]) == ["distill/iter-000/train/0001"]


@pytest.mark.parametrize("wrong", [{"steps": ["dance"]}, {"tasks": ["0007"]}, {"tasks": ["distill/iter-001/label/0"]}])
def test_a_name_that_fits_nothing_is_refused(run, wrong):
    with pytest.raises(SettingError, match="no task"):
        found(run, **wrong)


def test_a_name_that_fits_many_is_refused_and_lists_them(run):
    with pytest.raises(SettingError, match=r"'label/0001' may be any of distill.*finetune"):
        found(run, tasks=["label/0001"])
    for number in range(2, 6):
        TaskFolder.create(run / PLACES[0], 1, TaskSpec("label", {"settings": {"again": number}}))
    with pytest.raises(SettingError, match=r"'1' may be any of .* and 2 more"):
        found(run, tasks=["1"])


def test_without_a_name_all_that_failed_is_meant(run):
    with pytest.raises(RunError, match="no task of this run has failed"):
        found(run)
    folder = TaskFolder.create(run / PLACES[2], 5, TaskSpec("label", {"settings": {"number": 5}}))
    folder.give_up("3 attempts, the last: killed")
    name = str(folder.path.relative_to(run))
    Journal(run / "journal.jsonl").write("submit")
    Journal(run / "journal.jsonl").write("tasks", place=PLACES[2], step="label", total=1, pending=[name])
    assert found(run) == [name[:-13]]


def judge(labels, rejected, rules, started):
    """A finished task that has judged these labels."""
    inputs = {f"label{number}": Artifact.of(folder.path / "outputs" / "label") for number, folder in enumerate(labels)}
    place = labels[0].path.parent.with_name("accept")
    folder = TaskFolder.create(place, 0, TaskSpec("accept", {"accept": rules}, inputs))
    (folder.path / "outputs").mkdir()
    write_json(folder.path / "outputs" / "reasons.json", dict.fromkeys(rejected, "unconverged"))
    write_json(folder.path / "result.json", {"status": "done", "started": started})


def test_labels_that_were_rejected_are_meant_if_asked_for(run):
    with pytest.raises(RunError, match="no label of this run was rejected"):
        found(run, rejected=True)
    labels = [folder for folder in task_folders(run) if folder.place[-1] == "label"]
    for number, folder in enumerate(labels):  # two of each loop, of the same frames
        (folder.path / "outputs" / "label").mkdir(parents=True)
        write_json(folder.path / "outputs" / "label" / "label.json", {"id": f"f{number % 2}"})
    ours = [folder for folder in labels if folder.place[0] == "finetune"]
    judge(ours, ["f1"], {}, 1.0)
    (name,) = found(run, rejected=True)
    assert name == "finetune/iter-000/label/0001"
    with pytest.raises(RunError, match="1 label was rejected: --rejected makes it anew"):
        found(run)
    judge(ours, [], {"max_force_eV_per_A": 99}, 2.0)
    with pytest.raises(RunError, match="no label of this run was rejected"):  # by the rules of now it was not
        found(run, rejected=True)


def test_a_task_that_still_runs_is_not_taken_away(run):
    folder = TaskFolder.create(run / PLACES[2], 5, TaskSpec("label", {"settings": {"number": 5}}))
    folder.claim()
    with pytest.raises(RunError, match="still works on"):
        found(run, steps=["finetune/iter-000/label"])


def test_what_is_redone_is_set_aside_and_its_cost_still_counts(run):
    ledger = Ledger(run, machine_cores=1)
    cost = ledger.core_seconds()
    assert (cost, ledger.finished(), len(ledger.begun())) == (14.0, 2, 2)
    redo = Redo(tasks=("finetune/iter-000/label/0",))
    (folder,) = redo.find(run)
    name = str(folder.path.relative_to(run))
    (aside,) = redo.set_aside(run)
    assert aside.path == run / ASIDE / "001" / name
    assert aside.done()
    assert not folder.path.exists()
    assert aside.path not in [each.path for each in task_folders(run)]
    event = json.loads((run / "journal.jsonl").read_text())
    assert (event["event"], event["tasks"], event["aside"]) == ("redo", [name], "superseded/001")
    assert (ledger.core_seconds(), ledger.finished(), len(ledger.begun())) == (cost, 2, 1)
    (second,) = Redo(tasks=("finetune/iter-000/label/1",)).set_aside(run)
    assert "superseded/002" in str(second.path)


@pytest.mark.parametrize(
    ("redo", "guess"),
    [
        ({"steps": ["trian"]}, "did you mean 'train'"),
        ({"steps": ["finetune/iter-1/train"]}, "did you mean 'finetune/iter-001/train'"),
        ({"steps": ["finetun"]}, "did you mean 'finetune'"),
        ({"tasks": ["lable/0000"]}, "did you mean 'label/000"),
    ],
)
def test_what_was_meant_is_guessed(run, redo, guess):
    with pytest.raises(SettingError, match=guess):
        found(run, **redo)
