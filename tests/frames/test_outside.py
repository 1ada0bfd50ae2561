"""Labelled sets of others: right energies, right stress, nothing unconverged, nothing dropped in silence."""

from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator

from pfd.errors import DataError, MissingError, SettingError
from pfd.frames import Labels, labels_of, with_labels, write_frames
from pfd.frames.outside import guess_format, read_labelled, read_outside

RECORDED = Path(__file__).parents[3] / "shared" / "recorded"
recorded = pytest.mark.skipif(
    not RECORDED.is_dir(), reason="the recorded outputs of other codes are not on this machine"
)


def copper(seed: int):
    frame = bulk("Cu", cubic=True)
    frame.rattle(0.05, seed=seed)
    rng = np.random.default_rng(seed)
    return with_labels(frame, Labels(-seed - 0.1, rng.normal(size=(4, 3)), rng.normal(size=6)))


def deepmd_folder(folder: Path, frames, type_map: str = "Cu") -> Path:
    part = folder / "set.000"
    part.mkdir(parents=True)
    (folder / "type.raw").write_text("0\n0\n0\n0\n")
    (folder / "type_map.raw").write_text(type_map + "\n")
    labels = [labels_of(frame) for frame in frames]
    stresses = [label.stress[[0, 5, 4, 5, 1, 3, 4, 3, 2]] for label in labels]
    arrays = {
        "coord": [frame.positions.ravel() for frame in frames],
        "box": [frame.cell.array.ravel() for frame in frames],
        "energy": [label.energy for label in labels],
        "force": [label.forces.ravel() for label in labels],
        "virial": [-stress * frame.get_volume() for stress, frame in zip(stresses, frames, strict=True)],
    }
    for name, array in arrays.items():
        np.save(part / f"{name}.npy", np.array(array))
    return folder


def same(found, wanted):
    assert len(found) == len(wanted)
    for one, two in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one.positions, two.positions, atol=1e-12)
        assert one.get_chemical_symbols() == two.get_chemical_symbols()
        for name in ("energy", "forces", "stress"):
            np.testing.assert_allclose(getattr(labels_of(one), name), getattr(labels_of(two), name), atol=1e-12)
        assert one.info["id"].startswith("f")


def test_extended_xyz_with_keys_of_its_own(tmp_path):
    path = tmp_path / "set.xyz"
    frame = bulk("Cu", cubic=True)
    frame.info["my_energy"] = -3.5
    frame.arrays["my_forces"] = np.ones((4, 3))
    ase.io.write(path, frame, format="extxyz")
    labels = labels_of(read_labelled(path, None, {"energy": "my_energy", "forces": "my_forces"})[0])
    assert labels.energy == -3.5
    np.testing.assert_array_equal(labels.forces, np.ones((4, 3)))
    with pytest.raises(DataError, match="none of the 1 frames carries energy or forces"):
        read_labelled(path)
    with pytest.raises(DataError, match="no energy under the key 'energi'"):
        read_labelled(path, None, {"energy": "energi"})
    with pytest.raises(SettingError, match="did you mean 'forces'"):
        read_labelled(path, None, {"force": "my_forces"})


def test_deepmd_folders_keep_the_stress_and_its_sign(tmp_path):
    frames = [copper(1), copper(2)]
    same(read_labelled(deepmd_folder(tmp_path / "system", frames)), frames)


def test_several_systems_below_one_folder(tmp_path):
    frames = [copper(1), copper(2), copper(3)]
    deepmd_folder(tmp_path / "all" / "a", frames[:1])
    deepmd_folder(tmp_path / "all" / "b", frames[1:])
    same(read_labelled(tmp_path / "all", "deepmd/npy"), frames)


def test_mixed_types_and_molecules(tmp_path):
    folder = deepmd_folder(tmp_path / "mixed", [copper(1), copper(2)], "Cu Au")
    np.save(folder / "set.000" / "real_atom_types.npy", np.array([[0, 1, 1, 0], [1, 1, 1, 1]]))
    (folder / "nopbc").touch()
    first, second = read_labelled(folder)
    assert first.get_chemical_symbols() == ["Cu", "Au", "Au", "Cu"]
    assert second.get_chemical_symbols() == ["Au"] * 4
    assert not first.pbc.any()
    assert labels_of(first).stress is None


def test_damaged_deepmd_folders_are_named(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"no type\.raw"):
        read_labelled(tmp_path / "empty")
    with pytest.raises(DataError, match="Cu1 is no chemical element"):
        read_labelled(deepmd_folder(tmp_path / "names", [copper(1)], "Cu1"))
    short = deepmd_folder(tmp_path / "short", [copper(1), copper(2)])
    np.save(short / "set.000" / "energy.npy", np.array([1.0]))
    with pytest.raises(DataError, match="different sizes, at frame 1"):
        read_labelled(short)
    (short / "set.000" / "energy.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(DataError, match="not an array"):
        read_labelled(short)
    unnamed = deepmd_folder(tmp_path / "unnamed", [copper(1)])
    (unnamed / "type.raw").write_text("0 0 0 3")
    with pytest.raises(DataError, match="no name in type_map"):
        read_labelled(unnamed)


def test_the_force_consistent_energy_is_taken_from_any_format_of_ase(tmp_path):
    frame = bulk("Cu", cubic=True)
    frame.calc = SinglePointCalculator(frame, energy=-1.0, free_energy=-1.25, forces=np.zeros((4, 3)))
    path = tmp_path / "cu.traj"
    ase.io.write(path, frame)
    assert labels_of(read_labelled(path)[0]).energy == -1.25
    assert guess_format(path) == "traj"


def test_files_that_cannot_be_used_are_named(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        read_labelled(tmp_path / "gone.xyz")
    (tmp_path / "empty.xyz").touch()
    with pytest.raises(DataError, match="holds no frame"):
        read_labelled(tmp_path / "empty.xyz")
    (tmp_path / "OUTCAR").write_text("not VASP\n")
    with pytest.raises(DataError, match="not readable as vasp-out"):
        read_labelled(tmp_path / "OUTCAR")
    (tmp_path / "thing.unknown").write_text("what is this\n")
    with pytest.raises(DataError, match="unknown format"):
        read_labelled(tmp_path / "thing.unknown")
    with pytest.raises(SettingError, match="did you mean 'deepmd/npy'"):
        read_labelled(tmp_path / "empty.xyz", "deepmd/npz")
    with pytest.raises(SettingError, match="key names are for extended XYZ"):
        read_labelled(deepmd_folder(tmp_path / "system", [copper(1)]), None, {"energy": "e"})


def test_dpdata_formats(tmp_path, monkeypatch):
    pytest.importorskip("dpdata", reason="the extra `data` is not installed")
    frames = [copper(1), copper(2)]
    same(read_labelled(deepmd_folder(tmp_path / "system", frames), "dpdata:deepmd/npy"), frames)
    monkeypatch.setattr("pfd.plugins.find_spec", lambda name: None)
    with pytest.raises(MissingError, match=r"pip install .*\[data\]"):
        read_labelled(tmp_path / "system", "dpdata:deepmd/npy")


def test_what_is_written_is_read_with_its_counts(tmp_path):
    frames = [copper(1), copper(2)]
    bare = bulk("Cu", cubic=True)
    write_frames(tmp_path / "set.extxyz", [*frames, bare])
    found = read_outside(tmp_path / "set.extxyz")
    same(found.frames[:2], frames)
    assert found.counts == {"frames": 3, "energy": 2, "forces": 2, "stress": 2}
    assert found.left_out == ()


# VASP: a minimal OUTCAR skeleton would test our own idea of VASP only, so the real ones are read where they are


@recorded
def test_good_vasp_runs_come_in_whole_and_both_files_agree():
    xml = read_outside(RECORDED / "vasp" / "water-md-10" / "vasprun.xml")
    outcar = read_outside(RECORDED / "vasp" / "water-md-10" / "OUTCAR")
    assert outcar.counts == xml.counts == {"frames": 10, "energy": 10, "forces": 10, "stress": 10}
    for one, two in zip(outcar.frames, xml.frames, strict=True):
        assert labels_of(one).energy == pytest.approx(labels_of(two).energy, abs=1e-6)
        np.testing.assert_allclose(labels_of(one).forces, labels_of(two).forces, atol=1e-5)
        np.testing.assert_allclose(labels_of(one).stress, labels_of(two).stress, atol=1e-5)


@recorded
@pytest.mark.parametrize("name", ["OUTCAR", "vasprun.xml"])
def test_vasp_energies_are_free_energies(name):
    frame = read_labelled(RECORDED / "vasp" / "titania-vasp6" / name)[0]
    assert labels_of(frame).energy == pytest.approx(-57.48343729, abs=1e-6)


@recorded
def test_unconverged_vasp_steps_are_left_out_and_named():
    path = RECORDED / "vasp" / "methane-unconverged" / "OUTCAR"
    found = read_outside(path)
    assert [labels_of(frame).energy for frame in found.frames] == [pytest.approx(-23.94708651)]
    assert [reason.split(":")[0] for reason in found.left_out] == ["frame 0", "frame 1"]
    assert all("15 steps and NELM is 15" in reason for reason in found.left_out)
    with pytest.warns(UserWarning, match="left out: frame [01]: the SCF cycle took 15 steps") as caught:
        assert len(read_labelled(path)) == 1
    assert len(caught) == 2


@recorded
@pytest.mark.parametrize(("name", "whole"), [("OUTCAR", 3), ("vasprun.xml", 5)])
def test_of_a_file_that_is_cut_the_whole_frames_come_in(tmp_path, name, whole):
    text = (RECORDED / "vasp" / "water-md-10" / name).read_text()
    (tmp_path / name).write_text(text[: len(text) // 2])
    found = read_outside(tmp_path / name)
    assert found.counts == {"frames": whole, "energy": whole, "forces": whole, "stress": whole}


@recorded
def test_a_run_without_any_converged_step_is_an_error():
    with pytest.raises(DataError, match="NELM is 1: unconverged"):
        read_labelled(RECORDED / "vasp" / "methane" / "OUTCAR")


@recorded
def test_a_vasp6_run_that_admits_its_failure_is_left_out(tmp_path):
    text = (RECORDED / "vasp" / "titania-vasp6" / "OUTCAR").read_text()
    changed = text.replace(
        "aborting loop because EDIFF is reached", "aborting loop EDIFF was not reached (unconverged)"
    )
    assert changed != text
    (tmp_path / "OUTCAR").write_text(changed)
    with pytest.raises(DataError, match="EDIFF was not reached"):
        read_labelled(tmp_path / "OUTCAR")


@recorded
def test_type_names_that_are_no_elements_are_refused():
    with pytest.raises(DataError, match="Fe1, Fe2 is no chemical element"):
        read_labelled(RECORDED / "cp2k" / "normal" / "deepmd")
