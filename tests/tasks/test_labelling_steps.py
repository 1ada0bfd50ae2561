"""Collecting keeps the test set out of training, whichever of the two was there first."""

from __future__ import annotations

import json

import numpy as np
import pytest
from ase.build import bulk

from pfd.frames import Labels, read_frames, with_labels, with_origin, write_frames
from pfd.frames.split import trajectory_of
from pfd.tasks.folder import Artifact, TaskFolder, TaskSpec
from pfd.tasks.runner import run_task
from pfd.testing.toy_labeler import ToyLabeler


def labelled(seed: int, moved_A: float = 0.0):
    frame = bulk("Cu", cubic=True)
    frame.rattle(0.1, seed=seed)
    frame.positions[0, 0] += moved_A
    return with_labels(with_origin(frame, trajectory=f"t{seed}"), Labels(-1.0, np.zeros((4, 3)), np.zeros(6), "toy"))


@pytest.fixture
def perform(tmp_path):
    """Run a step on sets of frames, and return its output folder."""

    def run(step, parameters, **sets):
        inputs = {}
        for name, frames in sets.items():
            path = tmp_path / f"{name}.extxyz"
            if name.startswith("label"):
                path = tmp_path / name
                path.mkdir(exist_ok=True)
                (path / "rejected.json").write_text("{}")
                write_frames(path / "labelled.extxyz", frames)
            else:
                write_frames(path, frames)
            inputs[name] = Artifact.of(path)
        folder = TaskFolder.create(tmp_path / "tasks", 0, TaskSpec(step, parameters, inputs).seeded(1))
        result = run_task(folder, redirect=False)
        assert result.status == "done", result
        return folder.path / "outputs"

    return run


def ids(path):
    return {frame.info["id"] for frame in read_frames(path)}


def counts_of(folder):
    return json.loads((folder / "counts.json").read_text(encoding="utf-8"))


def test_frames_of_the_test_set_and_their_near_twins_are_never_trained_on(perform):
    frames = [labelled(seed) for seed in range(4)]
    twin = labelled(1, moved_A=1e-5)
    out = perform(
        "collect",
        {"valid_fraction": 0.0},
        selected=[frames[0], twin],
        label0=[frames[0], twin],
        extra0=[frames[2], frames[3]],
        test=[frames[1], frames[3]],
    )
    assert ids(out / "train.extxyz") == {frames[0].info["id"], frames[2].info["id"]}
    counts = counts_of(out)
    assert counts["held_for_test"] == sorted([twin.info["id"], frames[3].info["id"]])
    assert (counts["asked"], counts["accepted"], counts["rejected"], counts["train"]) == (2, 2, 0, 2)


def test_a_test_set_made_later_leaves_out_what_was_trained_on(perform):
    frames = [labelled(seed) for seed in range(3)]
    out = perform("collect", {"valid_fraction": 0.0}, selected=frames, label0=frames, seen0=[frames[1]])
    assert ids(out / "new.extxyz") == {frames[0].info["id"], frames[2].info["id"]}
    assert counts_of(out)["in_training"] == [frames[1].info["id"]]


def test_frames_without_a_label_are_told_from_rejected_ones(perform):
    frames = [labelled(seed) for seed in range(2)]
    out = perform("collect", {"valid_fraction": 0.0}, selected=frames, label0=frames[:1])
    (reason,) = counts_of(out)["reasons"].values()
    assert "not labelled" in reason


def of_pool(trajectory, steps):
    """Labelled frames of one trajectory, at these steps."""
    frames = [labelled(100 * trajectory + step) for step in steps]
    return [
        with_origin(frame, trajectory=f"t{trajectory}", step=step) for frame, step in zip(frames, steps, strict=True)
    ]


def test_later_frames_of_a_trajectory_follow_those_that_are_there(perform):
    parameters = {"valid_fraction": 0.3}
    first = [frame for number in range(6) for frame in of_pool(number, [0, 10])]
    out = perform("collect", parameters, selected=first, label0=first)
    sides = {name: read_frames(out / f"{name}.extxyz") for name in ("train", "valid")}
    later = [frame for number in range(8) for frame in of_pool(number, [20, 30, 40])]
    out = perform("collect", parameters, selected=later, label0=later, **sides)
    train, valid = ({trajectory_of(frame) for frame in read_frames(out / f"{name}.extxyz")} for name in sides)
    assert train | valid == {f"t{number}" for number in range(8)}
    assert not train & valid


def test_a_trajectory_that_was_cut_in_two_keeps_its_cut(perform):
    parameters = {"valid_fraction": 0.3}
    first = of_pool(0, range(0, 100, 10))
    out = perform("collect", parameters, selected=first, label0=first)
    sides = {name: read_frames(out / f"{name}.extxyz") for name in ("train", "valid")}
    assert [frame.info["step"] for frame in sides["valid"]] == [70, 80, 90]
    later = of_pool(0, range(5, 105, 10))
    out = perform("collect", parameters, selected=later, label0=later, **sides)
    assert max(frame.info["step"] for frame in read_frames(out / "train.extxyz")) == 65
    assert min(frame.info["step"] for frame in read_frames(out / "valid.extxyz")) == 70


def test_validation_is_made_of_later_frames_if_the_first_gave_none(perform):
    first = of_pool(0, [0])
    out = perform("collect", {"valid_fraction": 0.3}, selected=first, label0=first)
    assert ids(out / "valid.extxyz") == set()
    later = of_pool(0, range(10, 60, 10))
    out = perform("collect", {"valid_fraction": 0.3}, selected=later, label0=later, train=first)
    assert len(ids(out / "valid.extxyz")) == 2


def test_overlap_counts_what_was_trained_on(perform):
    frames = [labelled(seed) for seed in range(3)]
    out = perform("overlap", {}, frames=frames, seen0=frames[:1])
    assert ids(out / "apart.extxyz") == {frames[1].info["id"], frames[2].info["id"]}
    content = json.loads((out / "overlap.json").read_text(encoding="utf-8"))
    assert content == {"frames": 3, "in_training": [frames[0].info["id"]]}


def test_what_the_engine_said_beside_the_labels_stays_with_the_frame(perform, tmp_path):
    frame = labelled(1)
    record = {"id": frame.info["id"], "level": "toy", "sound": True}
    measures = {"largest_force_eV_per_A": 0.0, "net_force_eV_per_A": 0.0}
    extra = {"energy_sigma0_eV": -1.5, "local_magmoms": [1.0, 2.0, 3.0, 4.0]}
    kept = tmp_path / "label0"
    kept.mkdir()
    (kept / "label.json").write_text(json.dumps(record | {"measures": measures, "extra": extra}))
    out = perform("accept", {"accept": {}}, label0=[frame]) / "label"
    (accepted,) = read_frames(out / "labelled.extxyz")
    again = with_labels(frame, Labels(-1.0, np.zeros((4, 3)), np.zeros(6), "toy"))
    (trained,) = read_frames(
        perform("collect", {"valid_fraction": 0.0}, selected=[again], label0=[accepted]) / "train.extxyz"
    )
    for one in (accepted, trained):
        assert one.info["label_energy_sigma0_eV"] == -1.5
        np.testing.assert_array_equal(one.arrays["label_local_magmoms"], [1.0, 2.0, 3.0, 4.0])
        assert one.get_potential_energy() == -1.0


def test_another_magnetic_state_is_flagged_with_the_frame_or_rejected(perform, tmp_path):
    frame = labelled(1)
    measures = {"largest_force_eV_per_A": 0.0, "net_force_eV_per_A": 0.0, "moments_reversed": 1, "moments_lost": 0}
    record = {"id": frame.info["id"], "level": "toy", "sound": True, "measures": measures}
    (tmp_path / "label0").mkdir()
    (tmp_path / "label0" / "label.json").write_text(json.dumps(record))
    out = perform("accept", {"accept": {"magnetic_state": "flag"}}, label0=[frame])
    (accepted,) = read_frames(out / "label" / "labelled.extxyz")
    problem = "1 atom reversed the moment that was asked for"
    assert accepted.info["label_magnetic_state"] == problem
    assert json.loads((out / "flagged.json").read_text()) == {frame.info["id"]: problem}
    assert json.loads((out / "reasons.json").read_text()) == {}
    out = perform("accept", {"accept": {}}, label0=[frame])
    assert json.loads((out / "flagged.json").read_text()) == {}
    assert problem in json.loads((out / "label" / "rejected.json").read_text())[frame.info["id"]]
    assert read_frames(out / "label" / "labelled.extxyz") == []


@pytest.mark.parametrize("left", ["engine.out", None])
def test_what_the_labeler_leaves_in_its_folder_stays_with_the_attempt(perform, monkeypatch, tmp_path, left):
    honest = ToyLabeler.run

    def leaving(self, frame, scratch):
        if left:
            (scratch / left).write_text("JOB DONE.")
        return honest(self, frame, scratch)

    monkeypatch.setattr(ToyLabeler, "run", leaving)
    out = perform("label", {"settings": {"method": "toy"}, "level": "toy"}, frame=[labelled(0)])
    assert [path.name for path in out.iterdir()] == ["label"]  # it is no output: labels that are alike stay alike
    kept = [path.name for path in out.parent.glob("attempts/*/evidence/*")]
    assert kept == ([left] if left else [])
    assert bool(list(out.parent.glob("attempts/*/evidence"))) is bool(left)


def test_licensed_files_that_a_killed_attempt_left_are_removed_by_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr(ToyLabeler, "private", ("POTCAR",))
    write_frames(tmp_path / "frame.extxyz", [labelled(0)])
    spec = TaskSpec(
        "label", {"settings": {"method": "toy"}, "level": "toy"}, {"frame": Artifact.of(tmp_path / "frame.extxyz")}
    )
    folder = TaskFolder.create(tmp_path / "tasks", 0, spec)
    left = folder.path / "attempts" / "00" / "evidence" / "try-1"
    left.mkdir(parents=True)
    (left.parents[1] / "ended.json").write_text('{"message": "killed", "counted": true}')
    for name in ("POTCAR", "OUTCAR"):
        (left / name).write_text("...")
    assert run_task(folder, redirect=False).status == "done"
    assert [path.name for path in left.iterdir()] == ["OUTCAR"]


def test_vasp_leaves_no_potcar():
    from pfd.label.vasp.labeler import Vasp

    assert Vasp.private == ("POTCAR",)
