"""A frame of which nothing can be asked is named before anything is computed."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk

from pfd.errors import DataError
from pfd.evaluate.data_gate.labelled_set import LabelledSet, require_sane
from pfd.frames import Labels, with_labels


def copper(**changes):
    frame = bulk("Cu", cubic=True)
    for name, value in changes.items():
        if name == "cell":
            frame.set_cell(value)
        else:
            setattr(frame, name, value)
    return frame


def with_forces(size):
    return with_labels(copper(), Labels(-1.0, np.full((4, 3), size), None, ""))


@pytest.mark.parametrize(
    ("frame", "told"),
    [
        (copper(cell=[[1, 0, 0], [2, 0, 0], [0, 0, 1]]), "its cell has no volume"),
        (copper(positions=np.full((4, 3), np.nan)), "not finite"),
        (copper(positions=np.diag([1.0, 1.0, 1.0, 1e200])[:, 1:]), "Å long"),
        (copper(pbc=False, positions=[[0, 0, 0], [2, 0, 0], [4, 0, 0], [1e5, 0, 0]]), "Å long"),
        (with_forces(1e160), "forces of more than"),
        (bulk("Cu")[:0], "no atoms"),
    ],
)
def test_senseless_frames_are_named(frame, told):
    with pytest.raises(DataError, match=told) as caught:
        require_sane(LabelledSet("mine", [copper(), frame]))
    assert caught.value.where == "mine: frame 1"


def test_forces_that_are_none_are_for_others_to_tell():
    require_sane(LabelledSet("mine", [copper(), with_forces(np.nan), with_forces(50.0)]))
