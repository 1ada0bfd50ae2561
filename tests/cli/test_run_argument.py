"""Which run a command is about."""

from __future__ import annotations

import json

import pytest

from pfd.cli.run_argument import find_run, input_and_run, unknown_workflow
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


def test_the_folder_of_labels_of_a_file_is_meant_only_if_there_is_no_other(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_run(tmp_path / "labelled.labels")
    assert find_run(None).name == "labelled.labels"
    make_run(tmp_path / "one")
    assert find_run(None).name == "one"


def test_a_run_folder_is_gone_on_with(tmp_path):
    run = make_run(tmp_path / "one")
    assert input_and_run(run, None) == (run / "input.yaml", run)
    assert input_and_run(run, tmp_path / "two") == (run / "input.yaml", tmp_path / "two")
    assert input_and_run(run / "input.yaml", None) == (run / "input.yaml", None)
    with pytest.raises(RunError, match="no run in this folder"):
        input_and_run(tmp_path, None)


def submitted(run, workflow):
    (run / "argo").mkdir()
    (run / "argo" / "workflow.json").write_text(json.dumps({"workflow": workflow, "settings": {}}))


def test_an_input_and_an_id_tell_which_of_its_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_run(tmp_path / "one")
    (tmp_path / "input.yaml").write_text("name: one\n")
    other = make_run(tmp_path / "elsewhere")
    (other / "run.json").write_text(json.dumps({"name": "one", "format": 1}))
    submitted(other, "pfd-one-x7")
    file = tmp_path / "input.yaml"
    assert find_run(file, "one").resolve() == tmp_path / "one"
    assert find_run(file, "elsewhere").resolve() == other
    assert find_run(file, str(other)).resolve() == other
    assert find_run(file, "pfd-one-x7").resolve() == other
    assert find_run(other, "pfd-one-x7") == other
    with pytest.raises(RunError, match=r"no run 'pfd-one-x8'.*\n.*elsewhere or pfd-one-x7"):
        find_run(file, "pfd-one-x8")
    assert unknown_workflow(file, "pfd-one-x8")
    assert not unknown_workflow(file, "pfd-one-x7")
    assert not unknown_workflow(other, "pfd-one-x8")


def test_an_id_of_another_run_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    one, two = make_run(tmp_path / "one"), make_run(tmp_path / "two")
    (tmp_path / "input.yaml").write_text("name: one\n")
    with pytest.raises(RunError, match="holds no run of the input, which is named 'one'"):
        find_run(tmp_path / "input.yaml", "two")
    with pytest.raises(RunError, match="another run than"):
        find_run(one, str(two))
    with pytest.raises(RunError, match="no run 'three'"):
        find_run(one, "three")
