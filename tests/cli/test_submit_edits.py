"""Submitting an edited input to a run that is there says what was changed, before anything is done."""

from __future__ import annotations

from pathlib import Path

import yaml

from pfd.api import submit
from pfd.cli.submit import submit_and_show

EXAMPLE = Path(__file__).parents[2] / "examples" / "toy"


def test_the_changed_keys_are_named(tmp_path, monkeypatch, capfd):
    content = yaml.safe_load((EXAMPLE / "input.yaml").read_text(encoding="utf-8"))
    del content["distill"]
    content["finetune"]["max_iterations"] = 1
    (tmp_path / "Cu.cif").write_bytes((EXAMPLE / "Cu.cif").read_bytes())
    path = tmp_path / "input.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    submit(path, until="select")
    content["finetune"]["select"] = {"max_frames": 5}
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    submit_and_show(path, None, "select")
    told = capfd.readouterr().err
    assert "toy: going on with an edited input; changed: finetune.select" in told
    submit_and_show(path, None, "select")
    assert "edited input" not in capfd.readouterr().err
