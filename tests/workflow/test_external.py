"""Labels made by hand: the run waits, takes what is put back, and goes on; nothing is taken for another frame."""

from __future__ import annotations

import json

import ase.io
import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator

from pfd import submit
from pfd.cli.status import status_of
from pfd.cli.submit import submit_and_show
from pfd.errors import DataError, SettingError
from pfd.frames import Labels, frame_id, labels_of, read_frames, with_labels, write_frames
from pfd.frames.frame import with_origin
from pfd.label.external import External, ExternalSettings
from pfd.label.judge import record_label
from pfd.tasks.folder import Artifact
from pfd.tasks.steps.labelling import verdict
from pfd.testing.toy_labeler import ToyLabeler, ToyLabelerSettings
from pfd.workflow.external import ExternalLabels

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
    reasons = [json.loads(path.read_text()) for path in run.folder.rglob("reasons.json")]
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
    assert "waiting (exit code 4): 6 frames in" in said
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


def label_tasks(folder):
    return sorted(path.name for path in folder.glob("finetune/*/label/*"))


def test_stress_is_no_part_of_the_level_and_what_has_one_is_not_made_anew(run, tmp_path, small, write_input):
    run.submit()
    frames = by_hand(run.waiting(), tmp_path)
    run.put(frames)
    assert run.submit().summary["labels"]["accepted"] == 6
    made = label_tasks(run.folder)
    small["finetune"]["label"] = {**EXTERNAL, "stress": False}
    write_input(small)
    assert run.submit().summary["labels"]["accepted"] == 6
    assert label_tasks(run.folder) == made


def test_labels_without_a_stress_are_made_anew_where_one_is_asked_for_now(run, tmp_path, small, write_input):
    small["finetune"]["label"] = {**EXTERNAL, "stress": False}
    write_input(small)
    run.submit()
    frames = by_hand(run.waiting(), tmp_path)
    frames[-1].calc.results.pop("stress")
    run.put(frames)
    assert run.submit().summary["labels"]["accepted"] == 6
    made = label_tasks(run.folder)
    small["finetune"]["label"] = EXTERNAL
    write_input(small)
    assert run.submit().summary["labels"]["accepted"] == 5
    (rejected,) = json.loads((run.folder / "report-data.json").read_text())["rejected"]
    assert "gave no stress" in rejected["reason"]
    assert len(label_tasks(run.folder)) == len(made) + 1


def test_frames_that_answer_nothing_are_named_by_their_file_with_the_nearest_chosen_one(run, tmp_path):
    run.submit()
    frames = by_hand(run.waiting(), tmp_path)
    moved = frames[2].copy()
    moved.positions[0, 0] += 0.01
    run.put(frames[:2])
    run.put([frames[3], with_labels(moved, labels_of(frames[2])), with_labels(moved[:-1], Labels(1.0))], "odd.extxyz")
    assert run.submit().status == "waiting"
    told = status_of(run.folder)["error"]
    assert (
        f"none of them: odd.extxyz frame 1 is {frame_id(run.waiting()[0])} but for an atom that is 0.01 Å off" in told
    )
    assert "odd.extxyz frame 2 has other atoms" in told
    assert told.count("none of them") == 2
    run.put(frames)
    (run.put_back / "odd.extxyz").unlink()
    run.put([with_labels(moved, labels_of(frames[2]))], "odd.extxyz")
    with pytest.warns(UserWarning, match=r"odd\.extxyz frame 0 is"):
        assert run.submit().summary["labels"]["accepted"] == 6


def test_files_that_clash_are_named_and_an_earlier_label_stays(run, tmp_path):
    run.submit()
    frames = by_hand(run.waiting(), tmp_path)
    run.put(frames)
    run.submit()
    (found,) = (path for path in (run.folder / "external" / "found").iterdir() if frame_id(frames[3]) in path.name)
    before = found.read_bytes()
    labels = labels_of(frames[3])
    run.put([with_labels(frames[3], Labels(labels.energy + 1.0, labels.forces, labels.stress))], "other.extxyz")
    with pytest.raises(DataError, match=r"two labels: mine\.extxyz frame 3 and other\.extxyz frame 0"):
        run.submit()
    assert found.read_bytes() == before


def test_a_file_in_the_place_of_the_folder_is_refused(run, tmp_path):
    run.submit()
    run.put_back.rmdir()
    run.put_back.write_text("labels")
    with pytest.raises(DataError, match="is a file, and should be a folder"):
        run.submit()


def test_a_label_made_by_hand_is_rejected_in_words_that_know_of_no_engine(run, tmp_path):
    run.submit()
    frames = by_hand(run.waiting(), tmp_path)
    frames[0].info["converged"] = False
    frames[1].calc.results.pop("stress")
    run.put(frames)
    assert run.submit().summary["labels"]["rejected"] == 2
    reasons = [line["reason"] for line in rejected_of(run.folder)]
    assert reasons
    assert all("the calculation that was put back" in reason and "engine" not in reason for reason in reasons)


def rejected_of(folder):
    return [
        {"id": name, "reason": reason}
        for path in folder.rglob("reasons.json")
        for name, reason in json.loads(path.read_text()).items()
    ]


@pytest.mark.parametrize("sign", [1, -1])
def test_moments_that_a_frame_was_put_back_with_are_kept_and_judged(tmp_path, sign):
    frame = bulk("Fe", cubic=True)
    frame.set_initial_magnetic_moments([2.0, 2.0])
    write_frames(tmp_path / "frame.extxyz", [with_origin(frame)])
    settings = ExternalSettings(level="by hand")
    back = tmp_path / "external" / "labelled"
    back.mkdir(parents=True)
    calculated = bulk("Fe", cubic=True)
    moments = [2.2, 2.2 * sign]
    results = {"magmom": sum(moments), "magmoms": moments, "stress": np.zeros(6)}
    calculated.calc = SinglePointCalculator(calculated, energy=-1.0, forces=np.zeros((2, 3)), **results)
    ase.io.write(back / "mine.extxyz", calculated)
    found = ExternalLabels(tmp_path, settings).label_of(Artifact.of(tmp_path / "frame.extxyz"))
    labeler = External(settings)
    labeler.use_files([found["stored0"].path])
    record, _ = record_label(labeler, frame, tmp_path)
    assert record.extra == {"total_magmom": sum(moments), "local_magmoms": moments}
    assert bool(verdict(record, settings.accept)) is (sign < 0)
