"""Every family that is here keeps the contract, and a family that breaks it is caught."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from ase.build import bulk

from pfd.models.family import Model, write_model
from pfd.models.training import adopt_model, make_family
from pfd.testing.family_contract import check_family
from pfd.testing.toy_family import ToyFamily


def silicon():
    frame = bulk("Si", cubic=True)
    frame.rattle(0.1, seed=1)
    return frame


def copper():
    frame = bulk("Cu", cubic=True)
    frame.rattle(0.1, seed=1)
    return frame


@pytest.mark.parametrize(
    ("name", "weights", "frame"),
    [
        ("toy", "soft-copper", copper()),
        pytest.param("chgnet", "0.3.0", silicon(), marks=pytest.mark.chgnet),
        pytest.param("sevennet", "7net-0", silicon(), marks=pytest.mark.sevennet),
    ],
)
def test_pre_trained(name, weights, frame, tmp_path):
    family = make_family(name)
    shipped = weights if weights in family.shipped else family.shipped[0]
    adopt_model(family, shipped, None, tmp_path)
    check_family(family, tmp_path, frame)


@pytest.mark.lammps
@pytest.mark.parametrize("name", ["pod", "snap", "uf3"])
def test_students(name, tmp_path):
    from tests.models.test_pod import frames

    family = make_family(name)
    small = {"pod": {"size": "S"}, "snap": {"twojmax": 4}, "uf3": {"triple_cutoff_A": 4.0}}[name]
    settings = family.FitSettings.model_validate({"cutoff_A": 4.5, **small})
    card, _ = family.fit(tmp_path, frames(30, 0), [], settings, 0)
    write_model(tmp_path, Model(card=card))
    check_family(family, tmp_path, frames(1, 5)[0])


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (lambda labels, frame: {"energy": labels.energy + 0.1 * frame.positions[0, 0]}, "moved"),
        (lambda labels, frame: {"forces": labels.forces * 1.1}, "off the gradient"),
        (lambda labels, frame: {"stress": labels.stress * -1.0}, "stress component"),
        (lambda labels, frame: {"energy": labels.energy + 1.0}, "twice the cell"),
        (lambda labels, frame: {"forces": labels.forces + np.array([0.1, 0, 0])}, "turned"),
    ],
)
def test_what_breaks_it_is_caught(break_it, says, tmp_path):
    class Broken(ToyFamily):
        def predict(self, folder, frames, *rest):
            found = super().predict(folder, frames, *rest)
            return [
                dataclasses.replace(labels, **break_it(labels, frame))
                for labels, frame in zip(found, frames, strict=True)
            ]

    adopt_model(ToyFamily(), "soft-copper", None, tmp_path)
    with pytest.raises(AssertionError, match=says):
        check_family(Broken(), tmp_path, copper())


def test_a_free_energy_that_is_another_is_caught(tmp_path):
    class Broken(ToyFamily):
        def calculator(self, folder, device="cpu"):
            calculator = super().calculator(folder, device)
            honest = calculator.calculate

            def calculate(*arguments, **options):
                honest(*arguments, **options)
                calculator.results["free_energy"] = calculator.results["energy"] - 1.0

            calculator.calculate = calculate
            return calculator

    adopt_model(ToyFamily(), "soft-copper", None, tmp_path)
    with pytest.raises(AssertionError, match="energy and its free_energy differ"):
        check_family(Broken(), tmp_path, copper())
