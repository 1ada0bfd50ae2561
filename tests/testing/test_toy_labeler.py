"""The toy labeler labels copper, and nothing that it would take for copper."""

from __future__ import annotations

import pytest
from ase.build import bulk

from pfd.errors import InputError
from pfd.frames import with_origin
from pfd.label.labeler import make_labeler


@pytest.fixture
def labeler():
    return make_labeler({"method": "toy"})


def test_copper_is_labelled(labeler, tmp_path):
    frame = with_origin(bulk("Cu", cubic=True))
    labeler.check([frame])
    assert labeler.run(frame, tmp_path).labels.energy < 0.0


def test_other_elements_are_refused_before_and_while_labelling(labeler, tmp_path):
    frame = with_origin(bulk("NaCl", "rocksalt", a=5.6))
    for refuse in (lambda: labeler.check([frame]), lambda: labeler.run(frame, tmp_path)):
        with pytest.raises(InputError, match="does not know Cl, Na"):
            refuse()
