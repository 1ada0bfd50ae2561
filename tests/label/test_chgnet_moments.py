"""Initial moments from CHGNet."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from pfd.errors import InputError, LabelRejected, MissingError, SettingError
from pfd.label.chgnet_moments import chgnet_moments
from pfd.label.labeler import make_labeler
from pfd.label.magnetic_starts import starting_frames


@pytest.mark.chgnet
def test_moments_have_the_size_that_is_expected():
    np.testing.assert_allclose(chgnet_moments(bulk("Fe", cubic=True)), [2.5, 2.5], atol=0.3)
    nickel, oxygen = chgnet_moments(bulk("NiO", "rocksalt", a=4.17))
    assert nickel == pytest.approx(1.8, abs=0.2)
    assert oxygen <= 0.2
    np.testing.assert_array_equal(chgnet_moments(bulk("Si")), [0.0, 0.0])


@pytest.mark.chgnet
def test_they_are_a_start_beside_others_and_silicon_needs_no_spin():
    frame = bulk("NiO", "rocksalt", a=4.17)
    frame.set_initial_magnetic_moments([-1.0, 0.0])
    starts = starting_frames(frame, ["chgnet", "given"])
    assert list(starts) == ["CHGNet 0.3.0", "given"]
    assert starts["CHGNet 0.3.0"].get_initial_magnetic_moments()[0] > 1.0
    assert list(starting_frames(bulk("Si"), ["chgnet", "given"])) == ["CHGNet 0.3.0"]


@pytest.mark.chgnet
def test_frames_that_chgnet_cannot_take_have_their_errors():
    with pytest.raises(LabelRejected, match="isolated"):
        chgnet_moments(bulk("Fe", a=15.0))
    with pytest.raises(InputError, match="beyond plutonium"):
        chgnet_moments(Atoms("Fm", cell=[3, 3, 3], pbc=True))
    with pytest.raises(InputError, match="needs a cell"):
        chgnet_moments(Atoms("O2", positions=[[0, 0, 0], [0, 0, 1.2]]))


def labeler(pseudo_dir, *starts):
    files = {"Fe": "Fe.upf", "Si": "Si.upf"}
    common = {"method": "espresso", "command": "true", "pseudo_dir": str(pseudo_dir), "pseudopotentials": files}
    return make_labeler(common | {"ecutwfc_Ry": 20, "magnetic_starts": list(starts)})


@pytest.mark.chgnet
def test_the_check_predicts_nothing_and_the_level_names_the_weights(pseudo_dir, monkeypatch):
    monkeypatch.setattr("pfd.label.chgnet_moments._network", lambda: pytest.fail("predicted"))
    labeler(pseudo_dir, "chgnet").check([bulk("Si")])
    level = labeler(pseudo_dir, "chgnet", {"Fe": 3}).level_of_theory()
    assert level.endswith("magnetic starts CHGNet 0.3.0 | Fe 3")


def test_without_the_package_nothing_begins(pseudo_dir, monkeypatch):
    monkeypatch.setattr("pfd.plugins.missing_modules", list)
    with pytest.raises(MissingError, match=r"magnetic_starts: \[chgnet\] needs chgnet"):
        labeler(pseudo_dir, "chgnet").check([bulk("Fe")])
    labeler(pseudo_dir, "given").check([bulk("Fe")])
    with pytest.raises(SettingError, match="magnetic_starts"):
        labeler(pseudo_dir, "chg")
