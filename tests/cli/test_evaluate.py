"""``pfd evaluate``: errors of a model on files, and which frames lie outside of its training set."""

from __future__ import annotations

import json

import pytest
from tests.cli.conftest import pfd

from pfd.frames import labels_of, read_frames, with_labels, write_frames


@pytest.fixture
def folder(toy):
    return toy[0] / "toy"


def test_the_errors_are_those_of_the_summary(folder, tmp_path):
    ended = pfd("evaluate", folder / "models/student", folder / "data/finetune-test.extxyz", "--json", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    summary = json.loads((folder / "summary.json").read_text())
    found = json.loads(ended.stdout)["errors"]["force_rmse_meV_per_A"]
    assert found == pytest.approx(summary["models"]["student"]["test"]["force_rmse_meV_per_A"], rel=1e-6)


def test_the_domain_and_what_is_written(folder, tmp_path):
    train = folder / "data/distill-train.extxyz"
    frames = read_frames(folder / "data/finetune-test.extxyz")
    for frame in frames[:2]:
        frame.set_cell(frame.cell * 0.8, scale_atoms=True)
    write_frames(tmp_path / "frames.extxyz", frames)
    arguments = ("frames.extxyz", "--domain", train, "--out", "out.extxyz")
    ended = pfd("evaluate", folder / "models/student", *arguments, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "frame 0:" in ended.stdout
    assert "rank correlation" in ended.stdout
    predicted = read_frames(tmp_path / "out.extxyz")
    assert predicted[0].info["outside_fraction"] > 0.5
    assert labels_of(predicted[0]).forces is not None
    assert (tmp_path / "out.parity.svg").is_file()


def test_frames_without_labels_have_a_domain_and_no_errors(folder, tmp_path):
    frames = read_frames(folder / "data/finetune-test.extxyz")
    bare = [type(frame)(frame.symbols, frame.positions, cell=frame.cell, pbc=frame.pbc) for frame in frames]
    write_frames(tmp_path / "bare.extxyz", bare)
    train = folder / "data/distill-train.extxyz"
    ended = pfd("evaluate", folder / "models/student", "bare.extxyz", "--domain", train, "--json", cwd=tmp_path)
    found = json.loads(ended.stdout)
    assert found["errors"] is None
    assert len(found["domain"]["frames"]) == len(bare)


def test_a_shift_takes_a_constant_away(folder, tmp_path):
    frames = read_frames(folder / "data/finetune-test.extxyz")
    moved = [
        with_labels(frame, type(label)(label.energy + 3.0 * len(frame), label.forces))
        for frame in frames
        for label in [labels_of(frame)]
    ]
    write_frames(tmp_path / "moved.extxyz", moved)
    arguments = ("moved.extxyz", "--shift-on", "moved.extxyz", "--json")
    ended = pfd("evaluate", folder / "models/student", *arguments, cwd=tmp_path)
    errors = json.loads(ended.stdout)["errors"]
    assert errors["shift_eV"]["Cu"] == pytest.approx(3.0, abs=0.1)
    assert errors["energy_rmse_meV_per_atom"] < 100 < errors["unshifted_energy_rmse_meV_per_atom"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nowhere", "FRAMES"), "neither a model folder nor"),
        (("MODEL", "missing.extxyz"), "no such file"),
        (("MODEL", "FRAMES", "--labels", "forces"), "is not LABEL=KEY"),
        (("MODEL", "FRAMES", "--device", "tpu"), "no device"),
        (("MODEL", "FRAMES", "--out", "FRAMES"), "one of the inputs"),
        (("MODEL", "FRAMES", "--domain", "missing.extxyz"), "no such file"),
    ],
)
def test_bad_input_is_told(folder, tmp_path, arguments, words):
    places = {"MODEL": folder / "models/student", "FRAMES": folder / "data/finetune-test.extxyz"}
    ended = pfd("evaluate", *(places.get(each, each) for each in arguments), cwd=tmp_path)
    assert ended.returncode == 2
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr


def test_cuda_is_refused_where_the_model_cannot_use_it(folder, tmp_path):
    frames = folder / "data/finetune-test.extxyz"
    ended = pfd("evaluate", folder / "models/student", frames, "--device", "cuda", cwd=tmp_path)
    assert ended.returncode == 2
    assert "cannot use cuda" in ended.stderr


def test_a_file_that_is_there_is_not_overwritten_and_the_table_is_whole(folder, tmp_path):
    arguments = ("evaluate", folder / "models/student", folder / "data/finetune-test.extxyz", "--out", "out.extxyz")
    ended = pfd(*arguments, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "…" not in ended.stdout
    assert "temperature_K 600" in ended.stdout
    again = pfd(*arguments, cwd=tmp_path)
    assert again.returncode == 2
    assert "it is there already" in again.stderr
    (tmp_path / "out.extxyz").unlink()
    plot = pfd(*arguments, cwd=tmp_path)
    assert plot.returncode == 2
    assert "out.parity.svg" in plot.stderr


def test_trust_where_nothing_needs_it_is_refused(folder, tmp_path):
    for model in (folder / "models/student", "toy:soft-copper"):
        ended = pfd("evaluate", model, folder / "data/finetune-test.extxyz", "--trust-file", cwd=tmp_path)
        assert ended.returncode == 2
        assert "leave --trust-file out" in ended.stderr
