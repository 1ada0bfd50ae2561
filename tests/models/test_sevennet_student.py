"""SevenNet as a student: a small network from scratch learns, keeps the contract, and is the package's own."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from pydantic import ValidationError
from tests.models.copper import copper, errors

from pfd.errors import ModelError
from pfd.frames import Labels, labels_of, with_labels
from pfd.models.family import read_model
from pfd.models.sevennet import CHECKPOINT, SevenNet
from pfd.models.sevennet_student import PRESETS, SevenNetFitSettings
from pfd.models.training import fit_model
from pfd.testing.family_contract import check_family
from pfd.testing.training_contract import check_fit

pytest.importorskip("torch")
pytestmark = pytest.mark.sevennet
FAMILY = SevenNet()
SETTINGS = SevenNetFitSettings(steps=200, channels=8)


@pytest.fixture(scope="module")
def student(tmp_path_factory):
    folder = tmp_path_factory.mktemp("student")
    fit_model(FAMILY, copper(12, 0, constant_eV=-3.0), copper(3, 1, constant_eV=-3.0), SETTINGS, 7, folder)
    return folder


def test_it_learns(student):
    unseen = copper(8, 9, constant_eV=-3.0)
    rms = {
        "forces": np.sqrt(np.mean([labels_of(frame).forces ** 2 for frame in unseen])),
        "stress": np.sqrt(np.mean([labels_of(frame).stress ** 2 for frame in unseen])),
        "energy": np.std([labels_of(frame).energy / len(frame) for frame in unseen]),
    }
    found = errors(FAMILY, student, unseen)
    assert found["forces"] < 0.2 * rms["forces"]
    assert found["stress"] < 0.2 * rms["stress"]
    assert found["energy"] < 0.2 * rms["energy"]
    assert found["shift"] < 0.02


def test_it_keeps_the_contract(student):
    frame = bulk("Cu", cubic=True)
    frame.rattle(0.1, seed=1)
    check_family(FAMILY, student, frame)


def test_its_checkpoint_is_one_that_the_package_reads(student):
    frame = copper(1, 5)[0].copy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sevenn.calculator import SevenNetCalculator

        frame.calc = SevenNetCalculator(str(student / CHECKPOINT), device="cpu")
    ours = FAMILY.predict(student, [frame])[0]
    assert ours.energy == pytest.approx(frame.get_potential_energy(), abs=2e-5)
    np.testing.assert_allclose(ours.forces, frame.get_forces(), atol=2e-5)
    np.testing.assert_allclose(ours.stress, frame.get_stress(), atol=1e-6)


def test_the_card_tells_what_was_built(student):
    card = read_model(student).card
    assert (card.family, card.name, card.elements) == ("sevennet", "custom", ("Cu",))
    assert card.licence.startswith("the user's own")
    assert card.cutoff_A == pytest.approx(4.2)  # copper is dense
    weights = FAMILY.load(student).module.parameters()
    assert card.parameters == sum(weight.numel() for weight in weights if weight.requires_grad) < 20_000


def test_the_contract_of_fits_holds(tmp_path):
    settings = SevenNetFitSettings(steps=20, channels=4, lmax=0, interactions=1, cutoff_A=3.5)
    check_fit(FAMILY, copper(4, 0, constant_eV=-3.0), settings, tmp_path)


def test_several_elements_have_energies_of_their_own(tmp_path):
    frames = []
    for seed, symbols in enumerate(("CuCu", "CuAu", "AuAu", "CuAu")):
        frame = Atoms(symbols, [[0, 0, 0], [1.9, 1.9, 0.1 * seed]], cell=[3.8, 3.8, 3.8], pbc=True)
        energy = sum({"Cu": -3000.0, "Au": -9000.0}[symbol] for symbol in frame.get_chemical_symbols())
        frames.append(with_labels(frame, Labels(energy, np.zeros((2, 3)))))
    fit_model(FAMILY, frames, [], SevenNetFitSettings(steps=1, channels=4), 0, tmp_path)
    for frame, found in zip(frames, FAMILY.predict(tmp_path, frames), strict=True):
        assert found.energy / 2 == pytest.approx(labels_of(frame).energy / 2, abs=0.5)
    with pytest.raises(ModelError, match="does not know Ag"):
        FAMILY.predict(tmp_path, [Atoms("Ag", cell=[3, 3, 3], pbc=True)])


def test_elements_that_only_validation_has_are_refused(tmp_path):
    valid = bulk("Au", a=4.0)
    with pytest.raises(ModelError, match="does not know Au"):
        fit_model(FAMILY, copper(2, 0), [with_labels(valid, Labels(0.0, np.zeros((1, 3))))], SETTINGS, 0, tmp_path)


@pytest.mark.parametrize(
    ("given", "name"), [({}, "S"), ({"size": "M"}, "M"), ({"size": "M", "lmax": 2}, "M"), ({"lmax": 3}, "custom")]
)
def test_numbers_of_ones_own_take_the_place_of_the_preset_s(given, name):
    settings = SevenNetFitSettings.model_validate(given)
    assert settings.name() == name
    shape = settings.shape()
    assert shape.channels == PRESETS[settings.size].channels
    assert shape.lmax == given.get("lmax", PRESETS[settings.size].lmax)


@pytest.mark.parametrize("given", [{"lmax": 4}, {"interactions": 0}, {"steps": 3, "epochs": 7}, {"size": "L"}])
def test_what_cannot_be_built_is_refused(given):
    with pytest.raises(ValidationError):
        SevenNetFitSettings.model_validate(given)
