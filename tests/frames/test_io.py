"""Frames come back from a file as they were written, and labels from wherever others keep them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111
from ase.constraints import FixAtoms, FixBondLength, FixCartesian
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from pfd.errors import DataError
from pfd.frames import Labels, count_labels, frame_id, labels_of, read_frames, with_labels, write_frames

NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=64)
LENGTHS = st.floats(-50.0, 50.0)
TRICKY = [
    *("", " ", "T", "F", "true", "T F", "12", "1e5", "1,2", "nan", "-inf", "1_000", "[1, 2]", "{a}", "a,b", "a=b"),
    *("a\nb", "a\\nb", "back\\slash", "tab\t", "\r", "  both ends ", "Å × –", "\u2028", "\x85", "😀", "'", '"'),
    *('a "b" c', "_JSON 5", "_JSON", "GFN1-xTB", "toy Morse -3 eV", "Properties=x", "#"),
]
SITES = ["", "ALA ", "50%", "a b", "Å"]
TEXTS = st.sampled_from(TRICKY) | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES = TEXTS | st.booleans() | st.integers(-(2**70), 2**70) | NUMBERS | st.none() | st.lists(NUMBERS, max_size=4)
VALUES |= st.lists(TEXTS, min_size=1, max_size=3) | st.dictionaries(TEXTS, NUMBERS | TEXTS, min_size=1, max_size=2)


@st.composite
def frames(draw: st.DrawFn) -> Atoms:
    """A frame with anything that may travel with it."""
    count = draw(st.integers(1, 4))
    shape = (count, 3)
    frame = Atoms(
        numbers=draw(st.lists(st.integers(1, 94), min_size=count, max_size=count)),
        positions=draw(arrays_of.arrays(float, shape, elements=LENGTHS)),
        cell=draw(arrays_of.arrays(float, (3, 3), elements=LENGTHS)),
        pbc=draw(st.lists(st.booleans(), min_size=3, max_size=3)),
    )
    if draw(st.booleans()):
        masks = draw(arrays_of.arrays(bool, shape))
        fixed = np.flatnonzero(masks.all(axis=1))
        partly = np.flatnonzero(masks.any(axis=1) & ~masks.all(axis=1))
        whole = [FixAtoms(indices=fixed)] if len(fixed) else []
        frame.set_constraint([*whole, *(FixCartesian(int(index), mask=masks[index]) for index in partly)])
    if draw(st.booleans()):
        moments = draw(st.sampled_from([(count,), shape]))
        frame.set_initial_magnetic_moments(draw(arrays_of.arrays(float, moments, elements=LENGTHS)))
    if draw(st.booleans()):
        frame.set_initial_charges(draw(arrays_of.arrays(float, count, elements=LENGTHS)))
    if draw(st.booleans()):
        words = draw(st.lists(st.sampled_from(SITES), min_size=count, max_size=count))
        frame.set_array("site", np.array(words))
    if draw(st.booleans()):
        stress = draw(st.none() | arrays_of.arrays(float, 6, elements=NUMBERS))
        forces = draw(st.none() | arrays_of.arrays(float, shape, elements=NUMBERS))
        frame = with_labels(frame, Labels(draw(NUMBERS), forces, stress, draw(st.sampled_from(TRICKY))))
    frame.info.update(
        draw(st.fixed_dictionaries({}, optional={"charge": st.integers(-3, 3), "spin": st.integers(1, 5)}))
    )
    frame.info.update(draw(st.dictionaries(st.sampled_from(["note", "a b", "k=v", '"q"', "step", "Å"]), VALUES)))
    frame.info["id"] = frame_id(frame)
    return frame


def same(one: object, other: object) -> bool:
    """Equal values of kinds that mean the same: a list of numbers comes back as an array."""
    if isinstance(one, str | bool | dict | None):
        return type(one) is type(other) and one == other
    return bool(np.array_equal(one, other))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(frames(), min_size=1, max_size=3))
def test_what_is_written_comes_back(tmp_path_factory, written):
    path = tmp_path_factory.mktemp("io") / "frames.extxyz"
    write_frames(path, written)
    read = read_frames(path)
    assert len(read) == len(written)
    for one, other in zip(written, read, strict=True):
        assert frame_id(one) == frame_id(other)
        assert set(one.arrays) == set(other.arrays)
        assert all(np.array_equal(one.arrays[name], other.arrays[name]) for name in one.arrays)
        assert np.array_equal(one.cell.array, other.cell.array)
        assert np.array_equal(one.pbc, other.pbc)
        assert set(one.info) == set(other.info)
        assert all(same(value, other.info[key]) for key, value in one.info.items()), (one.info, other.info)
        assert [each.todict() for each in _whole_first(one)] == [each.todict() for each in _whole_first(other)]
        for mine, theirs in zip(_parts(one), _parts(other), strict=True):
            assert same(mine, theirs)
    again = path.with_name("again.extxyz")
    write_frames(again, read)
    assert again.read_bytes() == path.read_bytes()


def _parts(frame: Atoms) -> tuple:
    labels = labels_of(frame)
    return labels.energy, labels.forces, labels.stress, labels.level_of_theory


def _whole_first(frame: Atoms) -> list:
    for each in frame.constraints:
        if isinstance(each, FixCartesian):
            each.mask = np.asarray(each.mask, dtype=bool)
    return list(frame.constraints)


@pytest.mark.parametrize("text", TRICKY)
def test_a_text_stays_that_text(tmp_path, text):
    frame = bulk("Cu")
    frame.info["note"] = text
    write_frames(tmp_path / "a.extxyz", [frame])
    (back,) = read_frames(tmp_path / "a.extxyz")
    assert back.info["note"] == text
    assert isinstance(back.info["note"], str)


def test_numbers_keep_every_digit(tmp_path):
    frame = bulk("Cu")
    frame.positions += np.pi * 1e-7
    write_frames(tmp_path / "a.extxyz", [with_labels(frame, Labels(-np.e * 1e5, frame.positions / 3.0))])
    (back,) = read_frames(tmp_path / "a.extxyz")
    assert np.array_equal(back.positions, frame.positions)
    assert labels_of(back).energy == -np.e * 1e5


def test_a_slab_of_ase_with_nested_notes_can_be_written(tmp_path):
    slab = fcc111("Cu", (1, 1, 2), vacuum=5.0)
    write_frames(tmp_path / "a.extxyz", [slab])
    (back,) = read_frames(tmp_path / "a.extxyz")
    assert back.info["adsorbate_info"]["cell"] == slab.info["adsorbate_info"]["cell"].tolist()


def test_a_virial_that_others_wrote_becomes_the_stress(tmp_path):
    path = tmp_path / "a.xyz"
    path.write_text(
        '1\nLattice="2 0 0 0 2 0 0 0 2" virial="8 2 4 2 16 6 4 6 24" Properties=species:S:1:pos:R:3\nCu 0 0 0\n'
    )
    (frame,) = read_frames(path)
    wanted = -np.array([1.0, 2.0, 3.0, 0.75, 0.5, 0.25])  # volume 8, Voigt order xx yy zz yz xz xy
    np.testing.assert_allclose(labels_of(frame).stress, wanted, atol=1e-15)
    assert "virial" not in frame.info, "it would become a label of whatever is made of this frame"
    write_frames(tmp_path / "b.xyz", [frame])
    np.testing.assert_array_equal(labels_of(read_frames(tmp_path / "b.xyz")[0]).stress, labels_of(frame).stress)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda frame: frame.info.update(note=object()), "'note'"),
        (lambda frame: frame.info.update(note=[[1], [1, 2]]), "'note'"),
        (lambda frame: frame.info.update({3: 4}), "3"),
        (lambda frame: frame.info.update({"a\nb": 4}), "'a\\\\nb'"),
        (lambda frame: frame.info.update(virial=[1.0, 2.0]), "'virial'"),
        (lambda frame: frame.set_array("wave", np.zeros(len(frame), complex)), "'wave'"),
        (lambda frame: frame.set_array("tensor", np.zeros((len(frame), 3, 3))), "'tensor'"),
        (lambda frame: frame.set_constraint(FixBondLength(0, 1)), "FixBondLength"),
    ],
)
def test_what_cannot_be_kept_is_refused_by_name(tmp_path, change, named):
    frame = bulk("Cu", cubic=True)
    change(frame)
    with pytest.raises(DataError, match=named):
        write_frames(tmp_path / "a.extxyz", [frame])


def outside(path: Path, header: str, columns: str = "", row: str = "") -> Path:
    """One copper atom in a file of somebody else's."""
    path.write_text(
        f'1\nLattice="9 0 0 0 9 0 0 0 9" {header} Properties=species:S:1:pos:R:3{columns}\nCu 0 0 0 {row}\n'
    )
    return path


def test_labels_under_ref_keys(tmp_path):
    path = outside(
        tmp_path / "a.xyz", 'REF_energy=-1.5 REF_stress="1 0 0 0 2 0 0 0 3"', ":REF_forces:R:3", "0.1 0.2 0.3"
    )
    (frame,) = read_frames(path)
    labels = labels_of(frame)
    assert labels.energy == -1.5
    assert labels.forces.tolist() == [[0.1, 0.2, 0.3]]
    assert labels.stress.tolist() == [1, 2, 3, 0, 0, 0]
    assert not {"REF_energy", "REF_stress"} & set(frame.info)
    assert "REF_forces" not in frame.arrays


def test_labels_under_keys_that_are_named(tmp_path):
    path = outside(tmp_path / "a.xyz", "energy=7 pbe_e=-2", ":pbe_f:R:3", "1 0 0")
    (frame,) = read_frames(path, {"energy": "pbe_e", "forces": "pbe_f"})
    assert labels_of(frame).energy == -2
    assert labels_of(frame).forces.tolist() == [[1, 0, 0]]


def test_a_named_key_that_is_missing_lists_what_is_there(tmp_path):
    path = outside(tmp_path / "a.xyz", "pbe_e=-2", ":pbe_f:R:3", "1 0 0")
    with pytest.raises(DataError, match="'dft_e'") as raised:
        read_frames(path, {"energy": "dft_e"})
    assert "pbe_e, pbe_f" in raised.value.hint
    assert "frame 0" in raised.value.where


def test_the_energy_that_forces_belong_to_comes_first(tmp_path):
    (frame,) = read_frames(outside(tmp_path / "a.xyz", "energy=-1.0 free_energy=-1.25 REF_energy=3"))
    assert labels_of(frame).energy == -1.25


@pytest.mark.parametrize(
    ("header", "columns", "row", "named"),
    [
        ("energy=nan", "", "", "energy"),
        ("energy=inf", "", "", "energy"),
        ("energy=1", ":forces:R:3", "0 nan 0", "forces"),
        ('energy=1 stress="nan 0 0 0 0 0 0 0 0"', "", "", "stress"),
    ],
)
def test_labels_that_are_no_numbers_are_refused(tmp_path, header, columns, row, named):
    with pytest.raises(DataError, match=f"the {named} is not finite"):
        read_frames(outside(tmp_path / "a.xyz", header, columns, row))


def test_positions_that_are_no_numbers_are_refused(tmp_path):
    path = tmp_path / "a.xyz"
    path.write_text("1\nProperties=species:S:1:pos:R:3\nCu nan 0 0\n")
    with pytest.raises(DataError, match="not finite"):
        read_frames(path)


def test_an_empty_file_is_an_empty_set(tmp_path):
    write_frames(tmp_path / "a.extxyz", [])
    assert read_frames(tmp_path / "a.extxyz") == []


@pytest.mark.parametrize(
    "content", ["hello\n", "2\n\nCu 0 0 0\n", "1\n\nCu 0 0\n", "1\n\nQq 0 0 0\n", "-1\n\n", "\x00\x01"]
)
def test_a_file_that_is_none_is_refused(tmp_path, content):
    path = tmp_path / "a.xyz"
    path.write_text(content)
    with pytest.raises(DataError, match=r"a\.xyz"):
        read_frames(path)


def test_a_blank_line_between_frames_hides_none(tmp_path):
    path = tmp_path / "a.xyz"
    path.write_text("1\n\nCu 0 0 0\n\n1\n\nCu 0 0 0\n")
    with pytest.raises(DataError, match="1 frames end at line 3"):
        read_frames(path)


def test_blank_comments_and_blank_ends_are_fine(tmp_path):
    path = tmp_path / "a.xyz"
    path.write_text("1\n\nCu 0 0 0\n1\n\nCu 0 0 0\nVEC1 1 0 0\n\n\n")
    assert len(read_frames(path)) == 2


def test_no_file_is_refused(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        read_frames(tmp_path / "none.xyz")


def test_counts_say_what_a_set_carries(tmp_path):
    frame = bulk("Cu")
    write_frames(
        tmp_path / "a.extxyz",
        [frame, with_labels(frame, Labels(1.0)), with_labels(frame, Labels(1.0, frame.positions))],
    )
    assert count_labels(read_frames(tmp_path / "a.extxyz")) == {"frames": 3, "energy": 2, "forces": 1, "stress": 0}


@pytest.mark.parametrize(
    ("keys", "energy", "beside"),
    [
        ({}, -1.25, {"label_energy_sigma0_eV": -1.0}),
        ({"energy": "free_energy"}, -1.25, {"label_energy_sigma0_eV": -1.0}),
        ({"energy": "energy"}, -1.0, {"label_energy_free_eV": -1.25}),
        ({"energy": "REF_energy"}, 3.0, {"label_energy_free_eV": -1.25}),
    ],
)
def test_the_energy_that_is_not_taken_stands_beside_it(tmp_path, keys, energy, beside):
    (frame,) = read_frames(outside(tmp_path / "a.xyz", "energy=-1.0 free_energy=-1.25 REF_energy=3"), keys)
    assert labels_of(frame).energy == energy
    assert {key: value for key, value in frame.info.items() if key.startswith("label_")} == beside
    write_frames(tmp_path / "b.xyz", [frame])
    (again,) = read_frames(tmp_path / "b.xyz")
    assert {key: value for key, value in again.info.items() if key.startswith("label_")} == beside
