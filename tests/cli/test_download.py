"""``pfd download``: models, data and report of a run in a folder, or outputs of its tasks."""

from __future__ import annotations

import json
import shutil

import pytest
from tests.cli.conftest import pfd

from pfd.cli.download import MARK, Download, download_and_show
from pfd.errors import RunError, SettingError
from pfd.frames import read_frames
from pfd.workflow.outputs import Selector


def test_the_results_are_collected(toy, tmp_path):
    run, out = toy[0] / "toy", tmp_path / "results"
    ended = pfd("download", run, "--out", out, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert {path.name for path in out.iterdir()} == {
        *("models", "data", "report.html", "summary.json", "input.yaml", MARK)
    }
    assert {path.name for path in (out / "models").iterdir()} == {"pretrained", "finetuned", "student"}
    assert read_frames(out / "data" / "finetune-train.extxyz") == read_frames(run / "data" / "finetune-train.extxyz")


def test_a_run_that_is_somebody_elses_is_left_as_it_is(toy, tmp_path):
    run, out = tmp_path / "run", tmp_path / "results"
    shutil.copytree(toy[0] / "toy", run)
    (run / "report.html").unlink()
    download_and_show(run, None, Download(out))
    assert "<html" in (out / "report.html").read_text(encoding="utf-8")
    assert not (run / "report.html").exists()


def test_again_into_the_same_folder_and_never_into_another(toy, tmp_path):
    run, out = toy[0] / "toy", tmp_path / "results"
    asked = Download(out)
    download_and_show(run, None, asked)
    (out / "models" / "student" / "old").touch()
    download_and_show(run, None, asked)
    assert not (out / "models" / "student" / "old").exists()
    (out / MARK).write_text(json.dumps({"run": "other", "folder": "/"}))
    with pytest.raises(SettingError, match="something else"):
        download_and_show(run, None, asked)
    (tmp_path / "file").touch()
    with pytest.raises(SettingError, match="a file, not a folder"):
        download_and_show(run, None, Download(tmp_path / "file"))


def test_outputs_by_the_older_selectors(toy, tmp_path, capsys):
    run, out = toy[0] / "toy", tmp_path / "models"
    asked = Download(out, Selector(("0",), ("prep-run-train/output/models",)), as_json=True)
    download_and_show(run, None, asked)
    files = json.loads(capsys.readouterr().out)["files"]
    assert [[*file.split("/")[:3], file.split("/")[-1]] for file in files] == [
        ["distill", "iter-000", "train", "model"],
        ["finetune", "iter-000", "train", "model"],
    ]
    assert all((out / file / "model.json").is_file() for file in files)


def test_the_list_tells_what_may_be_named(toy, capsys):
    run = toy[0] / "toy"
    download_and_show(run, None, Download(listed=True))
    said = capsys.readouterr().out
    assert "finetune-iter-000-train: model, training.json" in said
    download_and_show(run, None, Download(listed=True, as_json=True))
    entries = json.loads(capsys.readouterr().out)
    assert {"key": "finetune-iter-000-train", "output": "model", "tasks": 1} in entries


def test_without_a_folder_there_is_nothing_to_do(toy):
    run = toy[0] / "toy"
    with pytest.raises(SettingError, match="here already"):
        download_and_show(run, None, Download())
    with pytest.raises(SettingError, match="where to put it"):
        download_and_show(run, None, Download(selector=Selector(("0",))))


def test_before_a_loop_has_ended_there_are_no_results(paused, tmp_path):
    with pytest.raises(RunError, match="no loop has ended yet"):
        download_and_show(paused[0] / "small", None, Download(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


class Server:
    """Stands in for a server with one workflow, whose run is the folder ``there``."""

    def __init__(self, there):
        self.there = there

    def ask(self, action, given, run):
        import shutil

        from pfd.workflow.argo.parcel import pack

        if given["workflow"] != "pfd-toy-x7":
            raise RunError("no such workflow")
        if action == "download":
            pack(run / "run.tar", self.there, [path.name for path in self.there.iterdir() if path.name != "argo"])
            shutil.move(run / "run.tar", given["to"])
        return {"phase": "Succeeded", "after": "advance-end", "steps": []}


def test_an_input_and_a_workflow_make_the_run_folder(toy, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pfd.workflow.argo.client._ask", Server(toy[0] / "toy").ask)
    monkeypatch.setattr("pfd.workflow.argo.client.require_secrets", lambda settings: None)
    source = toy[0] / "toy" / "input.yaml"
    (tmp_path / "input.yaml").write_text(source.read_text())
    with pytest.raises(RunError, match="no such workflow"):
        download_and_show(tmp_path / "input.yaml", "pfd-toy-x8", Download())
    assert not (tmp_path / "toy").exists()
    download_and_show(tmp_path / "input.yaml", "pfd-toy-x7", Download(tmp_path / "out"))
    assert "toy: converged" in capsys.readouterr().out
    assert (tmp_path / "toy" / "models" / "student").is_dir()
    assert (tmp_path / "out" / "models" / "student").is_dir()
    with pytest.raises(RunError, match="not of the workflow 'pfd-toy-x9'"):
        download_and_show(tmp_path / "input.yaml", "pfd-toy-x9", Download())
