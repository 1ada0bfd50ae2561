"""Labels made by hand: the run waits, takes what is put back, and goes on; nothing is taken for another frame."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pfd import submit
from pfd.cli.status import status_of
from pfd.cli.submit import submit_and_show
from pfd.errors import DataError, SettingError
from pfd.frames import labels_of, read_frames, with_labels, write_frames
from pfd.testing.toy_labeler import ToyLabeler, ToyLabelerSettings

EXTERNAL = {"method": "external", "level": "by hand PBE"}


def by_hand(frames, folder):
    """What a person does with the frames."""
    labeler = ToyLabeler(ToyLabelerSettings())
    labelled = []
    for frame in frames:
        copy = frame.copy()
        copy.info = {}
        labelled.append(with_labels(copy, labeler.run(frame, folder).labels))
    return labelled


@pytest.fixture
def run(in_process, small, write_input, tmp_path):
    del small["distill"]
    small["finetune"] |= {"label": EXTERNAL, "max_iterations": 1}
    path = write_input(small)

    class Run:
        folder = tmp_path / "run"
        put_back = folder / "external" / "labelled"
        input_file = path

        def submit(self):
            return submit(path, self.folder)

        def waiting(self):
            return read_frames(self.folder / "external" / "to-label.extxyz")

        def put(self, frames, name="mine.extxyz"):
            write_frames(self.put_back / name, frames)

    return Run()


def test_a_run_waits_and_goes_on_when_labels_are_put_back(run, tmp_path):
    first = run.submit()
    assert first.status == "waiting"
    status = status_of(run.folder)
    assert status["status"] == "waiting"
    assert "wait for labels. Put files with energy, forces and stress of the same atoms" in status["error"]
    frames = run.waiting()
    assert len(frames) == 6  # four to train on, two to test on
    run.put(by_hand(frames[:4], tmp_path))
    second = run.submit()
    assert second.status == "waiting"
    assert "2 frames in" in status_of(run.folder)["error"]
    assert "(4 of 6 have one; 4 frames read in all)" in status_of(run.folder)["error"]
    run.put(by_hand(run.waiting(), tmp_path), "rest.extxyz")
    third = run.submit()
    assert third.status in {"converged", "not_converged"}
    assert third.summary["labels"]["asked"] == third.summary["labels"]["accepted"] == 6
    trained = read_frames(run.folder / "data" / "finetune-train.extxyz")
    assert {labels_of(frame).level_of_theory for frame in trained} == {"by hand PBE"}


def test_a_frame_that_could_not_be_labelled_is_rejected(run, tmp_path):
    run.submit()
    frames = by_hand(run.waiting(), tmp_path)
    frames[0].info["converged"] = False
    run.put(frames)
    assert run.submit().summary["labels"]["rejected"] == 1
    reasons = [json.loads(path.read_text()) for path in run.folder.glob("finetune/*/accept/*/outputs/reasons.json")]
    assert ["did not converge" in reason for each in reasons for reason in each.values()] == [True]


def test_corrected_labels_are_taken_in_the_place_of_the_first(run, tmp_path):
    run.submit()
    frames = by_hand(run.waiting(), tmp_path)
    lacking = [with_labels(frame, labels_of(frame)) for frame in frames]
    for frame in lacking:
        frame.calc.results.pop("stress")
    run.put(lacking)
    with pytest.raises(Exception, match="gave no stress"):
        run.submit()
    run.put(frames)
    assert run.submit().summary["labels"]["accepted"] == 6


def test_other_frames_are_no_answer(run, tmp_path):
    run.submit()
    frames = by_hand(run.waiting(), tmp_path)
    for frame in frames:
        frame.positions[0, 0] += 0.01
    run.put(frames)
    assert run.submit().status == "waiting"
    assert "(0 of 6 have one; 6 frames read in all)" in status_of(run.folder)["error"]


def test_two_labels_of_one_frame_are_refused(run, tmp_path):
    run.submit()
    frames = by_hand(run.waiting(), tmp_path)
    run.put(frames)
    other = frames[0].copy()
    labels = labels_of(frames[0])
    other = with_labels(other, type(labels)(labels.energy + 1.0, labels.forces, labels.stress, ""))
    run.put([other], "other.extxyz")
    with pytest.raises(DataError, match="was put back with two labels"):
        run.submit()


def test_what_is_unreadable_is_named(run):
    run.submit()
    (run.put_back / "broken.extxyz").write_text("3\nnothing\n")
    with pytest.raises(DataError) as caught:
        run.submit()
    assert "broken.extxyz" in str(caught.value)


def test_the_command_says_what_to_do(run, capsys):
    assert submit_and_show(run.input_file, run.folder, None) == 4
    said = capsys.readouterr().out
    assert "waiting for labels (exit code 4): 6 frames in" in said
    assert str(run.put_back) in said


def test_a_level_of_theory_is_needed(small, write_input, in_process, tmp_path):
    small["finetune"]["label"] = {"method": "external"}
    with pytest.raises(SettingError, match=r"finetune\.label\.level"):
        submit(write_input(small), tmp_path / "run")


def test_digits_that_a_file_leaves_out_and_periodic_images_do_not_matter(run, tmp_path):
    run.submit()
    frames = by_hand(run.waiting(), tmp_path)
    for frame in frames:
        calculator = frame.calc
        frame.positions = frame.positions.round(3)
        frame.wrap()
        frame.calc = calculator
    run.put([with_labels(frame, labels_of(frame)) for frame in frames])
    assert run.submit().summary["labels"]["accepted"] == 6


@pytest.mark.parametrize(
    ("info", "told"),
    [
        ({"converged": "no"}, "converged is 'no'"),
        ({"level_of_theory": "GFN1-xTB"}, "GFN1-xTB"),
    ],
)
def test_what_a_frame_says_of_itself_is_heeded(run, tmp_path, info, told):
    run.submit()
    frames = by_hand(run.waiting(), tmp_path)
    frames[0].info |= info
    run.put(frames)
    with pytest.raises(DataError, match=told):
        run.submit()


def test_a_cycle_that_used_all_its_steps_is_rejected(run, tmp_path):
    run.submit()
    frames = by_hand(run.waiting(), tmp_path)
    frames[0].info |= {"scf_steps": 60, "max_scf_steps": 60}
    run.put(frames)
    assert run.submit().summary["labels"]["rejected"] == 1


def test_what_stands_beside_a_label_is_kept(run, tmp_path):
    run.submit()
    frames = by_hand(run.waiting(), tmp_path)
    for frame in frames:
        frame.info["label_energy_sigma0_eV"] = labels_of(frame).energy + 0.01
    run.put(frames)
    ended = run.submit()
    kept = read_frames(ended.path / "data" / "finetune-train.extxyz")
    assert all(frame.info["label_energy_sigma0_eV"] for frame in kept)


def test_labels_of_another_level_are_not_renamed(run, tmp_path, small, write_input):
    run.submit()
    run.put(by_hand(run.waiting(), tmp_path))
    small["finetune"]["label"] = EXTERNAL | {"level": "by hand SCAN"}
    write_input(small)
    with pytest.raises(SettingError, match="were asked for as 'by hand PBE'"):
        run.submit()


def test_a_cluster_is_no_crystal(run, tmp_path):
    run.submit()
    frames = by_hand(run.waiting(), tmp_path)
    for frame in frames:
        frame.pbc = False
    run.put(frames)
    assert run.submit().status == "waiting"


def test_labels_that_were_found_stay_when_their_files_are_cleared_away(run, tmp_path):
    run.submit()
    run.put(by_hand(run.waiting()[:4], tmp_path))
    assert run.submit().status == "waiting"
    (run.put_back / "mine.extxyz").unlink()
    run.put(by_hand(run.waiting(), tmp_path), "rest.extxyz")
    assert run.submit().summary["labels"]["accepted"] == 6


def test_forces_without_relation_to_the_frames_are_refused(run, tmp_path):
    run.submit()
    frames = by_hand(run.waiting(), tmp_path)
    for number, frame in enumerate(frames):
        frame.calc.results["forces"] = np.random.default_rng(number).normal(size=(len(frame), 3))
    run.put(frames)
    with pytest.raises(DataError, match="no relation to the structures"):
        run.submit()


def test_backups_of_editors_are_passed_over(run, tmp_path):
    run.submit()
    (run.put_back / "mine.extxyz~").write_text("nothing")
    run.put(by_hand(run.waiting(), tmp_path))
    assert run.submit().summary["labels"]["accepted"] == 6
