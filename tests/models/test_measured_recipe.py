"""How long a fine-tuning is by default, and what takes the place of that."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from pfd.models.measured_recipe import LEAST_ATOMS, MOST_EPOCHS, MeasuredFineTuneSettings


def length(frames, **settings):
    return MeasuredFineTuneSettings.model_validate(settings).length(frames)


def test_the_atoms_are_shared_out_among_the_steps():
    assert length([64] * 100, atoms=64_000) == 1000
    assert length([64] * 100, atoms=64_000, batch_size=2) == 500
    assert length([192] * 100, atoms=192_000) == 1000
    assert length([64, 192] * 50, atoms=128_000) == 1000
    assert length([5000] * 3, atoms=100) == 1


def test_few_and_small_frames_are_not_seen_forever():
    assert length([64] * 3) == 3 * MOST_EPOCHS
    assert length([2] * 1000, atoms=64_000) == 64_000 / LEAST_ATOMS


def test_steps_and_epochs_take_the_place_of_atoms():
    assert length([64] * 10, steps=7) == 7
    assert length([64] * 10, epochs=3, batch_size=4) == 9
    for other in ({"steps": 7}, {"epochs": 3}):
        with pytest.raises(ValidationError, match="take the place of atoms"):
            length([64], atoms=1000, **other)
    with pytest.raises(ValidationError, match="take the place of epochs"):
        length([64], steps=7, epochs=3)
