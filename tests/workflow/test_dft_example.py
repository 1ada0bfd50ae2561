"""The example with first-principles labels, run to the end with pw.x, in small and in a coarse basis."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

import pfd
from pfd.frames import read_frames
from pfd.report.data import read_report_data

EXAMPLE = Path(__file__).parents[2] / "examples" / "silicon-dft"
SHORT = {"method": "md", "ensemble": "nvt", "temperatures_K": [300], "steps": 20, "every": 5, "timestep_fs": 2.0}
LOOSE = {"converge": {"force_rmse_relative": 0.9}, "max_iterations": 1}


@pytest.mark.espresso
@pytest.mark.chgnet
@pytest.mark.lammps
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_loop_with_first_principles_labels(tmp_path):
    content = yaml.safe_load((EXAMPLE / "input.yaml").read_text(encoding="utf-8"))
    content["structures"][0]["file"] = str(EXAMPLE / "Si8.cif")
    content["finetune"] |= {"explore": SHORT, "select": {"max_frames": 4}, **LOOSE}
    content["finetune"]["label"] |= {"ecutwfc_Ry": 12, "kspacing_per_A": 1.0}
    content["finetune"]["train"] = {"steps": 15}
    content["distill"] |= {"explore": SHORT, "select": {"max_frames": 12}, "own_md_factor": 1, **LOOSE}
    content["evaluate"] = {"test_frames": 2, "speed_atoms": 0, "scratch_student": False}
    content["resources"] = {"cores": 1}  # one process a step: starting torch costs more than its work here
    path = tmp_path / "input.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    run = pfd.submit(path, tmp_path / "run")
    assert run.status in {"converged", "not_converged"}
    assert run.summary["labels"]["rejected"] == 0
    frames = [
        frame for part in ("train", "test") for frame in read_frames(run.path / "data" / f"finetune-{part}.extxyz")
    ]
    levels = {frame.info["level_of_theory"] for frame in frames}
    assert len(levels) == 1
    assert next(iter(levels)).startswith("pw.x PBE, ecutwfc 12 Ry")
    assert [change.setting for change in read_report_data(run.path).preflight] == ["ecutwfc_Ry", "kspacing_per_A"]
    labels = [each for each in run.path.glob("finetune/*/label/*") if "preflight" not in each.parts]
    assert len(labels) == run.summary["labels"]["asked"]
    for folder in labels:
        record = json.loads((folder / "outputs" / "label" / "label.json").read_text(encoding="utf-8"))
        assert record["sound"]
        assert {path.name for path in folder.glob("attempts/*/evidence/try-1/*")} == {"pw.in", "pw.out"}
