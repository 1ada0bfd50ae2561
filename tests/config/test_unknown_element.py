"""A model that is costly to read says only after its adoption which elements it knows: still before any exploration."""

from __future__ import annotations

import pytest
import yaml
from ase.build import bulk

import pfd
from pfd.config import check
from pfd.errors import ModelError
from pfd.frames import write_frames

INPUT = {
    "name": "run",
    "teacher": {"family": "toy", "model": "soft-copper"},
    "structures": [{"file": "Al.extxyz"}],
    "finetune": {
        "explore": [[{"method": "md", "temperatures_K": [300], "steps": 20}]],
        "label": {"method": "toy"},
        "converge": {"force_rmse_relative": 0.05},
    },
}


def test_refused_after_adoption_and_before_exploration(tmp_path, monkeypatch):
    """As with a family that needs torch: the check of the input leaves the teacher alone."""
    monkeypatch.setattr(check, "check_teacher", lambda *_: None)
    write_frames(tmp_path / "Al.extxyz", [bulk("Al", cubic=True)])
    path = tmp_path / "input.yaml"
    path.write_text(yaml.safe_dump(INPUT))
    with pytest.raises(ModelError, match="does not know Al") as raised:
        pfd.submit(path, tmp_path / "run")
    assert raised.value.exit_code == 2
    assert raised.value.where == f"{path}: structures"
    assert (tmp_path / "run" / "start").is_dir()
    assert not (tmp_path / "run" / "finetune").exists()
