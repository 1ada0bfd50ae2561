"""The task runner: what becomes a result, what is tried again, and what is left in the folder."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from ase.build import bulk

from pfd.digests import file_digest
from pfd.errors import DataError, LabelRejected, MissingError, TransientError
from pfd.frames import write_frames
from pfd.frames.frame import with_origin
from pfd.json_file import read_json, write_json
from pfd.tasks.context import TaskContext
from pfd.tasks.folder import Artifact, TaskFolder, TaskSpec
from pfd.tasks.process import this_process
from pfd.tasks.runner import NO_RESULT, run_task

STEP = "plan"  # any registered step that needs no model; its function is replaced


@pytest.fixture
def perform(tmp_path, monkeypatch):
    """Run a function as the step of one task folder, always the same; returns the result."""

    def run(function, folder=None, **parameters):
        monkeypatch.setattr("pfd.tasks.runner.load_step", lambda name: function)
        folder = folder or TaskFolder.create(tmp_path / "place", 0, TaskSpec(STEP, parameters))
        return run_task(folder, redirect=False)

    return run


@pytest.fixture
def folder(tmp_path):
    return TaskFolder.create(tmp_path / "place", 0, TaskSpec(STEP, {}))


def write_one(task: TaskContext) -> dict[str, float]:
    task.out("one.txt").write_text("1")
    (task.scratch / "large.bin").write_text("...")
    return {"speed": 2.0}


def raising(error):
    def step(task):
        task.out("half.txt").write_text("half")
        raise error

    return step


def tree(folder: TaskFolder) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.path.rglob("*")}


def test_a_task_that_returns_is_done_with_its_digests(perform, folder):
    result = perform(write_one)
    assert result.status == "done"
    assert result.measured == {"speed": 2.0}
    assert result.outputs == {"one.txt": file_digest(folder.path / "outputs" / "one.txt")}
    assert folder.output("one.txt").path.read_text() == "1"
    assert {path.name for path in folder.attempts()[0].iterdir()} == {"claim.json"}


def test_a_done_task_is_never_run_nor_written_again(perform, folder):
    perform(write_one)
    before = tree(folder)
    assert perform(raising(AssertionError("ran again"))).status == "done"
    assert perform(raising(AssertionError("ran again")), TaskFolder(folder.path)).status == "done"
    assert tree(folder) == before


def test_outputs_without_a_result_are_discarded(perform, folder):
    (folder.path / "outputs").mkdir()
    (folder.path / "outputs" / "of-a-killed-attempt.txt").touch()
    perform(write_one)
    assert [path.name for path in (folder.path / "outputs").iterdir()] == ["one.txt"]


@pytest.mark.parametrize(
    "error",
    [
        TransientError("node lost"),
        MemoryError(),
        OSError(errno.ENOSPC, "disk full"),
        OSError(errno.ESTALE, "stale"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("Failed to allocate"),
    ],
    ids=repr,
)
def test_what_lies_outside_the_task_is_tried_again(perform, folder, error):
    assert perform(raising(error)) is None
    assert folder.result() is None
    assert not (folder.path / "outputs").exists()
    assert len(folder.counted_attempts()) == 1
    assert folder.claimed_by() is None
    assert folder.counted_attempts()[0].splitlines()[0] in folder.log_tail()
    assert perform(write_one).status == "done"
    assert [attempt.name for attempt in folder.attempts()] == ["00", "01"]


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (DataError("no forces", where="a.xyz", hint="label them"), 2),
        (MissingError("no pw.x"), 2),
        (LabelRejected("scf"), 1),
        (RuntimeError("a plug-in's own"), 1),
        (KeyError("Failed to allocate"), 1),
        (DataError("the frame named 'out of memory' lacks forces"), 2),
        (OSError(errno.ENOENT, "no such file"), 1),
        (SystemExit(7), 1),
    ],
    ids=repr,
)
def test_anything_else_is_fatal_with_its_message_and_exit_code(perform, folder, error, exit_code):
    result = perform(raising(error))
    assert (result.status, result.failure.kind, result.failure.exit_code) == ("failed", "fatal", exit_code)
    assert str(error) in result.failure.message
    assert str(error) in folder.log_tail()
    assert folder.counted_attempts() == []
    assert not folder.done()
    assert not (folder.path / "outputs").exists()


def test_a_plug_ins_traceback_stands_in_the_log_and_not_on_the_screen(perform, folder, capfd):
    perform(raising(RuntimeError("deep inside")))
    assert "in step" in folder.log_tail()
    assert capfd.readouterr() == ("", "")


def test_a_fatal_result_is_written_before_the_claim_is_given_back(perform, folder, monkeypatch):
    end, seen = TaskFolder.end_attempt, []

    def look(self, *arguments, **options):
        seen.append(self.result().status)
        end(self, *arguments, **options)

    monkeypatch.setattr(TaskFolder, "end_attempt", look)
    perform(raising(DataError("no forces")))
    assert seen == ["failed"]


def test_an_old_failure_does_not_outlive_the_next_attempt(perform, folder):
    perform(raising(DataError("mended since")))
    assert perform(raising(TransientError("node lost"))) is None
    assert folder.result() is None


def test_ctrl_c_counts_nothing_and_frees_the_folder(perform, folder):
    with pytest.raises(KeyboardInterrupt):
        perform(raising(KeyboardInterrupt()))
    assert folder.result() is None
    assert folder.counted_attempts() == []
    assert perform(write_one).status == "done"  # in the same process, which would still hold the claim


def test_an_attempt_that_was_taken_for_lost_publishes_nothing(perform, folder):
    def overtaken(task):
        task.out("late.txt").touch()
        later = folder.path / "attempts" / "01"
        later.mkdir()
        write_json(later / "claim.json", this_process().model_dump())

    assert perform(overtaken) is None
    assert folder.result() is None
    assert not (folder.path / "outputs").exists()


def test_done_by_another_between_look_and_claim_is_left_alone(perform, folder, monkeypatch):
    claim = TaskFolder.claim

    def late(self):
        attempt = claim(self)
        write_json(self.path / "result.json", {"status": "done", "host": "another"})
        return attempt

    monkeypatch.setattr(TaskFolder, "claim", late)
    assert perform(raising(AssertionError("ran again"))).host == "another"
    assert folder.counted_attempts() == []


def test_output_of_the_process_and_its_children_goes_to_the_log(folder, monkeypatch, capfd):
    def loud(task):
        os.write(1, b"from compiled code\n")
        subprocess.run(["sh", "-c", "echo from a child >&2"], check=True)

    monkeypatch.setattr("pfd.tasks.runner.load_step", lambda name: loud)
    run_task(folder)
    assert (folder.attempts()[0] / "log.txt").read_text().splitlines() == ["from compiled code", "from a child"]
    os.write(1, b"afterwards\n")
    assert capfd.readouterr().out == "afterwards\n"


def test_context_orders_inputs_by_number_and_refuses_nan(tmp_path):
    inputs = {f"label{number}": Artifact(tmp_path / str(number), "0" * 64) for number in (10, 9, 0)}
    inputs["labels"] = Artifact(tmp_path / "labels", "0" * 64)
    spec = TaskSpec(STEP, {"settings": {"ecut": 1}}, inputs, how={"command": "pw.x"})
    folder = TaskFolder.create(tmp_path / "place", 0, spec)
    context = TaskContext(folder, folder.claim())
    assert [path.name for path in context.inputs("label")] == ["0", "9", "10"]
    assert context.parameters["settings"] == {"ecut": 1, "command": "pw.x"}
    assert folder.task()["parameters"]["settings"] == {"ecut": 1}
    with pytest.raises(ValueError, match="not JSON compliant"):
        context.write("errors.json", {"rmse": float("nan")})


# processes


def label_task(parent, number, **settings) -> TaskFolder:
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.01 + 0.01 * number, seed=number)
    frame = parent / f"frame-{number}.extxyz"
    write_frames(frame, [with_origin(atoms)])
    spec = TaskSpec("label", {"settings": {"method": "toy"} | settings}, {"frame": Artifact.of(frame)})
    return TaskFolder.create(parent / "label", number, spec)


def start(*folders: TaskFolder) -> subprocess.Popen:
    command = [sys.executable, "-m", "pfd.tasks", *(str(folder.path) for folder in folders)]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL)


def test_processes_that_race_for_one_task_run_it_once(tmp_path):
    folder = label_task(tmp_path, 0, delay_s=0.5)
    codes = [process.wait(60) for process in [start(folder), start(folder)]]
    assert 0 in codes
    assert set(codes) <= {0, NO_RESULT}
    assert folder.done()
    assert len(folder.attempts()) == 1


def test_a_process_stops_at_a_task_that_failed_for_good(tmp_path):
    bad, good = label_task(tmp_path, 0, constant_eV="three"), label_task(tmp_path, 1)
    assert start(bad, good).wait(60) == NO_RESULT
    assert bad.result().failure.kind == "fatal"
    assert good.attempts() == []


def test_a_process_that_is_asked_to_stop_finishes_its_task_first(tmp_path):
    first, second = (label_task(tmp_path, number, delay_s=2.0) for number in range(2))
    process = start(first, second)
    while not first.attempts():
        time.sleep(0.01)
    process.send_signal(signal.SIGUSR1)
    assert process.wait(60) == NO_RESULT
    assert first.done()
    assert second.attempts() == []


def test_outputs_hold_no_time_host_or_path_and_are_the_same_elsewhere(tmp_path):
    digests = []
    for place in ("one", "another"):
        (tmp_path / place).mkdir()
        folder = label_task(tmp_path / place, 0)
        digests.append(run_task(folder).outputs)
        text = "".join(path.read_text() for path in (folder.path / "outputs").rglob("*") if path.is_file())
        assert str(tmp_path) not in text
        assert socket.gethostname() not in text
        assert json.dumps(read_json(folder.path / "result.json")).count(socket.gethostname()) == 1
    assert digests[0] == digests[1]
