"""``pfd submit``: a pause shows what would be labelled, and an end without convergence says what missed by how much."""

from __future__ import annotations

import json
import shutil

import pytest
import yaml
from tests.cli.conftest import EXAMPLE, pfd

from pfd.frames import read_frames


@pytest.fixture(scope="module")
def hopeless(tmp_path_factory):
    """Fine-tuning to a limit that cannot be met; paused after selection, then gone on with by its folder."""
    folder = tmp_path_factory.mktemp("hopeless")
    content = yaml.safe_load((EXAMPLE / "input.yaml").read_text(encoding="utf-8"))
    del content["distill"]
    content["finetune"] |= {"converge": {"force_rmse_relative": 1e-5}, "max_iterations": 1}
    shutil.copy(EXAMPLE / "Cu.cif", folder)
    (folder / "input.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    paused = pfd("submit", "input.yaml", "--until", "select", cwd=folder)
    looked = [pfd(command, cwd=folder) for command in ("status", "report")]
    return folder, paused, looked, pfd("submit", "toy", cwd=folder)


def test_a_pause_shows_what_would_be_labelled(hopeless):
    folder, paused, looked, _ = hopeless
    assert paused.returncode == 0
    assert "paused after select" in paused.stdout
    for each in (paused, *looked):
        assert "to be labelled: 8 frames for training, 6 frames for the test set\n" in each.stdout
        files = [line.strip() for line in each.stdout.splitlines() if line.endswith("selected.extxyz")]
        assert [len(read_frames(folder / file)) for file in files] == [8, 6]
    assert "no model has been compared" in looked[1].stdout
    assert "now at" not in looked[0].stdout


def test_an_end_without_convergence_says_which_loop_and_by_what(hopeless):
    _, _, _, ended = hopeless
    assert ended.returncode == 3
    assert "finetune did not converge, given up after iteration 0: max_iterations (1) reached" in ended.stdout
    assert "(limit 0.001 %), on the fixed test set" in ended.stdout
    assert "µs/atom" not in ended.stdout


def test_the_end_as_json_is_that_of_status(hopeless):
    folder = hopeless[0]
    again = pfd("submit", "toy", "--json", cwd=folder)
    assert again.returncode == 3
    told = json.loads(again.stdout)
    assert told["status"] == "not_converged"
    assert told.keys() == json.loads(pfd("status", "toy", "--json", cwd=folder).stdout).keys()
    background = pfd("submit", "toy", "--json", "--detach", cwd=folder)
    assert (background.returncode, background.stdout) == (2, "")
    assert "--json: what it prints at the end goes to the log" in background.stderr


def test_a_failed_run_as_json_tells_how_far_it_came(hopeless, tmp_path):
    content = yaml.safe_load((hopeless[0] / "input.yaml").read_text(encoding="utf-8"))
    content["finetune"]["label"] = {"method": "command", "command": "false", "level": "none"}
    shutil.copy(EXAMPLE / "Cu.cif", tmp_path)
    (tmp_path / "input.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    failed = pfd("submit", "input.yaml", "--json", cwd=tmp_path)
    assert failed.returncode == 1
    told = json.loads(failed.stdout)
    assert told["status"] == "failed"
    assert told["error"] in failed.stderr
    assert {"explore", "select"} <= {entry.name for entry in (tmp_path / "toy" / "finetune" / "iter-000").iterdir()}
