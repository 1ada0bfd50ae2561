"""The steps as plain functions, in the order a notebook would call them."""

from __future__ import annotations

from pathlib import Path

from ase.io import read

import pfd
from pfd.explore.settings import MDSettings
from pfd.frames import fit_energy_shift, labels_of, with_labels
from pfd.select.settings import SelectSettings

COPPER = Path(__file__).parents[1] / "examples" / "toy" / "Cu.cif"


def test_explore_select_label_train_evaluate(tmp_path):
    starts = pfd.perturb(read(COPPER), 2, displacement_A=0.05, strain=0.01, supercell=(2, 2, 2), seed=1)

    toy = pfd.make_family("toy")
    pretrained = tmp_path / "pretrained"
    pretrained.mkdir()
    pfd.adopt_model(toy, "soft-copper", None, pretrained)

    settings = MDSettings(temperatures_K=(500.0,), timestep_fs=2.0, steps=60, every=5)
    runs = [
        pfd.run_md(start, pfd.load(pretrained), settings, temperature_K=500.0, seed=seed)
        for seed, start in enumerate(starts)
    ]
    pool, test = list(runs[0].frames), list(runs[1].frames)[::3]
    chosen = pfd.select_frames(pool, [], SelectSettings(max_frames=6), seed=0)
    assert 0 < len(chosen.indices) <= 6

    labeler = pfd.make_labeler({"method": "toy"})

    def label(frames):
        return [with_labels(frame, pfd.label_frame(labeler, frame, tmp_path)) for frame in frames]

    train, test = label([pool[index] for index in chosen.indices]), label(test)
    tuned, student = tmp_path / "tuned", tmp_path / "student"
    student.mkdir()
    pfd.fine_tune_model(pretrained, train, train[:1], toy.FineTuneSettings(), 0, tuned)
    teacher_labelled = pfd.predict_frames(tuned, pool)
    pfd.fit_model(toy, teacher_labelled, teacher_labelled[:1], toy.FitSettings(), 0, student)

    shift = fit_energy_shift(train, [labels_of(frame) for frame in pfd.predict_frames(pretrained, train)])
    errors = {
        model.name: pfd.error_report(test, [labels_of(frame) for frame in pfd.predict_frames(model, test)], own_shift)
        for model, own_shift in ((pretrained, shift), (tuned, None), (student, None))
    }
    assert errors["tuned"].force_rmse_meV_per_A < 0.2 * errors["pretrained"].force_rmse_meV_per_A
    assert errors["student"].force_rmse_meV_per_A < 0.3 * errors["pretrained"].force_rmse_meV_per_A

    pfd.write_frames(tmp_path / "train.extxyz", train)
    again = pfd.read_frames(tmp_path / "train.extxyz")
    assert [labels_of(frame).energy for frame in again] == [labels_of(frame).energy for frame in train]
