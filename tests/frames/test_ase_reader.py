"""Cut and garbled files: one error that names the file, whatever the format and whoever reads it."""

from __future__ import annotations

import random
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator

from pfd.errors import DataError, InputError, SettingError
from pfd.frames.ase_reader import read_with_ase
from pfd.frames.outside import read_outside
from pfd.frames.structures import read_starting

VASPRUN = """<?xml version="1.0" encoding="ISO-8859-1"?>
<modeling>
 <generator><i name="program" type="string">vasp</i></generator>
 <incar><i name="NELM"> 60</i></incar>
 <atominfo><atoms> 1 </atoms><array name="atoms"><set><rc><c>Cu</c><c>1</c></rc></set></array></atominfo>
 <structure name="finalpos"><crystal><varray name="basis">
  <v>2.0 0.0 0.0</v><v>0.0 2.0 0.0</v><v>0.0 0.0 2.0</v></varray></crystal>
  <varray name="positions"><v>0.0 0.0 0.0</v></varray></structure>
</modeling>
"""
NAMES = {
    "extxyz": "a.extxyz",
    "xyz": "a.xyz",
    "cif": "a.cif",
    "vasp": "POSCAR",
    "traj": "a.traj",
    "json": "a.json",
    "xsf": "a.xsf",
    "gen": "a.gen",
    "proteindatabank": "a.pdb",
    "cube": "a.cube",
    "db": "a.db",
    "lammps-data": "a.lammps-data",
    "espresso-in": "a.pwi",
}


def content_of(kind: str, folder: Path) -> bytes:
    frame = bulk("Cu", cubic=True)
    frame.rattle(0.05, seed=1)
    frame.calc = SinglePointCalculator(frame, energy=-1.0, forces=np.ones((4, 3)), stress=np.ones(6))
    path = folder / f"whole-{NAMES[kind]}"
    more = {"pseudopotentials": {"Cu": "Cu.upf"}} if kind == "espresso-in" else {}
    ase.io.write(path, frame, format=kind, **more)
    return path.read_bytes()


def damaged(whole: bytes) -> list[bytes]:
    """Cuts, and random bytes, digits and letters in place of others."""
    chance = random.Random(1)
    cuts = [whole[: len(whole) * part // 10] for part in range(10)] + [whole[:1], whole[:-1]]
    garbled = []
    for _ in range(25):
        copy = bytearray(whole)
        for _ in range(chance.choice((1, 3, 30))):
            copy[chance.randrange(len(copy))] = chance.choice((chance.randrange(256), *b"-x .0"))
        garbled.append(bytes(copy))
    return [*cuts, *garbled, bytes(range(256)), b"\x00" * 64, b"\n" * 20]


def named(read, path: Path) -> bool:
    """Whether a reader refuses a file, in one line that names it; any other error fails the test."""
    try:
        read(path)
    except InputError as error:
        said = error
    else:
        return False
    assert str(path) in said.where
    assert "\n" not in said.what
    return True


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", NAMES)
def test_damaged_files_are_refused_or_read(tmp_path, kind):
    whole = content_of(kind, tmp_path)
    path = tmp_path / NAMES[kind]
    refused = 0
    for content in damaged(whole):
        path.write_bytes(content)
        for read in (read_starting, lambda file: read_outside(file, needs_labels=False), read_outside):
            refused += named(read, path)
    assert refused > 10


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("part", range(1, 10))
def test_a_vasprun_that_is_cut(tmp_path, part):
    path = tmp_path / "vasprun.xml"
    path.write_text(VASPRUN[: len(VASPRUN) * part // 10])
    for read in (read_starting, read_outside):
        with pytest.raises(DataError):
            read(path)


@pytest.mark.parametrize("name", ["type.raw", "type_map.raw", "coord.npy", "box.npy", "energy.npy", "force.npy"])
def test_damaged_deepmd_folders(tmp_path, name):
    part = tmp_path / "set.000"
    part.mkdir()
    frame = bulk("Cu", cubic=True)
    (tmp_path / "type.raw").write_text("0\n0\n0\n0\n")
    (tmp_path / "type_map.raw").write_text("Cu\n")
    arrays = {"coord": frame.positions.ravel(), "box": frame.cell.array.ravel(), "energy": -1.0, "force": np.zeros(12)}
    for key, array in arrays.items():
        np.save(part / f"{key}.npy", np.array([array]))
    path = tmp_path / name if name.endswith("raw") else part / name
    whole = path.read_bytes()
    assert len(read_outside(tmp_path).frames) == 1
    refused = 0
    for content in [*damaged(whole), b"0.5\n", b"a b\n", b"99999999999999999999999\n", b"-1\n"]:
        path.write_bytes(content)
        refused += named(read_outside, tmp_path)
    np.save(path if name.endswith("npy") else part / "x.npy", np.array(3.0))
    if name.endswith("npy"):
        with pytest.raises(DataError, match="one number where an array is needed"):
            read_outside(tmp_path)
    assert refused > 5


def test_types_that_are_no_whole_numbers(tmp_path):
    (tmp_path / "type.raw").write_text("0 0.5\n")
    (tmp_path / "type_map.raw").write_text("Cu\n")
    with pytest.raises(DataError, match="whole number per atom"):
        read_outside(tmp_path)


def test_a_format_that_is_none_is_named_for_structures_too(tmp_path):
    (tmp_path / "a.cif").write_text("data_a\n")
    with pytest.raises(SettingError, match="did you mean 'cif'"):
        read_starting(tmp_path / "a.cif", "ciff")


def test_names_with_an_at_sign_spaces_and_letters_of_any_language(tmp_path):
    path = tmp_path / "Kupfer (grün) @2 läuft.xyz"
    ase.io.write(path, bulk("Cu"), format="extxyz")
    assert len(read_with_ase(path)) == 1
    assert len(read_starting(path)) == 1


def test_notes_of_a_crystal_file_do_not_travel(tmp_path):
    ase.io.write(tmp_path / "a.cif", bulk("Cu", cubic=True))
    (frame,) = read_with_ase(tmp_path / "a.cif")
    assert not {"spacegroup", "unit_cell", "occupancy"} & set(frame.info)
