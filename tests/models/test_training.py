"""Fine-tuning and fitting refuse frames whose electronic state the family cannot tell apart."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk

from pfd.errors import InputError
from pfd.frames import Labels, with_labels
from pfd.models.training import adopt_model, fine_tune_model, fit_model
from pfd.testing.toy_family import ToyFamily, ToyFineTuneSettings, ToyFitSettings


@pytest.fixture
def ion():
    frame = bulk("Cu", cubic=True)
    frame.info["charge"] = 1
    return with_labels(frame, Labels(-1.0, np.zeros((4, 3))))


def test_a_charge_is_refused_in_training_and_validation(tmp_path, ion):
    family = ToyFamily()
    (tmp_path / "start").mkdir()
    adopt_model(family, "soft-copper", None, tmp_path / "start")
    neutral = ion.copy()
    neutral.calc = ion.calc
    del neutral.info["charge"]
    for train, valid in (([ion], []), ([neutral], [ion])):
        with pytest.raises(InputError, match="'toy' cannot honour charge"):
            fine_tune_model(tmp_path / "start", train, valid, ToyFineTuneSettings(), 0, tmp_path / "tuned")
        with pytest.raises(InputError, match="'toy' cannot honour charge"):
            fit_model(family, train, valid, ToyFitSettings(), 0, tmp_path / "fitted")
    assert not (tmp_path / "tuned").exists()


def test_shipped_weights_tell_their_elements_as_their_cards_do(tmp_path):
    family = ToyFamily()
    for name in family.shipped:
        assert family.shipped_elements(name) == family.adopt(name, None, tmp_path).elements
