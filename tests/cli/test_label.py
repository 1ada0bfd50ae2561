"""``pfd label``: a file of frames, labelled and judged as in a run, and never twice."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tests.cli.conftest import EXAMPLE, pfd, wait_for, write

from pfd.cli.label import LabelOptions, label_and_show
from pfd.cli.status import status_lines, status_of
from pfd.errors import InputError, MissingError, RunError, SettingError, TaskFailed
from pfd.frames import labels_of, read_frames, write_frames
from pfd.frames.perturb import perturb
from pfd.frames.structures import read_starting
from pfd.workflow.driver_lock import driver_of
from pfd.workflow.run_folder import task_folders

pytestmark = pytest.mark.usefixtures("in_process")


@pytest.fixture
def frames(tmp_path, monkeypatch):
    """Six different frames of copper; the working folder is theirs."""
    monkeypatch.chdir(tmp_path)
    start = read_starting(EXAMPLE / "Cu.cif")[0]
    path = tmp_path / "frames.extxyz"
    write_frames(path, perturb(start, count=6, displacement_A=0.1, strain=0.01, style="normal", seed=1))
    return path


def options(path, **more):
    return LabelOptions(**({"input_file": None, "method": "toy", "out": path.with_name("out.extxyz")} | more))


def test_every_frame_gets_its_label_in_the_order_of_the_file(frames, capsys):
    assert label_and_show(frames, options(frames)) == 0
    labelled = read_frames(frames.with_name("out.extxyz"))
    assert [frame.info["id"] for frame in labelled] == [frame.info["id"] for frame in read_frames(frames)]
    assert all(labels_of(frame).energy is not None and labels_of(frame).forces is not None for frame in labelled)
    assert "6 of 6 frames labelled" in capsys.readouterr().out


def test_a_second_start_redoes_nothing(frames, capsys):
    label_and_show(frames, options(frames))
    results = [folder.path / "result.json" for folder in task_folders(frames.parent / "out.labels")]
    before = [path.stat().st_mtime_ns for path in results]
    assert status_lines(status_of(frames.parent / "out.labels"))[:2] == ["out: done", "  6 labels"]
    frames.with_name("out.extxyz").unlink()
    assert label_and_show(frames, options(frames)) == 0
    assert [path.stat().st_mtime_ns for path in results] == before
    assert len(read_frames(frames.with_name("out.extxyz"))) == 6


def test_rejected_frames_are_told_and_the_exit_code_says_so(frames, capsys):
    half = ("finetune.label.reject_fraction=0.5",)
    assert label_and_show(frames, options(frames, overrides=half, as_json=True)) == 3
    told = json.loads(capsys.readouterr().out)
    assert 0 < told["accepted"] < 6
    assert told["accepted"] + len(told["rejected"]) == told["frames"] == 6
    assert len(read_frames(frames.with_name("out.extxyz"))) == told["accepted"]
    assert (
        label_and_show(frames, options(frames)) == 0
    )  # other settings of the same level: the rejected are tried again
    assert len(read_frames(frames.with_name("out.extxyz"))) == 6


def test_acceptance_rules_are_those_of_a_run(frames):
    strict = ("finetune.label.accept.max_force_eV_per_A=1e-9",)
    assert label_and_show(frames, options(frames, overrides=strict)) == 3
    assert read_frames(frames.with_name("out.extxyz")) == []
    assert label_and_show(frames, options(frames)) == 0


def test_the_input_says_how(frames, small, capsys):
    small["finetune"]["label"] |= {"depth": 2.0, "max_total": 4}
    del small["distill"]
    path = write(frames.parent, small)
    assert label_and_show(frames, options(frames, method=None, input_file=path)) == 3
    labelled = read_frames(frames.with_name("out.extxyz"))
    assert len(labelled) == 4
    assert {frame.info["level_of_theory"] for frame in labelled} == {"toy Morse times 2 -3 eV"}
    assert "the budget was spent" in capsys.readouterr().out


def test_a_frame_that_stands_twice_is_labelled_once(frames, capsys):
    own = read_frames(frames)
    write_frames(frames, [*own, own[0]])
    assert label_and_show(frames, options(frames)) == 0
    assert "6 of 6 frames labelled (1 frame stood there twice)" in capsys.readouterr().out


def test_labels_by_hand_are_waited_for(frames, capsys):
    by_hand = options(frames, method="external", overrides=("finetune.label.level=mine",))
    assert label_and_show(frames, by_hand) == 4
    assert "waiting (exit code 4)" in capsys.readouterr().out
    assert not frames.with_name("out.extxyz").exists()
    label_and_show(frames, options(frames, out=frames.with_name("made.extxyz")))
    made = read_frames(frames.with_name("made.extxyz"))
    for frame in made:
        del frame.info["level_of_theory"]
    write_frames(frames.parent / "out.labels" / "external" / "labelled" / "made.extxyz", made)
    assert label_and_show(frames, by_hand) == 0


def test_a_model_labels(frames):
    model = ("finetune.label.family=toy", "finetune.label.model=soft-copper")
    assert label_and_show(frames, options(frames, method="family", overrides=model)) == 0
    assert read_frames(frames.with_name("out.extxyz"))[0].info["level_of_theory"].startswith("model:")


def test_if_nothing_can_be_labelled_it_fails(frames, monkeypatch):
    def lost(*_):
        raise TaskFailed("broken")

    monkeypatch.setattr("tests.workflow.conftest.EngineInProcess.run", lost)
    with pytest.raises(TaskFailed, match="broken"):
        label_and_show(frames, options(frames))
    assert not frames.with_name("out.extxyz").exists()


MISTAKES = {
    "two ways": ({"input_file": EXAMPLE / "input.yaml"}, SettingError, "two ways"),
    "no way": ({"method": None}, SettingError, "nothing says how"),
    "no such labeler": ({"method": "toi"}, SettingError, "did you mean 'toy'"),
    "no such key": ({"overrides": ("finetune.label.dept=1",)}, SettingError, "did you mean 'depth'"),
    "no section": ({"overrides": ("delay_s=1",)}, SettingError, "did you mean finetune.label.delay_s?"),
    "the folder's name": ({"out": Path("x.labels")}, SettingError, "folder beside it"),
    "no format": ({"file_format": "nothing"}, SettingError, "nothing"),
    "no program": ({"method": "espresso"}, (SettingError, MissingError), "pseudo|pw.x|espresso"),
}


@pytest.mark.parametrize(("more", "error", "said"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes_are_told_before_anything_is_started(frames, more, error, said):
    with pytest.raises(error, match=said):
        label_and_show(frames, options(frames, **more))
    assert {path.name for path in frames.parent.iterdir()} == {"frames.extxyz"}


def test_an_input_without_labels_is_refused(frames, small):
    del small["finetune"]
    path = write(frames.parent, small)
    with pytest.raises(SettingError, match="labels nothing"):
        label_and_show(frames, options(frames, method=None, input_file=path))


def test_a_file_of_somebody_else_is_not_overwritten(frames):
    frames.with_name("out.extxyz").write_text("mine")
    with pytest.raises(SettingError, match="there already"):
        label_and_show(frames, options(frames))
    frames.with_name("out.extxyz").unlink()
    (frames.parent / "out.labels").mkdir()
    (frames.parent / "out.labels" / "notes").write_text("mine")
    with pytest.raises(RunError, match="holds no run"):
        label_and_show(frames, options(frames))


def test_atoms_that_the_labeler_does_not_know_are_refused(frames):
    own = read_frames(frames)
    own[0].symbols[0] = "Au"
    write_frames(frames, own)
    with pytest.raises(InputError, match="Au"):
        label_and_show(frames, options(frames))


def test_what_is_left_out_when_the_file_is_read_is_told(frames, monkeypatch, capsys):
    from dataclasses import replace

    from pfd.frames import outside

    whole = outside.read_outside

    def cut(*arguments, **options):
        found = whole(*arguments, **options)
        return replace(found, frames=found.frames[1:], left_out=("frame 0: not converged",))

    monkeypatch.setattr("pfd.frames.outside.read_outside", cut)
    assert label_and_show(frames, options(frames)) == 3
    said = capsys.readouterr().out
    assert "5 of 5 frames labelled" in said
    assert "left out: frame 0: not converged" in said


def test_as_a_command(frames):
    ended = pfd("label", frames.name, "--method", "toy", "--out", "out.extxyz", cwd=frames.parent)
    assert ended.returncode == 0, ended.stderr
    assert "label: 6 of 6 done" in ended.stderr
    shutil.rmtree(frames.parent / "out.labels")


def test_in_the_background_it_goes_on_until_it_is_stopped_and_is_gone_on_with(frames):
    command = ("label", frames.name, "--method", "toy", "--out", "out.extxyz", "--detach")
    folder = frames.parent / "out.labels"
    started = pfd(*command, "finetune.label.delay_s=60", cwd=frames.parent)
    assert started.returncode == 0, started.stderr
    try:
        pid = driver_of(folder).process.pid
        assert f"process {pid} drives {folder} in the background; its log: {folder}/driver.log" in started.stdout
        assert f"look on: pfd watch {folder}\nstop: pfd stop {folder}" in started.stdout
        wait_for(lambda: list(folder.glob("finetune/file/label/*/attempts/00")))
        second = pfd(*command, cwd=frames.parent)
        assert (second.returncode, second.stdout) == (2, "")
        assert f"another driver works on this run: process {pid} on " in second.stderr
    finally:
        stopped = pfd("stop", folder, cwd=frames.parent)
    assert stopped.returncode == 0, stopped.stderr
    assert driver_of(folder) is None
    assert not frames.with_name("out.extxyz").exists()

    assert pfd(*command, cwd=frames.parent).returncode == 0
    watched = pfd("watch", folder.name, cwd=frames.parent)
    assert watched.returncode == 0, watched.stderr
    assert len(read_frames(frames.with_name("out.extxyz"))) == 6
    log = (folder / "driver.log").read_text(encoding="utf-8")
    assert "interrupted; the same command goes on where it was" in log
    assert "out.extxyz: 6 of 6 frames labelled" in log


def test_a_mistake_is_told_at_once_in_the_background_as_well(frames):
    command = ("label", frames.name, "--out", "out.extxyz", "--detach")
    for more, said in ((("--method", "toi"), "did you mean 'toy'"), (("--method", "toy", "--json"), "--json: ")):
        ended = pfd(*command, *more, cwd=frames.parent)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert said in ended.stderr
    assert {path.name for path in frames.parent.iterdir()} == {"frames.extxyz"}
