"""Starting structures: files, supercells, perturbed copies, and files that are none."""

from __future__ import annotations

import os
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase.build import bulk
from pydantic import ValidationError

from pfd.errors import DataError, SettingError
from pfd.frames import frame_id
from pfd.frames.structures import PerturbSettings, StructureSettings, build_structures


@pytest.fixture
def silicon(tmp_path: Path) -> Path:
    ase.io.write(tmp_path / "Si.cif", bulk("Si", cubic=True))
    return tmp_path


def test_a_file_that_has_changed_is_read_again(silicon: Path) -> None:
    entry = StructureSettings(file="Si.cif")
    first, again = (build_structures([entry], silicon, 1)[0] for _ in range(2))
    first.positions += 1.0  # each gets a copy of its own
    assert frame_id(again) == again.info["id"] == first.info["id"]
    told = (silicon / "Si.cif").stat()
    ase.io.write(silicon / "Si.cif", bulk("Ge", cubic=True))
    os.utime(silicon / "Si.cif", ns=(told.st_atime_ns, told.st_mtime_ns))
    assert build_structures([entry], silicon, 1)[0].get_chemical_symbols() == ["Ge"] * 8


def test_what_is_no_file_of_structures_is_refused(silicon: Path) -> None:
    os.mkfifo(silicon / "pipe.cif")
    with (silicon / "large.cif").open("wb") as stream:
        stream.truncate(20_000_001)
    for name, words in (("pipe.cif", "not a regular file"), ("large.cif", "larger than 20 MB")):
        with pytest.raises(DataError, match=words):
            build_structures([StructureSettings(file=name)], silicon, 1)


def test_supercell_and_copies(silicon: Path) -> None:
    entry = StructureSettings(file="Si.cif", supercell=(2, 1, 1), perturb={"count": 3})
    frames = build_structures([entry], silicon, 1)
    assert [len(frame) for frame in frames] == [16] * 4
    np.testing.assert_allclose(frames[0].get_all_distances(mic=True)[0, 1:].min(), 2.351, atol=1e-3)
    assert all(frame.info["id"] == frame_id(frame) for frame in frames)
    assert len({frame.info["parent"] for frame in frames}) == 1
    assert len({frame.info["id"] for frame in frames}) == 4


def test_a_seed_does_not_depend_on_what_stands_beside(silicon: Path) -> None:
    ase.io.write(silicon / "Al.vasp", bulk("Al", cubic=True))
    one = StructureSettings(file="Si.cif", perturb=PerturbSettings(count=2))
    other = StructureSettings(file="Al.vasp", perturb=PerturbSettings(count=2))
    alone = [frame.info["id"] for frame in build_structures([one], silicon, 5)]
    assert [frame.info["id"] for frame in build_structures([other, one], silicon, 5)][3:] == alone
    assert [frame.info["id"] for frame in build_structures([one], silicon, 6)][1:] != alone[1:]
    assert [frame.info["structure"] for frame in build_structures([other, one], silicon, 5)] == [0, 0, 0, 1, 1, 1]


def test_every_structure_of_a_file(tmp_path: Path) -> None:
    ase.io.write(tmp_path / "two.extxyz", [bulk("Si"), bulk("Ge")])
    frames = build_structures([StructureSettings(file=Path("two.extxyz"), perturb={"count": 1})], tmp_path, 0)
    assert [frame.get_chemical_symbols()[0] for frame in frames] == ["Si", "Si", "Ge", "Ge"]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("none.cif", None, "no such structure file"),
        ("empty.cif", "", "is empty"),
        ("POSCAR", "this is\nno structure\n", "not readable"),
        ("bad.cif", "data_x\n_cell_length_a nonsense\n", "not readable|no atoms"),
        ("strange.abc", "hello\n", "not readable"),
        ("nan.xyz", "1\n\nSi nan 0 0\n", "not finite"),
        ("zero.xyz", "0\n\n", "no atoms"),
    ],
)
def test_files_that_are_none(tmp_path: Path, name: str, content: str | None, says: str) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=says) as error:
        build_structures([StructureSettings(file=Path(name))], tmp_path, 0)
    assert name in error.value.where


def test_bad_settings() -> None:
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        StructureSettings(file="a.cif", supercell=(0, 1, 1))
    with pytest.raises(ValidationError, match="Extra inputs"):
        StructureSettings(file="a.cif", perturb={"counts": 3})
    with pytest.raises(ValidationError, match="'normal', 'uniform' or 'const'"):
        StructureSettings(file="a.cif", perturb={"style": "wild"})


def test_a_supercell_of_a_molecule_is_refused(tmp_path: Path) -> None:
    ase.io.write(tmp_path / "water.xyz", ase.Atoms("OH2", positions=np.eye(3)))
    with pytest.raises(SettingError, match="does not fit") as error:
        build_structures([StructureSettings(file="water.xyz", supercell=(2, 1, 1))], tmp_path, 0)
    assert "water.xyz" in error.value.where
