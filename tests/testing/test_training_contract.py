"""Every family's training keeps the contract, and one that breaks it is caught."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from ase.build import bulk

from pfd.frames import with_labels
from pfd.frames.frame import with_origin
from pfd.models.training import adopt_model, make_family
from pfd.testing.toy_family import ToyFamily, ToyFineTuneSettings
from pfd.testing.toy_labeler import ToyLabeler, ToyLabelerSettings
from pfd.testing.training_contract import check_fine_tuning, check_fit


def copper(count=8, size=1):
    """Displaced copper with the toy's labels: every family knows copper."""
    labeler = ToyLabeler(ToyLabelerSettings())
    frames = []
    for seed in range(count):
        frame = bulk("Cu", cubic=True).repeat((size, 1, 1))
        frame.rattle(0.12, seed=seed)
        frames.append(with_labels(with_origin(frame), labeler.run(frame, Path()).labels))
    return frames


@pytest.fixture
def start(request, tmp_path):
    name, weights = request.param
    folder = tmp_path / "start"
    folder.mkdir()
    adopt_model(make_family(name), weights, None, folder)
    return make_family(name), folder


@pytest.mark.parametrize(
    ("start", "settings"),
    [
        (("toy", "soft-copper"), {}),
        pytest.param(("chgnet", "0.3.0"), {"steps": 20}, marks=pytest.mark.chgnet),
        pytest.param(("sevennet", "7net-0"), {"steps": 3}, marks=pytest.mark.sevennet),
    ],
    indirect=["start"],
)
def test_fine_tuning(start, settings, tmp_path):
    family, folder = start
    check_fine_tuning(family, folder, copper(4), family.FineTuneSettings.model_validate(settings), tmp_path)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("toy", {}),
        pytest.param("pod", {"size": "S"}, marks=pytest.mark.lammps),
        pytest.param("snap", {"twojmax": 4}, marks=pytest.mark.lammps),
        pytest.param("uf3", {"size": "S"}, marks=pytest.mark.lammps),
    ],
)
def test_fits(name, settings, tmp_path):
    family = make_family(name)
    check_fit(family, copper(10, 2), family.FitSettings.model_validate(settings), tmp_path)


@pytest.mark.parametrize("start", [("toy", "soft-copper")], indirect=True)
@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("forgets the seed", "other bytes"),
        ("learns nothing", "the force RMSE of its training frames was"),
        ("forgets the zero", "another zero of the labels' energy"),
        ("saves too little", "a copy of the model"),
    ],
)
def test_what_breaks_it_is_caught(start, fault, says, tmp_path, monkeypatch):
    _, folder = start
    calls = []

    class Broken(ToyFamily):
        def fine_tune(self, folder, train, valid, settings, seed, *rest):
            before = (folder / "toy.json").read_bytes()
            report = super().fine_tune(folder, train, valid, settings, seed, *rest)
            calls.append(folder)
            if fault == "learns nothing":
                (folder / "toy.json").write_bytes(before)
            if fault == "forgets the seed":
                weights = json.loads((folder / "toy.json").read_text())
                weights["coefficients"][0] += 1e-12 * len(calls)
                (folder / "toy.json").write_text(json.dumps(weights))
            return report

        def add_energy_shift(self, folder, shift_eV):
            if fault == "forgets the zero" and "moved" in str(folder):
                shift_eV = {symbol: value - 1.0 for symbol, value in shift_eV.items()}
            super().add_energy_shift(folder, shift_eV)

        def predict(self, folder, frames, *rest, **options):
            found = super().predict(folder, frames, *rest, **options)
            if fault == "saves too little" and folder.name == "copy":
                return [dataclasses.replace(labels, energy=labels.energy + 1e-9) for labels in found]
            return found

    monkeypatch.setattr("pfd.models.training.make_family", lambda name, where="": Broken())
    with pytest.raises(AssertionError, match=says):
        check_fine_tuning(Broken(), folder, copper(3), ToyFineTuneSettings(), tmp_path)
