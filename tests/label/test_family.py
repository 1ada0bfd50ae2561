"""Any ASE calculator labels as a family."""

import numpy as np
import pytest
from ase.build import bulk, fcc111
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms

from pfd.errors import InputError
from pfd.label.judge import label_frame
from pfd.label.labeler import make_labeler


def emt():
    labeler = make_labeler({"method": "family"})
    labeler.use_model(EMT(), "model:0123456789ab")
    return labeler


def test_labels_are_the_calculators_and_constraints_change_nothing(tmp_path):
    frame = bulk("Cu", cubic=True)
    frame.rattle(0.1, seed=1)
    frame.set_constraint(FixAtoms([0]))
    labels = label_frame(emt(), frame, tmp_path)
    free = frame.copy()
    free.set_constraint()
    free.calc = EMT()
    np.testing.assert_allclose(labels.forces, free.get_forces())
    np.testing.assert_allclose(labels.stress, free.get_stress())
    assert np.abs(labels.forces[0]).max() > 0.01
    assert labels.energy == pytest.approx(free.get_potential_energy(force_consistent=True))
    assert labels.level_of_theory == "model:0123456789ab"
    assert frame.calc is None


def test_a_slab_has_no_stress(tmp_path):
    assert label_frame(emt(), fcc111("Cu", (1, 1, 3), vacuum=8.0), tmp_path).stress is None


def test_two_frames_in_turn_do_not_share_arrays(tmp_path):
    labeler = emt()
    first, second = bulk("Cu", cubic=True), bulk("Cu", cubic=True)
    second.rattle(0.1, seed=2)
    one = label_frame(labeler, first, tmp_path)
    kept = one.forces.copy()
    label_frame(labeler, second, tmp_path)
    np.testing.assert_array_equal(one.forces, kept)


def test_without_a_model_it_says_so(tmp_path):
    labeler = make_labeler({"method": "family"})
    with pytest.raises(InputError, match="no model"):
        labeler.level_of_theory()
    with pytest.raises(InputError, match="no model"):
        labeler.run(bulk("Cu"), tmp_path)
