"""The task folder: identity, claims, what counts as a result."""

import json
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfd.errors import RunError
from pfd.json_file import read_json, write_json
from pfd.tasks.folder import Artifact, Resources, Result, TaskFolder, TaskSpec
from pfd.tasks.process import ProcessName, boot_id, this_process

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def folder_of(parent: Path, **parameters) -> TaskFolder:
    return TaskFolder.create(parent, 0, TaskSpec("nothing", parameters))


def put_claim(folder: TaskFolder, number: int, process: ProcessName) -> Path:
    attempt = folder.path / "attempts" / f"{number:02d}"
    attempt.mkdir(parents=True)
    write_json(attempt / "claim.json", process.model_dump())
    return attempt


def put_done(folder: TaskFolder) -> None:
    write_json(folder.path / "result.json", Result(status="done").model_dump(mode="json"))


# identity


@given(parameters=st.dictionaries(st.text(max_size=3), JSON, max_size=4))
def test_identity_does_not_know_the_order_of_keys(parameters):
    turned = dict(reversed(list(parameters.items())))
    assert TaskSpec("a", parameters).identity() == TaskSpec("a", turned).identity()


def test_identity_is_what_determines_the_outputs_and_nothing_else(tmp_path):
    base = TaskSpec("label", {"x": 1}, {"frame": Artifact(tmp_path / "a", "1" * 64)})
    same = [
        TaskSpec("label", {"x": 1}, {"frame": Artifact(tmp_path / "elsewhere" / "b", "1" * 64)}),
        TaskSpec("label", {"x": 1}, base.inputs, Resources(cores=8, memory_GB=64, walltime_s=5)),
        TaskSpec("label", {"x": 1}, base.inputs, how={"command": "mpirun pw.x"}),
    ]
    other = [
        TaskSpec("train", {"x": 1}, base.inputs),
        TaskSpec("label", {"x": 2}, base.inputs),
        TaskSpec("label", {"x": 1}, {"frame": Artifact(tmp_path / "a", "2" * 64)}),
        TaskSpec("label", {"x": 1}, {"picture": Artifact(tmp_path / "a", "1" * 64)}),
    ]
    assert {spec.identity() for spec in same} == {base.identity()}
    assert len({spec.identity() for spec in [base, *other]}) == 5


def test_seed_follows_run_seed_and_identity_but_not_resources():
    spec = TaskSpec("a", {"x": 1}, resources=Resources(cores=2), how={"command": "x"})
    seeded = spec.seeded(7)
    assert seeded.parameters["seed"] == TaskSpec("a", {"x": 1}).seeded(7).parameters["seed"]
    assert (seeded.resources, seeded.how) == (spec.resources, spec.how)
    assert len({spec.seeded(7).identity(), spec.seeded(8).identity(), spec.identity()}) == 3


def test_folder_states_number_identity_and_relative_inputs(tmp_path):
    (tmp_path / "in.txt").write_text("x")
    spec = TaskSpec("a", {}, {"file": Artifact.of(tmp_path / "in.txt")})
    folder = TaskFolder.create(tmp_path / "run" / "a", 3, spec)
    assert folder.path.name == f"0003-{spec.identity()[:12]}"
    task = folder.task()
    assert task["inputs"]["file"]["path"] == "../../../in.txt"
    assert task["identity"] == spec.identity()
    assert str(tmp_path) not in (folder.path / "task.json").read_text()


# results


def test_created_again_a_finished_folder_is_not_written_to(tmp_path):
    folder = folder_of(tmp_path, x=1)
    put_done(folder)
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.path.iterdir()}
    again = TaskFolder.create(tmp_path, 0, TaskSpec("nothing", {"x": 1}, resources=Resources(cores=4)))
    assert again.path == folder.path
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.path.iterdir()} == before


def test_created_again_an_open_folder_takes_new_resources(tmp_path):
    folder = folder_of(tmp_path, x=1)
    TaskFolder.create(tmp_path, 0, TaskSpec("nothing", {"x": 1}, resources=Resources(cores=4)))
    assert folder.task()["resources"]["cores"] == 4


def test_result_cut_short_anywhere_counts_as_none(tmp_path):
    folder = folder_of(tmp_path)
    assert folder.result() is None
    put_done(folder)
    whole = (folder.path / "result.json").read_bytes()
    assert folder.done()
    for length in range(len(whole) - 2):  # without the last brace
        (folder.path / "result.json").write_bytes(whole[:length])
        assert TaskFolder(folder.path).result() is None
        assert not TaskFolder(folder.path).done()


@pytest.mark.parametrize("content", ["[]", "3", "null", '{"status": "perhaps"}', "{}", '"done"'])
def test_json_that_is_no_result_counts_as_none(tmp_path, content):
    folder = folder_of(tmp_path)
    (folder.path / "result.json").write_text(content)
    assert folder.result() is None


def test_failed_is_not_done_and_has_no_outputs(tmp_path):
    folder = folder_of(tmp_path)
    write_json(folder.path / "result.json", {"status": "failed", "failure": {"kind": "fatal", "message": "no"}})
    assert not folder.done()
    with pytest.raises(RunError):
        folder.output("x")


def test_unreadable_task_says_where(tmp_path):
    folder = folder_of(tmp_path)
    (folder.path / "task.json").write_text('{"format": 1')
    with pytest.raises(RunError) as caught:
        folder.task()
    assert str(folder.path) in str(caught.value)


def test_write_json_leaves_the_old_file_and_no_litter_when_it_fails(tmp_path):
    write_json(tmp_path / "a.json", {"x": 1})
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"x": object()})
    assert read_json(tmp_path / "a.json") == {"x": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


# claims


def test_claim_is_held_by_this_process_until_the_attempt_ends(tmp_path):
    folder = folder_of(tmp_path)
    attempt = folder.claim()
    assert attempt == folder.path / "attempts" / "00"
    assert folder.claimed_by() == this_process()
    assert folder.claim() is None
    folder.end_attempt(attempt, "killed", counted=True)
    assert folder.claimed_by() is None
    assert folder.claim().name == "01"
    assert folder.counted_attempts() == ["killed"]
    assert sorted(path.name for path in (folder.path / "attempts").iterdir()) == ["00", "01"]


def ended_process() -> ProcessName:
    """The name of a process that is gone."""
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    process.wait()
    return this_process().model_copy(update={"pid": process.pid})


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda me: ended_process(), id="dead pid"),
        pytest.param(lambda me: me.model_copy(update={"boot_id": "another boot"}), id="other boot"),
        pytest.param(lambda me: me.model_copy(update={"start_ticks": me.start_ticks - 1}), id="pid used again"),
    ],
)
def test_stale_claim_is_taken_over_and_uses_up_no_retry(tmp_path, change):
    folder = folder_of(tmp_path)
    put_claim(folder, 0, change(this_process()))
    assert folder.claimed_by() is None
    assert folder.claim().name == "01"
    assert folder.counted_attempts() == []


def test_claim_of_a_zombie_is_stale(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", "pass"], stdout=subprocess.PIPE)
    process.stdout.read()
    process.stdout.close()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # ended, not yet reaped
    ticks = int(Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[19])
    name = ProcessName(host=this_process().host, boot_id=boot_id(), pid=process.pid, start_ticks=ticks)
    assert not name.alive()
    process.wait()


def test_claim_goes_on_after_a_gap_in_the_numbers(tmp_path):
    folder = folder_of(tmp_path)
    put_claim(folder, 5, ended_process())
    assert folder.claim().name == "06"


def test_attempts_are_sorted_as_numbers(tmp_path):
    folder = folder_of(tmp_path)
    for number in (99, 100, 9):
        put_claim(folder, number, ended_process())
    assert [path.name for path in folder.attempts()] == ["09", "99", "100"]


def test_a_claim_made_between_look_and_rename_is_seen(tmp_path, monkeypatch):
    """The rival claims at each moment at which this process looks at the folder: one of the two gets nothing."""
    for moment in range(4):
        folder = folder_of(tmp_path, moment=moment)
        rival, looks, won = TaskFolder(folder.path), [0], []
        look = TaskFolder.attempts

        def attempts(self, folder=folder, rival=rival, looks=looks, won=won, look=look, moment=moment):
            found = look(self)
            if self is folder:
                looks[0] += 1
                if looks[0] == moment + 1:
                    won.append(rival.claim())
            return found

        with monkeypatch.context() as patch:
            patch.setattr(TaskFolder, "attempts", attempts)
            mine = folder.claim()
        assert [mine, *won].count(None) == len(won), f"both claims succeeded at look {moment}"


def race(path, gate, won):
    gate.wait()
    if TaskFolder(path).claim() is not None:
        won.put(os.getpid())
    gate.wait()  # stay alive until the others have tried


def test_of_processes_that_race_for_one_folder_one_gets_it(tmp_path):
    context = multiprocessing.get_context("forkserver")
    for turn in range(3):
        folder = folder_of(tmp_path, turn=turn)
        gate, won = context.Barrier(3), context.Queue()
        racers = [context.Process(target=race, args=(folder.path, gate, won)) for _ in range(3)]
        for racer in racers:
            racer.start()
        winner = won.get(timeout=30)
        for racer in racers:
            racer.join(timeout=30)
        assert won.empty()
        assert [attempt.name for attempt in folder.attempts()] == ["00"]
        assert json.loads((folder.attempts()[0] / "claim.json").read_text())["pid"] == winner
        won.close()
        won.join_thread()
