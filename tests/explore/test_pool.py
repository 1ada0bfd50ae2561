"""Pools: candidates from files."""

from __future__ import annotations

from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator

from pfd.errors import DataError
from pfd.explore import PoolSettings
from pfd.explore.pool import read_pool
from pfd.frames import Labels, labels_of, with_labels, write_frames


def pool(tmp_path: Path, count: int, labelled: bool = True) -> Path:
    frames = []
    for index in range(count):
        frame = bulk("Si")
        frame.positions[1] += 0.01 * index
        frames.append(with_labels(frame, Labels(-float(index), np.zeros((2, 3)))) if labelled else frame)
    path = tmp_path / "pool.extxyz"
    write_frames(path, frames)
    return path


def test_all_frames_with_labels_and_an_origin(tmp_path: Path) -> None:
    path = pool(tmp_path, 4)
    found = read_pool(path, PoolSettings(file=path))
    assert found.finished
    assert [labels_of(frame).energy for frame in found.frames] == [0.0, -1.0, -2.0, -3.0]
    assert [(frame.info["trajectory"], frame.info["step"]) for frame in found.frames] == [("pool", i) for i in range(4)]


def test_at_most_so_many_evenly_spaced(tmp_path: Path) -> None:
    path = pool(tmp_path, 10, labelled=False)
    found = read_pool(path, PoolSettings(file=path, max_frames=4))
    assert [frame.info["step"] for frame in found.frames] == [0, 3, 6, 9]
    assert len(read_pool(path, PoolSettings(file=path, max_frames=40)).frames) == 10


def test_an_origin_that_is_there_is_kept(tmp_path: Path) -> None:
    frame = bulk("Si")
    frame.info.update(trajectory="hot", step=30)
    path = tmp_path / "pool.extxyz"
    write_frames(path, [frame])
    assert read_pool(path, PoolSettings(file=path)).frames[0].info["trajectory"] == "hot"


def test_missing_and_empty_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_pool(tmp_path / "none.extxyz", PoolSettings(file=Path("none.extxyz")))
    empty = tmp_path / "empty.extxyz"
    empty.write_text("")
    with pytest.raises(DataError, match="no frame"):
        read_pool(empty, PoolSettings(file=empty))
    with pytest.raises(DataError, match="no energy under the key 'U'"):
        read_pool(pool(tmp_path, 2), PoolSettings(file=Path("pool.extxyz"), labels={"energy": "U"}))


@pytest.mark.parametrize("name", ["Si.cif", "POSCAR", "Si.traj", "Si.extxyz", "Si.json"])
def test_a_pool_without_labels_in_any_format(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    ase.io.write(path, bulk("Si", cubic=True))
    (frame,) = read_pool(path, PoolSettings(file=path)).frames
    assert labels_of(frame).energy is None
    assert frame.info["trajectory"] == path.stem
    write_frames(tmp_path / "again.extxyz", [frame])


def test_labels_of_a_pool_are_read_where_there_are_some(tmp_path: Path) -> None:
    frames = [bulk("Si"), bulk("Si")]
    frames[1].calc = SinglePointCalculator(frames[1], energy=-2.0, forces=np.zeros((2, 3)))
    ase.io.write(tmp_path / "Si.traj", frames)
    found = read_pool(tmp_path / "Si.traj", PoolSettings(file="Si.traj"))
    assert [labels_of(frame).energy for frame in found.frames] == [None, -2.0]
