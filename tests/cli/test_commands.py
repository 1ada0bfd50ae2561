"""The commands as a user types them: what they print, write, and return."""

from __future__ import annotations

import errno
import json
from importlib.metadata import version

import pytest
import typer
from tests.cli.conftest import EXAMPLE, pfd

from pfd.cli.report import report_run
from pfd.frames import read_frames


def test_submit_ends_with_the_table_and_the_report(toy):
    folder, ended = toy
    assert ended.returncode == 0, ended.stderr
    assert "fine-tuned" in ended.stdout
    assert "report:" in ended.stdout
    assert (folder / "toy" / "report.html").is_file()
    assert "1 of 1 done" in ended.stderr  # progress, as plain lines where there is no terminal


def test_status_tells_the_same_story_to_people_and_scripts(toy):
    folder, _ = toy
    content = json.loads(pfd("status", "toy", "--json", cwd=folder).stdout)
    assert content["status"] == "converged"
    assert content["tasks"]["done"] > 0 == content["tasks"]["failed"]
    text = pfd("status", "toy", cwd=folder).stdout
    assert "toy: converged" in text
    assert all(f"{entry['loop']} iteration {entry['iteration']}" in text for entry in content["decisions"])


def test_summary_has_its_stable_keys(toy):
    folder, _ = toy
    summary = json.loads((folder / "toy" / "summary.json").read_text(encoding="utf-8"))
    keys = {"status", "models", "speedup_student_over_teacher", "labels", "iterations", "seconds", "versions", "seed"}
    assert keys <= set(summary)
    for name in ("pretrained", "finetuned", "student"):
        model = summary["models"][name]
        assert {"path", "family", "test", "us_per_atom_step"} <= set(model)
        assert {"energy_rmse_meV_per_atom", "force_rmse_meV_per_A"} <= set(model["test"])
        assert (folder / "toy" / model["path"]).is_dir()
    steps = {"explore", "select", "label", "train", "evaluate", "orchestration", "imports", "wall"}
    assert steps <= set(summary["seconds"])
    assert set(summary["labels"]) == {"asked", "accepted", "rejected", "unfinished", "kept", "flagged"}


def test_a_report_that_cannot_be_written_is_still_shown(toy_copy, monkeypatch, capsys):
    def refuse(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("pathlib.Path.write_text", refuse)
    with pytest.raises(typer.Exit) as ended:
        report_run(toy_copy / "toy", serve=False, port=None)
    said = capsys.readouterr()
    with pytest.raises(typer.Exit):
        report_run(toy_copy / "toy", serve=False, port=None, as_json=True)
    monkeypatch.undo()
    assert json.loads(capsys.readouterr().out)["report"] is None
    assert ended.value.exit_code == 1
    assert "fine-tuned" in said.out
    assert "Read-only file system\n  Try: pfd report " in said.err
    assert " --out report.html" in said.err
    report_run(toy_copy / "toy", serve=False, port=None, out=toy_copy / "page.html")
    assert (toy_copy / "page.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_export_and_report_as_json_for_scripts(toy_copy):
    told = json.loads(pfd("export", "toy", "model", "--to", "ase", "--json", cwd=toy_copy).stdout)
    assert told["folder"] == "model"
    assert set(told["files"]) == {path.name for path in (toy_copy / "model").iterdir()}
    assert "pfd.load('model')" in told["use"]
    found = json.loads(pfd("report", "toy", "--json", cwd=toy_copy).stdout)
    summary = json.loads((toy_copy / "toy" / "summary.json").read_text(encoding="utf-8"))
    assert found == {"report": "toy/report.html", "status": "converged", "models": summary["models"]}
    served = pfd("report", "toy", "--serve", "--json", cwd=toy_copy)
    assert (served.returncode, served.stdout) == (2, "")


def test_report_writes_the_page_again(toy):
    folder, _ = toy
    page = folder / "toy" / "report.html"
    page.unlink()
    assert pfd("report", "toy", cwd=folder).returncode == 0
    assert page.is_file()


def test_the_help_tells_of_every_exit_code(tmp_path):
    text = " ".join(pfd("submit", "--help", cwd=tmp_path).stdout.split())
    assert "0: converged, or paused where --until asked" in text


def test_perturb_writes_beside_where_one_stands(tmp_path):
    ended = pfd("perturb", EXAMPLE / "Cu.cif", "-n", 3, "-r", 2, 2, 1, "-c", 0.02, "-d", 0.1, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    frames = read_frames(tmp_path / "pert_Cu.extxyz")
    assert [len(frame) for frame in frames] == [16, 16, 16]
    again = tmp_path / "again"
    again.mkdir()
    pfd("perturb", EXAMPLE / "Cu.cif", "-n", 3, "-r", 2, 2, 1, "-c", 0.02, "-d", 0.1, cwd=again)
    assert (again / "pert_Cu.extxyz").read_bytes() == (tmp_path / "pert_Cu.extxyz").read_bytes()


def test_models_doctor_and_schema_speak_json(tmp_path):
    models = json.loads(pfd("models", "--json", cwd=tmp_path).stdout)
    assert {"toy", "chgnet", "sevennet", "pod"} <= {row["family"] for row in models}
    doctor = json.loads(pfd("doctor", "toy", "tblite", "--json", cwd=tmp_path).stdout)
    found = [(row["kind"], row["name"]) for row in doctor]
    assert found == [("family", "toy"), ("labeler", "tblite"), ("labeler", "toy")]
    assert all(row["state"] in {"PASS", "FOUND"} or row["mend"] for row in doctor)
    schema = json.loads(pfd("schema", cwd=tmp_path).stdout)
    assert {"teacher", "finetune", "distill"} <= set(schema["properties"])


def test_the_version(tmp_path):
    assert pfd("--version", cwd=tmp_path).stdout == f"pfd-kit {version('pfd-kit')}\n"


MISTAKES = {
    "no input": ("submit",),
    "no such command": ("submitt", "x"),
    "no such run": ("status", "nothing"),
    "nothing to report": ("report", "nothing"),
    "no run here": ("status",),
    "a folder without a run": ("report", "."),
    "a folder to submit without a run": ("submit", "."),
    "no such input": ("submit", "nothing.yaml"),
    "no such structure": ("perturb", "nothing.cif"),
    "no such style": ("perturb", EXAMPLE / "Cu.cif", "-s", "wild"),
    "no such step": ("submit", EXAMPLE / "input.yaml", "--until", "never"),
}


@pytest.mark.parametrize("arguments", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_exit_code_2_without_a_traceback(tmp_path, arguments):
    ended = pfd(*arguments, cwd=tmp_path)
    assert ended.returncode == 2, ended.stderr
    assert "Traceback" not in ended.stderr
    assert not list(tmp_path.iterdir())
