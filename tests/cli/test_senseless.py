"""Files and options that a breaker came with: each ends at once, with code 2 and what to try."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from tests.cli.conftest import EXAMPLE, FINETUNE, pfd, write

from pfd.api import open_run, submit
from pfd.cli.perturb import perturb_files
from pfd.cli.report import report_run
from pfd.cli.select import select_from_files
from pfd.config.label_check import labels_by_method
from pfd.errors import DataError, RunError, SettingError
from pfd.frames import read_frames, write_frames
from pfd.frames.ase_reader import read_with_ase
from pfd.frames.sane import problem_of, require_sane
from pfd.frames.structures import read_starting
from pfd.workflow.run_folder import take_folder

SENSELESS = {
    "no length": lambda frame: frame.set_cell([1e-3] * 3),
    "no volume": lambda frame: frame.set_cell([[3.6, 0, 0], [3.6, 0, 0], [0, 0, 3.6]]),
    "at one place": lambda frame: frame.set_positions([[0, 0, 0]] * 4),
    "not finite": lambda frame: frame.set_positions([[float("inf"), 0, 0]] * 4),
    "Å long": lambda frame: frame.set_cell([1e6] * 3),
}


def senseless(kind):
    frame = bulk("Cu", cubic=True)
    SENSELESS[kind](frame)
    return frame


@pytest.mark.parametrize("kind", SENSELESS)
def test_frames_of_which_nothing_can_be_asked_are_refused(tmp_path, kind):
    assert kind in problem_of(senseless(kind))
    assert not problem_of(bulk("Cu"))
    with pytest.raises(DataError, match=f"x: frame 1: .*{kind}"):
        require_sane([bulk("Cu"), senseless(kind)], "x")
    if kind != "not finite":  # such a file is not even read
        senseless(kind).write(tmp_path / "x.extxyz")
        with pytest.raises(DataError, match=kind):
            read_starting(tmp_path / "x.extxyz")


def test_atoms_at_one_place_are_found_through_the_faces_of_any_cell():
    generator = np.random.default_rng(0)
    for pbc in ([True] * 3, [True, True, False], [False] * 3):
        for _ in range(20):
            cell = generator.normal(scale=4.0, size=(3, 3)) + 8.0 * np.eye(3)
            frame = Atoms("Cu9", scaled_positions=generator.uniform(size=(9, 3)), cell=cell, pbc=pbc)
            frame = frame[[*range(9), 4]]
            step = generator.integers(-2, 3, size=3) * np.array(pbc)
            frame.positions[9] += step @ cell + generator.normal(scale=1e-3, size=3)
            assert "at one place" in problem_of(frame)
            frame.positions[9] += [0.0, 0.3, 0.0]
            assert not problem_of(frame)
    assert not problem_of(Atoms("H2", [[0, 0, 0], [0, 0, 0.74]]))
    assert not problem_of(bulk("Si"))


def test_commands_refuse_them(tmp_path):
    senseless("no length").write(tmp_path / "tiny.extxyz")
    for words in (
        ("label", "tiny.extxyz", "--method", "toy", "--out", "t.extxyz"),
        ("evaluate", "toy:soft-copper", "tiny.extxyz"),
        ("properties", "toy:soft-copper", "--structure", "tiny.extxyz"),
    ):
        ended = pfd(*words, cwd=tmp_path)
        assert ended.returncode == 2, ended.stderr
        assert "no length along a periodic direction" in ended.stderr


def test_a_count_that_the_file_cannot_hold_is_told(tmp_path):
    write_frames(tmp_path / "x.extxyz", [bulk("Cu"), bulk("Cu")])
    lines = (tmp_path / "x.extxyz").read_text().splitlines()
    lines[3] = "999999999999"
    (tmp_path / "x.extxyz").write_text("\n".join(lines) + "\n")
    with pytest.raises(DataError, match="line 4 counts 999999999999 atoms"):
        read_frames(tmp_path / "x.extxyz")


def test_partly_occupied_sites_are_refused(tmp_path):
    text = (EXAMPLE / "Cu.cif").read_text()
    (tmp_path / "x.cif").write_text(text.replace("1.0000\n", "0.5000\n"))
    with pytest.raises(DataError, match=r"partly occupied \(Cu 0.5\)"):
        read_with_ase(tmp_path / "x.cif")


@pytest.mark.parametrize(
    ("change", "option"), [({"displacement_A": float("inf")}, "displacement"), ({"count": 10**8}, "count")]
)
def test_copies_have_the_limits_of_an_input(tmp_path, change, option):
    given = {"count": 1, "strain": 0.0, "displacement_A": 0.1, "style": "normal", "fraction": 1.0}
    given |= {"repeat": (1, 1, 1), "seed": 0, "out": tmp_path / "p.extxyz"}
    with pytest.raises(SettingError, match=option):
        perturb_files([EXAMPLE / "Cu.cif"], **(given | change))
    assert not (tmp_path / "p.extxyz").exists()


@pytest.mark.parametrize(
    ("method", "score", "seed", "gain", "said"),
    [
        ("random", None, 0, 0.1, "min_gain_nats are without effect"),
        ("random", "mean", 0, None, "--score: without effect"),
        ("msc", "mean", None, None, "--score: without effect"),
        ("entropy", "mean", 3, None, "--seed: without effect"),
        ("entropy", None, None, float("nan"), "finite"),
    ],
)
def test_options_of_selection_that_do_nothing_are_refused(tmp_path, method, score, seed, gain, said):
    write_frames(tmp_path / "x.extxyz", [bulk("Cu")])
    with pytest.raises(SettingError, match=said):
        select_from_files([tmp_path / "x.extxyz"], [], 1, tmp_path / "o.extxyz", method, score, seed, gain, True)


def test_the_plot_beside_chosen_frames_is_not_written_over(tmp_path):
    write_frames(tmp_path / "x.extxyz", [bulk("Cu")])
    (tmp_path / "o.gains.svg").write_text("KEEP")
    with pytest.raises(SettingError, match="there already"):
        select_from_files([tmp_path / "x.extxyz"], [], 1, tmp_path / "o.extxyz", "entropy", "mean", None, None, True)


def test_keys_that_labels_know_nothing_of_are_refused(tmp_path):
    write_frames(tmp_path / "x.extxyz", [bulk("Cu")])
    with pytest.raises(SettingError, match="without effect on labels"):
        labels_by_method("toy", tmp_path / "x.extxyz", ["seed=7"])
    labels_by_method("toy", tmp_path / "x.extxyz", ["resources.label.cores=1"])


def test_labels_of_other_frames_are_not_written_over(tmp_path):
    for name, size in (("a", 3.6), ("b", 3.7)):
        write_frames(tmp_path / f"{name}.extxyz", [bulk("Cu", cubic=True, a=size)])
    assert pfd("label", "a.extxyz", "--method", "toy", "--out", "o.extxyz", cwd=tmp_path).returncode == 0
    there = (tmp_path / "o.extxyz").read_bytes()
    ended = pfd("label", "b.extxyz", "--method", "toy", "--out", "o.extxyz", cwd=tmp_path)
    assert ended.returncode == 2
    assert "labels of 1 frame that are not to be labelled now" in ended.stderr
    assert (tmp_path / "o.extxyz").read_bytes() == there
    assert pfd("label", "a.extxyz", "--method", "toy", "--out", "o.extxyz", cwd=tmp_path).returncode == 0


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("done")
    return submit(write(folder, FINETUNE | {"name": "small"}), folder / "small", until="select").path


@pytest.mark.parametrize("content", ["", '{"name', "[]", "3"])
def test_a_damaged_name_or_summary_is_told_and_how_to_mend_it(done, tmp_path, content):
    run = tmp_path / "run"
    shutil.copytree(done, run)
    (run / "run.json").write_text(content)
    for opened in (lambda: open_run(run), lambda: take_folder(run, "small")):
        with pytest.raises(RunError, match="damaged") as raised:
            opened()
        assert '"format": 1}' in str(raised.value.hint)
    (run / "run.json").write_text(json.dumps({"name": "small", "format": 1}))
    (run / "summary.json").write_text(content)
    with pytest.raises(RunError, match="the summary is damaged"):
        open_run(run)


def test_a_page_is_written_over_and_nothing_else(done, tmp_path):
    other = tmp_path / "precious.html"
    other.write_text("KEEP")
    with pytest.raises(SettingError, match="it is there already"):
        report_run(done, serve=False, port=None, out=other)
    assert other.read_text() == "KEEP"
    for _ in range(2):
        report_run(done, serve=False, port=None, out=tmp_path / "page.html")


def test_a_reader_that_goes_away_interrupts_the_run(tmp_path):
    write(tmp_path, FINETUNE | {"name": "small"})
    command = [sys.executable, "-m", "pfd.cli.main", "submit", "input.yaml"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as driver:
        driver.stderr.readline()
        driver.stderr.close()
        assert driver.wait(60) != 0
    assert open_run(tmp_path / "small").status == "interrupted"
    assert pfd("submit", "input.yaml", cwd=tmp_path).returncode == 0


def test_frames_go_into_files_that_are_named_for_their_format(tmp_path):
    write_frames(tmp_path / "x.extxyz", [bulk("Cu")])
    with pytest.raises(SettingError, match=r"name it POSCAR\.extxyz"):
        select_from_files([tmp_path / "x.extxyz"], [], 1, tmp_path / "POSCAR", "entropy", None, None, None, True)


def test_an_empty_reference_is_told(tmp_path):
    write_frames(tmp_path / "x.extxyz", [bulk("Cu")])
    (tmp_path / "none.extxyz").write_text("")
    out = tmp_path / "o.extxyz"
    with pytest.raises(DataError, match="leave --reference out"):
        select_from_files(
            [tmp_path / "x.extxyz"], [tmp_path / "none.extxyz"], 1, out, "entropy", None, None, None, True
        )
    assert not out.exists()
