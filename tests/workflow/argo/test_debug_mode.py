"""The compiled graph itself in dflow's debug mode: to the end, with lost pods, and again by the keys of its steps."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
import yaml
from tests.workflow.argo.conftest import MINI, Graph, digests, models
from tests.workflow.conftest import EXAMPLE

import pfd
from pfd.cli.approve import approve_and_show
from pfd.cli.argo import download_from_argo, plan_for_argo, resubmit_to_argo, show_workflow, submit_to_argo
from pfd.config.argo import SECRETS

pytestmark = [pytest.mark.argo, pytest.mark.slow, pytest.mark.timeout(1200)]
PLANTED = "planted-in-the-environment"


@pytest.fixture
def debug_mode(monkeypatch, tmp_path):
    """dflow runs graphs here, with secrets in the environment, and pods that a test can kill by slot."""
    monkeypatch.setenv("DFLOW_MODE", "debug")
    monkeypatch.setenv("DFLOW_DEBUG_POOL_WORKERS", "1")
    for variable in SECRETS.values():
        monkeypatch.setenv(variable, PLANTED)
    doomed = tmp_path / "doomed"
    doomed.mkdir()
    python = tmp_path / "bin" / "python3"
    python.parent.mkdir()
    python.write_text(
        "#!/bin/sh\n"
        f'for name in $(ls "{doomed}"); do case "$PWD/" in *"/$name/"*) kill -9 $$;; esac; done\n'
        f'exec "{sys.executable}" "$@"\n'
    )
    python.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(python))
    return doomed


@pytest.fixture
def input_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copyfile(EXAMPLE / "Cu.cif", tmp_path / "Cu.cif")
    path = tmp_path / "input.yaml"
    path.write_text(yaml.safe_dump(MINI), encoding="utf-8")
    return path


def secrets_found(folder: Path) -> list[Path]:
    """Files that hold what was planted, in their bytes."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "bin"]
    return [path for path in files if PLANTED.encode() in path.read_bytes()]


def test_the_plan_is_the_workflow_that_the_checker_is_tested_on(input_file, monkeypatch, capsys):
    monkeypatch.setenv("DFLOW_S3_SECRET_KEY", PLANTED)
    plan_for_argo(input_file, Path("workflow.yaml"))
    wanted = Path(__file__).with_name("workflow.yaml").read_text(encoding="utf-8")
    assert Path("workflow.yaml").read_text(encoding="utf-8") == wanted
    assert "pfd-train: registry.example/pfd:1, 2 cores, 8 GB" in capsys.readouterr().out


def test_it_fails_where_pods_are_killed_and_ends_as_a_local_run_when_it_is_submitted_again(
    input_file, debug_mode, capsys, tmp_path
):
    for slot in ("0000", "0001"):
        (debug_mode / f"finetune-iter-000-label-{slot}").touch()
    with pytest.raises(SystemExit) as ended:
        submit_to_argo(input_file, None)
    assert ended.value.code == 1
    run = tmp_path / "mini"
    show_workflow(run)
    shown = capsys.readouterr().out
    assert "Failed" in shown
    assert "Failed  advance-finetune-iter-000-label" in shown
    download_from_argo(run)
    before = digests(run)
    assert any(name.startswith("finetune/iter-000/select") for name in before)

    for doomed in debug_mode.iterdir():
        doomed.unlink()
    resubmit_to_argo(run, None)
    assert "7 steps used again" in capsys.readouterr().out
    download_from_argo(run)
    local = pfd.submit(input_file, tmp_path / "local")
    assert digests(run) == digests(local.path)
    assert models(run) == models(local.path)
    assert pfd.open_run(run).status == local.status
    assert secrets_found(tmp_path) == []
    assert (run / "report.html").is_file()


def test_the_graph_ends_where_it_waits_for_a_person_and_is_submitted_again(input_file, debug_mode, capsys, tmp_path):
    content = MINI | {"finetune": MINI["finetune"] | {"pause": "before_label", "max_iterations": 1}}
    input_file.write_text(yaml.safe_dump(content), encoding="utf-8")
    submit_to_argo(input_file, None)
    run = tmp_path / "mini"
    download_from_argo(run)
    assert pfd.open_run(run).exit_code == 4
    approve_and_show(run, ["1"], everything=False, as_json=False)
    assert f"pfd resubmit {run} goes on" in capsys.readouterr().out
    download_from_argo(run)  # once more: the decision must outlive it
    resubmit_to_argo(run, None)
    download_from_argo(run)
    ended = pfd.open_run(run)
    assert ended.status in {"converged", "not_converged"}
    assert ended.summary["labels"]["asked"] == 5


def test_a_lost_pod_costs_its_labels_only(input_file, debug_mode, monkeypatch, tmp_path, graph):
    content = MINI | {"argo": MINI["argo"] | {"label": {"group_size": 2}}}
    content["finetune"] = MINI["finetune"] | {"select": {"max_frames": 9}}
    with monkeypatch.context() as here:
        here.setattr("sys.executable", sys.executable)
        begun: Graph = graph(content)
        for _ in range(4):
            begun.turn()
    run = tmp_path / "mini"
    shutil.copytree(begun.source / "run", run)
    (debug_mode / "finetune-iter-000-label-0001").touch()
    submit_to_argo(run, None)
    download_from_argo(run)
    labels = pfd.open_run(run).summary["labels"]
    assert (labels["asked"], labels["accepted"], labels["unfinished"]) == (8, 6, 2)
