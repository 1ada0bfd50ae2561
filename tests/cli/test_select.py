"""``pfd select`` on files alone: what it writes, prints and refuses."""

from __future__ import annotations

import json
import subprocess
import sys

import ase.io
import numpy as np
import pytest
from ase.build import bulk

from pfd.frames import frame_id, read_frames, write_frames
from pfd.select import SelectSettings, select_frames


def pfd(*arguments, cwd):
    command = [sys.executable, "-m", "pfd.cli.main", "select", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture
def files(tmp_path):
    generator = np.random.default_rng(0)

    def rattled(count, width):
        frames = [bulk("Si", cubic=True) for _ in range(count)]
        for frame in frames:
            frame.positions += generator.normal(size=(8, 3)) * width
        return frames

    pool = [*rattled(9, 0.05), *rattled(3, 0.15)]
    write_frames(tmp_path / "pool.extxyz", pool)
    write_frames(tmp_path / "known.extxyz", rattled(2, 0.05))
    broken = bulk("Si", cubic=True)
    broken.positions[1] = broken.positions[0] + 0.3
    write_frames(tmp_path / "broken.extxyz", [broken])
    (tmp_path / "garbled.extxyz").write_text("no frame")
    (tmp_path / "labelled.extxyz").write_text("1\nProperties=species:S:1:pos:R:3 energy=much\nCu 0 0 0\n")
    (tmp_path / "empty.extxyz").write_text("")
    return tmp_path


def test_pools_of_other_formats_are_read(files):
    ase.io.write(files / "pool.vasp", bulk("Si", cubic=True))
    ended = pfd("pool.vasp", "--max", 1, "--out", "chosen.extxyz", cwd=files)
    assert ended.returncode == 0, ended.stderr
    assert [len(frame) for frame in read_frames(files / "chosen.extxyz")] == [8]


def test_it_writes_the_picks_of_the_function_and_a_plot(files):
    ended = pfd("pool.extxyz", "--reference", "known.extxyz", "--max", 4, "--out", "chosen.extxyz", "--json", cwd=files)
    assert ended.returncode == 0, ended.stderr
    content = json.loads(ended.stdout)
    pool, known = read_frames(files / "pool.extxyz"), read_frames(files / "known.extxyz")
    expected = select_frames(pool, known, SelectSettings(max_frames=4), 0)
    assert content["indices"] == list(expected.indices)
    assert content["gains"] == pytest.approx(expected.gains)
    assert content["insane"] == 0
    written = read_frames(files / "chosen.extxyz")
    assert [frame_id(frame) for frame in written] == [frame_id(pool[index]) for index in expected.indices]
    assert (files / "chosen.gains.svg").read_text().lstrip().startswith("<?xml")


def test_random_has_a_seed_and_no_plot(files):
    first = pfd("pool.extxyz", "--max", 4, "--out", "a.extxyz", "--method", "random", "--seed", 1, cwd=files)
    again = pfd("pool.extxyz", "--max", 4, "--out", "b.extxyz", "--method", "random", "--seed", 2, cwd=files)
    assert first.returncode == again.returncode == 0
    assert "a.extxyz: 4 of 12" in first.stdout
    assert (files / "a.extxyz").read_text() != (files / "b.extxyz").read_text()
    assert not (files / "a.gains.svg").exists()


def test_what_is_there_is_written_over_only_by_force(files):
    command = ("pool.extxyz", "--max", 3, "--out", "chosen.extxyz", "--method", "random")
    (files / "chosen.extxyz").write_text("mine")
    refused = pfd(*command, cwd=files)
    assert refused.returncode == 2
    assert "it is there already" in refused.stderr
    assert (files / "chosen.extxyz").read_text() == "mine"
    assert pfd(*command, "--force", cwd=files).returncode == 0
    assert len(read_frames(files / "chosen.extxyz")) == 3


def test_nothing_surprising_is_a_result(files):
    ended = pfd(
        "pool.extxyz", "--max", 4, "--out", "a.extxyz", "--reference", "known.extxyz", "--min-gain-nats", 1e9, cwd=files
    )
    assert ended.returncode == 0
    assert "nothing selected" in ended.stdout
    assert not (files / "a.extxyz").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("pool.extxyz", "--method", "wild"), "one of entropy, random, farthest, msc, mixed"),
        (("pool.extxyz", "--score", "wild"), "one of mean, top, per_cost"),
        (("nothing.extxyz",), "nothing.extxyz"),
        (("empty.extxyz",), "empty.extxyz"),
        (("broken.extxyz",), "no frame of 1 passed the gate: atoms too close (1)"),
        (("pool.extxyz", "--reference", "x.extxyz"), "the output is one of the inputs"),
        (("garbled.extxyz",), "ase convert"),
        (("labelled.extxyz",), "none are needed to choose frames"),
    ],
)
def test_mistakes_are_messages(files, arguments, words):
    ended = pfd(*arguments, "--max", 2, "--out", "x.extxyz", cwd=files)
    assert ended.returncode not in (0, None)
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(("out", "words"), [("nodir/z.extxyz", "no such folder: nodir"), (".", "a folder, not a file")])
def test_the_output_is_looked_at_before_the_work(files, out, words):
    ended = pfd("broken.extxyz", "--max", 2, "--out", out, cwd=files)
    assert ended.returncode == 2
    assert f"--out {out}: {words}" in ended.stderr
    assert "passed the gate" not in ended.stderr
