"""The cheap part of the data gate stands in the check of an input: random forces, overlap, kind of the energies."""

from __future__ import annotations

import copy
from contextlib import nullcontext

import ase.io
import numpy as np
import pytest
import yaml
from ase.build import bulk
from tests.config.test_check import GOOD
from tests.evaluate.data_gate.conftest import copper, relabelled

from pfd.config import data_check
from pfd.config.check import check_input
from pfd.config.reading import read_input
from pfd.errors import DataError
from pfd.frames import labels_of, write_frames


@pytest.fixture
def found(tmp_path):
    """Check an input with the given sets, written to files, as data and as the test file."""
    ase.io.write(tmp_path / "Cu.extxyz", bulk("Cu", cubic=True))

    def look(data, test=None, **of_data):
        tree = copy.deepcopy(GOOD)
        write_frames(tmp_path / "train.extxyz", data)
        tree["data"] = [{"file": "train.extxyz", **of_data}]
        if test is not None:
            write_frames(tmp_path / "test.extxyz", test)
            tree["evaluate"]["test_file"] = "test.extxyz"
        (tmp_path / "input.yaml").write_text(yaml.safe_dump(tree), encoding="utf-8")
        return check_input(read_input(tmp_path / "input.yaml")).brought

    return look


def random(frames):
    rng = np.random.default_rng(0)
    return [relabelled(frame, forces=rng.normal(size=(len(frame), 3))) for frame in frames]


def test_good_sets_pass_without_a_note(found):
    assert [each.notes for each in found(copper(8), copper(8, seed=60))] == [(), ()]


def test_data_with_random_forces_are_refused_by_their_key(found):
    with pytest.raises(DataError, match="no relation to the structures") as error:
        found(random(copper(8)))
    assert error.value.where.endswith("input.yaml: data.0.file")
    assert "pfd check data train.extxyz" in error.value.hint


def test_a_test_file_with_random_forces_is_refused_by_its_key(found):
    with pytest.raises(DataError, match="no relation to the structures") as error:
        found(copper(8), random(copper(8, seed=60)))
    assert error.value.where.endswith("input.yaml: evaluate.test_file")


def test_single_odd_frames_are_a_note(found):
    train = copper(20)
    train[3] = random(train[3:4])[0]
    (brought,) = found(train)
    assert len(brought.notes) == 1
    assert "frame 3 (" in brought.notes[0]
    assert any(line.startswith("  warning: forces of 1 of 20 frames") for line in brought.lines())
    with pytest.warns(UserWarning, match="forces of 1 of 20 frames"):
        brought.warn()


@pytest.mark.parametrize(("most", "told"), [(2000, 2), (5, 1)])
def test_test_frames_in_the_data_are_a_note_and_copies_in_small_sets_only(found, monkeypatch, most, told):
    monkeypatch.setattr(data_check, "MOST_FINGERPRINTS", most)
    train = copper(8)
    turned = relabelled(train[2])
    turned.rotate(90, "z", rotate_cell=True)
    _, test = found(train, [*copper(6, seed=60), train[0], turned])
    assert f"in data, too, as they are or as symmetry copies: {told} of 8 test frames" in test.notes[0]


def both(frames):
    """Frames that say what the energy extrapolated to zero smearing is, as our own labels do."""
    copies = [relabelled(frame) for frame in frames]
    for each in copies:
        each.info["label_energy_sigma0_eV"] = labels_of(each).energy + 0.5
    return copies


def test_a_set_of_one_kind_of_energies_passes(found):
    found(both(copper(8)))


def test_a_mixture_is_refused_until_the_input_says_that_all_are_free(found):
    mixed = [*both(copper(4)), *copper(4, seed=60)]
    with pytest.raises(DataError, match="4 of 8 energies are the free energy") as error:
        found(mixed)
    assert error.value.where.endswith("data.0.energy_is")
    assert "energy_is: free" in error.value.hint
    found(mixed, energy_is="free")


def test_energies_extrapolated_to_zero_smearing_are_refused(found):
    with pytest.raises(DataError, match="extrapolated to zero smearing") as error:
        found(copper(8), energy_is="sigma0")
    assert error.value.where.endswith("data.0.energy_is")


def test_reversed_forces_are_a_note(found):
    (brought,) = found([relabelled(frame, forces=-labels_of(frame).forces) for frame in copper(20)])
    assert any("forces that point the wrong way" in note for note in brought.notes)


@pytest.mark.parametrize("off_eV", [0.5, 0.0])
@pytest.mark.parametrize(("key", "labels"), [("label_energy_free_eV", {}), ("free_energy", {"energy": "REF_energy"})])
def test_energies_are_not_believed_to_be_free_where_a_frame_says_another_free_one(found, key, labels, off_eV):
    frames = copper(8)
    for frame in frames:
        frame.info["REF_energy"] = labels_of(frame).energy
    frames[2].info[key] = frames[2].info["REF_energy"] + off_eV
    denied = pytest.raises(DataError, match="says free, but 1 of 8 energies are the energy extrapolated")
    with denied if off_eV else nullcontext():
        found(frames, energy_is="free", labels=labels)


def test_a_free_energy_of_whatever_made_other_forces_says_nothing_of_energies_with_a_key_of_their_own(found):
    frames = copper(8)
    for frame in frames:
        frame.info |= {"REF_energy": labels_of(frame).energy, "free_energy": -1.0}
        frame.set_array("REF_forces", labels_of(frame).forces)
    found(frames, energy_is="free", labels={"energy": "REF_energy", "forces": "REF_forces"})
