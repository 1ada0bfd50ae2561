"""Which run a command is about."""

from __future__ import annotations

import json

import pytest

from pfd.cli.run_argument import find_run, input_and_run
from pfd.errors import RunError


def make_run(folder):
    folder.mkdir(exist_ok=True)
    (folder / "run.json").write_text(json.dumps({"name": folder.name, "format": 1}))
    (folder / "input.yaml").write_text(f"name: {folder.name}\n")
    return folder


def test_an_input_file_stands_for_its_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = make_run(tmp_path / "one")
    (tmp_path / "input.yaml").write_text("name: one\n")
    assert find_run(tmp_path / "input.yaml").resolve() == run
    assert find_run(run / "input.yaml") == run
    (tmp_path / "input.yaml").write_text("name: two\n")
    with pytest.raises(RunError, match=r"pfd submit .* makes it"):
        find_run(tmp_path / "input.yaml")
    (tmp_path / "input.yaml").write_text("seed: 1\n")
    with pytest.raises(RunError, match="no name"):
        find_run(tmp_path / "input.yaml")


def test_without_an_argument_the_only_run_is_meant(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError, match="no run here"):
        find_run(None)
    make_run(tmp_path / "one")
    assert find_run(None).name == "one"
    make_run(tmp_path / "two")
    with pytest.raises(RunError, match="2 runs here: one, two"):
        find_run(None)
    monkeypatch.chdir(tmp_path / "one")
    assert find_run(None).resolve() == tmp_path / "one"


def test_a_run_folder_is_gone_on_with(tmp_path):
    run = make_run(tmp_path / "one")
    assert input_and_run(run, None) == (run / "input.yaml", run)
    assert input_and_run(run, tmp_path / "two") == (run / "input.yaml", tmp_path / "two")
    assert input_and_run(run / "input.yaml", None) == (run / "input.yaml", None)
    with pytest.raises(RunError, match="no run in this folder"):
        input_and_run(tmp_path, None)
