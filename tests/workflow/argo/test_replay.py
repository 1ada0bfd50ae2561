"""A campaign that is replayed, round after round, ends as one with a driver; whatever comes back of its pods."""

from __future__ import annotations

import json
import shutil
import tarfile

import pytest
from tests.workflow.argo.conftest import digests, models

import pfd
from pfd.errors import RunError, TaskFailed
from pfd.frames import read_frames
from pfd.json_file import write_json
from pfd.tasks.folder import Failure, Result
from pfd.workflow.argo.parcel import ROUND_FILE
from pfd.workflow.argo.replay import Rounds, kind_of
from pfd.workflow.decisions import decide
from pfd.workflow.journal import Journal


def test_it_ends_with_the_bytes_of_a_local_run(graph, small, write_input, in_process, tmp_path):
    small["argo"] = {"image": "x", "label": {"group_size": 4}}
    local = pfd.submit(write_input(small), tmp_path / "local")
    replayed = graph(small)
    run = replayed.to_the_end()
    assert digests(run) == digests(local.path)
    assert models(run) == models(local.path)
    assert pfd.open_run(run).status == local.status == "converged"
    names = [planned["round"] for planned in replayed.rounds]
    assert len(set(names)) == len(names)
    assert names[:4] == [
        "start-teacher-adopt",
        "finetune-iter-000-explore",
        "finetune-iter-000-select",
        "finetune-iter-000-label",
    ]
    kinds = {planned["round"]: planned["kind"] for planned in replayed.rounds}
    assert kinds["finetune-iter-000-label"] == "label"
    assert kinds["distill-iter-000-label"] == "predict"
    assert kinds["start-teacher-adopt"] == "other"


def test_each_task_is_in_one_round(graph, mini):
    replayed = graph(mini)
    sent = []

    def note(planned, done):
        for parcel in sorted(done.glob("*.tar")):
            with tarfile.open(parcel) as tar:
                sent.extend(name for name in tar.getnames() if name.endswith("/task.json"))

    replayed.tamper = note
    run = replayed.to_the_end()
    assert len(set(sent)) == len(sent) > 10
    events = Journal(run / "journal.jsonl").read()
    assert [event["name"] for event in events if event["event"] == "round"] == [
        planned["round"] for planned in replayed.rounds[:-1]
    ]


def test_what_is_done_in_the_run_folder_is_not_done_again(graph, mini, tmp_path):
    first = graph(mini)
    run = first.to_the_end()
    shutil.rmtree(tmp_path / "run")
    shutil.copytree(run, tmp_path / "run")
    shutil.rmtree(tmp_path / "pods")
    again = graph(mini)
    assert not again.turn()
    assert again.rounds[0]["round"] == "end"


def test_it_waits_for_a_person_and_goes_on_with_what_was_decided(graph, mini, tmp_path):
    mini["finetune"] |= {"pause": "before_label", "max_iterations": 1}
    first = graph(mini)
    run = first.to_the_end()
    assert first.rounds[-1]["round"] == "end"
    assert pfd.open_run(run).exit_code == 4
    frames = [frame.info["id"] for frame in read_frames(run / "review" / "frames.extxyz")]
    decide(run, "finetune", frames[1:], frames[:1], "somebody")
    shutil.rmtree(tmp_path / "run")
    shutil.copytree(run, tmp_path / "run")
    shutil.rmtree(tmp_path / "pods")
    again = graph(mini)
    ended = again.to_the_end()
    assert pfd.open_run(ended).summary["labels"]["asked"] == len(frames) - 1
    assert again.rounds[0]["round"] == "finetune-iter-000-label"


@pytest.mark.parametrize("damage", ["gone", "cut", "swapped", "changed", "escaping"])
def test_labels_that_do_not_come_back_whole_are_lost_and_the_run_goes_on(graph, mini, damage):
    mini["finetune"]["label"] |= {"min_success": 0.5}
    mini["finetune"]["select"]["max_frames"] = 9
    mini["argo"]["label"]["group_size"] = 1
    replayed = graph(mini)

    def tamper(planned, done):
        if planned["round"].startswith("finetune-iter-000-label"):
            HARM[damage](done, "0001.tar")

    replayed.tamper = tamper
    while replayed.turn() and "train" not in replayed.rounds[-1]["round"]:
        pass
    run = replayed.source / "run"
    lost = [event for event in Journal(run / "journal.jsonl").read() if event["event"] == "lost"]
    assert len({event["task"] for event in lost}) == 1
    assert SAID[damage] in lost[0]["message"]
    assert pfd.open_run(run).summary["labels"]["unfinished"] == 1
    assert not (run.parent / "escaped").exists()


def _cut(done, name):
    content = (done / name).read_bytes()
    (done / name).write_bytes(content[: len(content) // 3])


def _swap(done, name):
    shutil.copyfile(done / "0000.tar", done / name)


def _repack(done, name, change):
    opened = done / "opened"
    with tarfile.open(done / name) as tar:
        tar.extractall(opened, filter="data")
    change(opened)
    with tarfile.open(done / name, "w") as tar:
        for path in opened.glob("*/*/*/*"):
            tar.add(path, arcname=str(path.relative_to(opened)))
    shutil.rmtree(opened)


def _change(opened):
    next(opened.rglob("label.json")).write_text("{}")


def _escape(done, name):
    with tarfile.open(done / name, "w") as tar:
        tar.add(__file__, arcname="../escaped")


HARM = {
    "gone": lambda done, name: (done / name).unlink(),
    "cut": _cut,
    "swapped": _swap,
    "changed": lambda done, name: _repack(done, name, _change),
    "escaping": _escape,
}
SAID = {
    "gone": "nothing came back from its pod (key finetune-iter-000-label-0001",
    "cut": "is damaged",
    "swapped": "which is none of its tasks",
    "changed": "outputs/label is not what the task wrote",
    "escaping": "which is no file of a run",
}


def _lose_labels(planned, done):
    for slot in json.loads(planned["slots"]) if planned["kind"] == "label" else ():
        (done / f"{slot}.tar").unlink()


def test_too_few_labels_end_the_run_with_the_first_reason(graph, mini):
    replayed = graph(mini)
    replayed.tamper = _lose_labels
    with pytest.raises(TaskFailed, match="used up their attempts; the first: nothing came back"):
        replayed.to_the_end()
    assert (replayed.source / "run.tar").is_file()
    assert pfd.open_run(replayed.source / "run").status == "failed"


def test_a_task_that_fails_for_good_ends_the_run_with_its_own_words(graph, mini):
    replayed = graph(mini)

    def fail(opened):
        label = next(opened.glob("*/*/*/0000-*"))
        shutil.rmtree(label / "outputs")
        failed = Result(status="failed", failure=Failure(kind="fatal", message="no such pseudopotential", exit_code=2))
        write_json(label / "result.json", failed.model_dump(mode="json"))

    replayed.tamper = lambda planned, done: planned["kind"] == "label" and _repack(done, "0000.tar", fail)
    with pytest.raises(TaskFailed, match="no such pseudopotential") as caught:
        replayed.to_the_end()
    assert caught.value.exit_code == 2


def test_a_failure_of_an_earlier_submission_is_tried_again(graph, mini, tmp_path):
    replayed = graph(mini)
    replayed.tamper = _lose_labels
    with pytest.raises(TaskFailed):
        replayed.to_the_end()
    shutil.rmtree(tmp_path / "run")
    shutil.copytree(replayed.source / "run", tmp_path / "run")
    shutil.rmtree(tmp_path / "pods")
    again = graph(mini)
    assert again.turn()
    assert again.rounds[0]["round"] == "finetune-iter-000-label"  # what came before is not done again
    again.to_the_end()


def test_parcels_of_another_round_are_refused(graph, mini):
    replayed = graph(mini)
    replayed.turn()
    write_json(replayed.source / "done" / ROUND_FILE, {"round": "finetune-iter-007-train"})
    with pytest.raises(RunError, match="'finetune-iter-007-train', not 'start-teacher-adopt'"):
        replayed.turn()


def test_labels_in_portions_have_keys_of_their_own(tmp_path, graph, mini):
    mini["finetune"]["label"] |= {"max_core_hours": 1.0}
    mini["resources"] = {"cores": 1}
    replayed = graph(mini)
    replayed.to_the_end()
    labels = [planned["round"] for planned in replayed.rounds if "label" in planned["round"]]
    assert labels == ["finetune-iter-000-label", "finetune-iter-000-label-again-1"]


def test_a_damaged_run_folder_starts_no_replay(graph, mini):
    replayed = graph(mini)
    _cut(replayed.source, "run.tar")
    with pytest.raises(RunError, match=r"run.tar.*is damaged"):
        replayed.turn()


def test_inputs_that_several_pods_need_are_sent_once(graph, mini):
    mini["argo"]["explore"]["group_size"] = 1
    replayed = graph(mini)
    replayed.turn()
    replayed.turn()
    with tarfile.open(replayed.source / "tasks" / "shared.tar") as tar:
        shared = tar.getnames()
    assert any(name.startswith("start/teacher/adopt") for name in shared)
    with tarfile.open(replayed.source / "tasks" / "0000.tar") as tar:
        assert not set(tar.getnames()) & set(shared)


def test_kinds_of_pods():
    assert kind_of("label", "finetune/iter-000/label") == "label"
    assert kind_of("label", "distill/iter-000/label") == "predict"
    assert kind_of("pool", "finetune/iter-000/explore") == "explore"
    assert kind_of("time", "evaluate/speed-student/time") == "other"


def test_rounds_are_kept(tmp_path):
    rounds = Rounds(tmp_path)
    rounds.returned({"a": "gone"})
    rounds.write()
    assert Rounds(tmp_path).lost == {"a": "gone"}


def test_an_edited_input_is_replayed_with_what_was_there(graph, mini, tmp_path):
    run = graph(mini).to_the_end()
    shutil.rmtree(tmp_path / "run")
    shutil.copytree(run, tmp_path / "run")
    shutil.rmtree(tmp_path / "pods")
    mini["evaluate"]["test_frames"] = 3
    again = graph(mini)
    end = again.to_the_end()
    assert "start-teacher-adopt" not in [planned["round"] for planned in again.rounds]
    assert (end / "resolved-002.yaml").is_file()
    assert pfd.open_run(end).status == "converged"
