"""A run that was moved goes on from what it kept; files may stand anywhere and be called anything."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

import pfd
from pfd.config.reading import read_input, source_path
from pfd.errors import SettingError
from pfd.frames import read_frames, write_frames
from pfd.workflow.run_folder import task_folders

from .conftest import EXAMPLE


def tasks_of(run: Path) -> dict[str, int]:
    """Task folders, and when their results were written."""
    folders = list(task_folders(run))
    return {str(each.path.relative_to(run)): (each.path / "result.json").stat().st_mtime_ns for each in folders}


def test_a_moved_run_goes_on_without_the_files_it_was_made_from(write_input, small, tmp_path, in_process):
    (tmp_path / "there" / "below").mkdir(parents=True)
    shutil.copyfile(EXAMPLE / "Cu.cif", tmp_path / "there" / "below" / "copper.cif")
    small["structures"][0]["file"] = str(tmp_path / "there" / "below" / "copper.cif")
    path = write_input(small)
    test = tmp_path / "test.extxyz"
    first = pfd.submit(path, tmp_path / "first", until="train")
    frames = read_frames(next((first.path / "finetune").glob("iter-000/collect/*/outputs/train.extxyz")))
    write_frames(test, frames)
    small["evaluate"]["test_file"] = "test.extxyz"
    run = pfd.submit(write_input(small), tmp_path / "run")
    before = tasks_of(run.path)
    shutil.move(run.path, tmp_path / "elsewhere")
    shutil.rmtree(tmp_path / "there")
    test.unlink()
    moved = pfd.submit(tmp_path / "elsewhere" / "input.yaml", tmp_path / "elsewhere")
    assert moved.status == run.status
    assert tasks_of(moved.path) == before
    assert len(list(moved.path.glob("resolved-*.yaml"))) == 1
    kept = sorted(file.name for file in (moved.path / "inputs").iterdir())
    assert {name[9:] for name in kept} == {"copper.cif", "test.extxyz"}
    assert len(kept) == 2
    again = pfd.submit(moved.path / "input.yaml", tmp_path / "another")
    assert set(tasks_of(again.path)) == set(before)
    assert sorted(file.name for file in (again.path / "inputs").iterdir()) == kept


def test_a_run_submitted_from_inside_goes_on(write_input, small, tmp_path, in_process, monkeypatch):
    del small["distill"]
    run = pfd.submit(write_input(small), tmp_path / "small")
    monkeypatch.chdir(run.path)
    again = pfd.submit("input.yaml")
    assert again.path == run.path
    assert not (run.path / "small").exists()
    assert len(list(run.path.glob("resolved-*.yaml"))) == 1


def test_two_kept_files_of_one_name_are_refused(write_input, small, tmp_path, in_process):
    resolved = read_input(write_input(small))
    (tmp_path / "Cu.cif").unlink()
    (tmp_path / "inputs").mkdir()
    with pytest.raises(SettingError, match=r"no such file: Cu\.cif\n"):
        source_path(resolved, "Cu.cif", "structures.0.file")
    for name in ("Cu.cif", "other-Cu.cif", "0123abc-Cu.cif", "01234567-Ag-Cu.cif"):
        (tmp_path / "inputs" / name).touch()
    with pytest.raises(SettingError, match=r"no such file: Cu\.cif\n"):
        source_path(resolved, "Cu.cif", "structures.0.file")
    (tmp_path / "inputs" / "01234567-Cu.cif").touch()
    assert source_path(resolved, "below/Cu.cif", "structures.0.file").name == "01234567-Cu.cif"
    (tmp_path / "inputs" / "89abcdef-Cu.cif").touch()
    with pytest.raises(SettingError, match="2 kept ones of that name") as raised:
        source_path(resolved, "Cu.cif", "structures.0.file")
    assert "01234567-Cu.cif, 89abcdef-Cu.cif" in raised.value.hint


def test_a_half_written_input_never_stands_in_the_run(write_input, small, tmp_path, monkeypatch, in_process):
    path = write_input(small | {"distill": None})

    whole = Path.replace

    def torn(self, target):
        if "input" in self.name:
            raise OSError(28, f"no space for {self.name}")
        return whole(self, target)

    monkeypatch.setattr(Path, "replace", torn)
    with pytest.raises(OSError, match=r"no space for \.input\.yaml\.new"):
        pfd.submit(path, tmp_path / "run")
    assert not (tmp_path / "run" / "input.yaml").exists()
    assert not list((tmp_path / "run").glob("resolved-*.yaml"))


def test_files_anywhere_of_any_name(small, tmp_path, monkeypatch, in_process):
    home = tmp_path / "Zuhause und mehr"
    for folder in ("eins", "zwei @ 300K", "über [1]"):
        (home / folder).mkdir(parents=True)
    shutil.copyfile(EXAMPLE / "Cu.cif", home / "eins" / "Cu.cif")
    cif = (EXAMPLE / "Cu.cif").read_text()
    (home / "zwei @ 300K" / "Cu.cif").write_text(cif + "\n# another file of this name\n")
    shutil.copyfile(EXAMPLE / "Cu.cif", home / "über [1]" / "Kupfer Würfel é銅.cif")
    (home / "link.cif").symlink_to(home / "eins" / "Cu.cif")
    monkeypatch.setenv("HOME", str(home))
    shape = {"supercell": [2, 2, 2]}
    files = [
        "eins/Cu.cif",
        "zwei @ 300K/Cu.cif",
        str(home / "über [1]" / "Kupfer Würfel é銅.cif"),
        "~/link.cif",
    ]
    small["structures"] = [shape | {"file": file} for file in files]
    del small["distill"]
    path = home / "über [1]" / "Eingabe ü.yaml"
    path.write_text(yaml.safe_dump(small, allow_unicode=True), encoding="utf-8")
    with pytest.raises(SettingError, match=r"eins/Cu\.cif"):
        pfd.submit(path, tmp_path / "run")
    path = path.rename(home / path.name)
    run = pfd.submit(path, tmp_path / "der Lauf ü")
    assert run.status == "converged"
    (built,) = [folder for folder in task_folders(run.path) if folder.task()["step"] == "structures"]
    frames = read_frames(built.path / "outputs" / "frames.extxyz")
    assert [len(frame) for frame in frames] == [32] * 4
    assert len(list((run.path / "inputs").glob("*-Cu.cif"))) == 2


def test_a_test_file_that_names_its_level_is_scored_and_keeps_it(write_input, small, tmp_path, in_process):
    """Whatever method labelled it: it is scored apart, and never trained on."""
    del small["distill"]
    first = pfd.submit(write_input(small), tmp_path / "first", until="train")
    frames = read_frames(next((first.path / "finetune").glob("iter-000/collect/*/outputs/train.extxyz")))
    for frame in frames:
        frame.info["level_of_theory"] = "PBE"
    write_frames(tmp_path / "test.extxyz", frames)
    small["evaluate"]["test_file"] = "test.extxyz"
    run = pfd.submit(write_input(small), tmp_path / "run")
    assert run.status == "converged"
    place = run.path / "start" / "test-file" / "read"
    (read,) = [each for each in task_folders(run.path) if each.path.is_relative_to(place)]
    scored = read_frames(read.path / "outputs" / "frames.extxyz")
    assert {frame.info["level_of_theory"] for frame in scored} == {"PBE"}
