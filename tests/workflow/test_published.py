"""What a run publishes: whole at any moment, and nobody else's files are touched."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import pfd
from pfd.digests import file_digest
from pfd.workflow.argo import client


@pytest.fixture
def submit(write_input, small, tmp_path, in_process):
    """Submit an input without distillation, as it stands after each change."""
    del small["distill"]

    def go():
        return pfd.submit(write_input(small), tmp_path / "run")

    return go


def test_files_of_the_user_beside_data_and_models_stay(submit, small):
    run = submit()
    (run.path / "models" / "mine").mkdir()
    (run.path / "models" / "mine" / "notes.txt").write_text("of a week's work")
    (run.path / "data" / "mine.extxyz").write_text("")
    shutil.copytree(run.finetuned, run.student)  # as if an earlier input had distilled
    small["finetune"]["select"] = {"max_frames": 3}
    submit()
    assert (run.path / "models" / "mine" / "notes.txt").is_file()
    assert (run.path / "data" / "mine.extxyz").is_file()
    assert not run.student.exists()


class Killed(BaseException):
    """The driver is gone."""


@pytest.mark.parametrize("moment", ["removing", "renaming"])
def test_a_kill_while_a_model_is_published_leaves_no_half_of_it(submit, monkeypatch, moment):
    run = submit()
    whole = file_digest(run.finetuned)
    remove, rename = shutil.rmtree, Path.replace

    def remove_a_part(path, *args, **kwargs):
        path = Path(path)
        if "finetuned" in path.name and path.parent.name == "models":
            next(child for child in path.iterdir() if child.is_file()).unlink()
            raise Killed
        remove(path, *args, **kwargs)

    def never(self, target):
        if self.name == ".finetuned.new":
            raise Killed
        return rename(self, target)

    with monkeypatch.context() as dying:
        if moment == "removing":
            dying.setattr(shutil, "rmtree", remove_a_part)
        else:
            dying.setattr(Path, "replace", never)
        with pytest.raises(Killed):
            submit()
    there = [path for path in (run.finetuned, run.finetuned.with_name(".finetuned.old")) if path.exists()]
    assert whole in [file_digest(path) for path in there]
    assert not run.finetuned.exists() or file_digest(run.finetuned) == whole
    submit()
    assert file_digest(run.finetuned) == whole
    assert sorted(path.name for path in (run.path / "models").iterdir()) == ["finetuned", "pretrained"]


def test_a_download_leaves_files_of_the_user_too(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    for run, word in ((here, "old"), (there, "new")):
        (run / "models" / "finetuned").mkdir(parents=True)
        (run / "models" / "finetuned" / "model.json").write_text(word)
        (run / "data").mkdir()
    (here / "models" / "student").mkdir()  # of an input before the last edit
    (here / "models" / "mine").mkdir()
    (here / "data" / "mine.extxyz").write_text("")
    client._merge(there, here)
    assert (here / "models" / "finetuned" / "model.json").read_text() == "new"
    assert sorted(path.name for path in (here / "models").iterdir()) == ["finetuned", "mine"]
    assert (here / "data" / "mine.extxyz").is_file()
