"""Stored labels meet only the very frame they belong to."""

import numpy as np
import pytest
from ase.build import bulk

from pfd.errors import DataError, InputError, LabelRejected
from pfd.frames import Labels, read_frames, with_labels, with_origin, without_labels, write_frames
from pfd.label.judge import label_frame
from pfd.label.labeler import make_labeler


def labelled(seed: int, energy: float, level: str = ""):
    frame = bulk("Cu", cubic=True)
    frame.rattle(0.05, seed=seed)
    forces = np.random.default_rng(seed).normal(size=(4, 3))
    return with_labels(with_origin(frame), Labels(energy, forces - forces.mean(axis=0), np.full(6, 0.01), level))


def stored(*files, **settings):
    labeler = make_labeler({"method": "stored"} | settings)
    labeler.use_files(files)
    return labeler


@pytest.fixture
def pool(tmp_path):
    path = tmp_path / "pool.extxyz"
    write_frames(path, [labelled(seed, -seed) for seed in (1, 2, 3)])
    return path


def test_a_frame_of_the_pool_gets_its_own_label_back(pool, tmp_path):
    for frame in read_frames(pool):
        labels = label_frame(stored(pool), without_labels(frame), tmp_path)
        assert labels.energy == frame.get_potential_energy()
        np.testing.assert_array_equal(labels.forces, frame.get_forces())


def test_settings_name_files_too(pool, tmp_path):
    labeler = make_labeler({"method": "stored", "files": [str(pool)], "level": "PBE"})
    assert label_frame(labeler, labelled(2, 0.0), tmp_path).energy == -2.0
    assert labeler.level_of_theory() == "PBE"


def test_a_frame_moved_by_a_hair_is_rejected(pool, tmp_path):
    frame = labelled(1, 0.0)
    frame.positions[0, 0] += 1e-12
    with pytest.raises(LabelRejected, match="no stored label"):
        stored(pool).run(frame, tmp_path)
    with pytest.raises(InputError, match="none of the 1 frames"):
        stored(pool).check([frame])
    stored(pool).check([frame, labelled(2, 0.0)])


def test_level_of_theory_is_read_or_derived_and_never_mixed(pool, tmp_path):
    derived = stored(pool).level_of_theory()
    assert derived.startswith("stored:")
    write_frames(tmp_path / "other.extxyz", [labelled(4, -4.0, "PBE")])
    assert stored(tmp_path / "other.extxyz").level_of_theory() == "PBE"
    with pytest.raises(DataError, match="2 levels of theory"):
        stored(pool, tmp_path / "other.extxyz").level_of_theory()
    write_frames(pool, [labelled(seed, -seed - 1.0) for seed in (1, 2, 3)])
    assert stored(pool).level_of_theory() != derived


def test_two_different_labels_of_one_frame_are_an_error(pool, tmp_path):
    write_frames(tmp_path / "again.extxyz", [labelled(1, -1.0), labelled(2, -7.0)])
    with pytest.raises(DataError, match="two different labels"):
        stored(pool, tmp_path / "again.extxyz").run(labelled(1, 0.0), tmp_path)


def test_no_files_is_an_error(tmp_path):
    with pytest.raises(InputError, match="no files"):
        stored().run(labelled(1, 0.0), tmp_path)
