"""What a binding says where the input is silent."""

from __future__ import annotations

import pytest

from pfd.config.reading import read_input
from pfd.models.chgnet import CHGNet
from pfd.models.sevennet import SevenNet
from pfd.tasks.folder import Artifact
from pfd.testing.toy_family import ToyFamily
from pfd.workflow.bindings import FineTune


@pytest.mark.parametrize(
    ("asked", "usual", "kept"),
    [({}, 0.1, 0.1), ({}, 0.0, 0.0), ({"valid_fraction": 0.3}, 0.0, 0.3), ({"valid_fraction": 0.0}, 0.1, 0.0)],
)
def test_how_many_frames_are_kept_for_validation(write_input, small, tmp_path, monkeypatch, asked, usual, kept):
    monkeypatch.setattr(ToyFamily, "valid_fraction", usual)
    small["finetune"]["train"] = asked
    resolved = read_input(write_input(small))
    binding = FineTune(resolved, resolved.input.finetune, Artifact(tmp_path, ""))
    assert binding.valid_fraction == kept


def test_families_with_a_measured_length_of_training_keep_none():
    assert (CHGNet.valid_fraction, SevenNet.valid_fraction) == (0.0, 0.0)
