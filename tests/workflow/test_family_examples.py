"""The example input of each family with an environment of its own, run to the end in small, driven from here.

The input is the example's but for what a laptop could not do in a minute: the checkpoint (an untrained one of the
family's own format), the material (copper), the labels (a toy potential's) and how long everything is.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import yaml
from ase.build import bulk

import pfd
from pfd.frames import write_frames
from pfd.models.environment import launch_for
from pfd.models.family import read_model
from pfd.models.training import make_family

EXAMPLES = Path(__file__).parents[2] / "examples"
SHORT = {"method": "md", "ensemble": "nvt", "temperatures_K": [300], "steps": 20, "every": 4, "timestep_fs": 1.0}
LOOSE = {"converge": {"force_rmse_eV_per_A": 100.0}, "max_iterations": 1}
CHECKPOINT = """
import sys
from pathlib import Path
from pfd.models.training import make_family
print(make_family(sys.argv[1]).untrained(Path(sys.argv[2]), ("Cu",), 1))
"""


def untrained(name, folder):
    """A checkpoint of the family's own format, made by the family's own interpreter."""
    folder.mkdir()
    launch = launch_for(make_family(name))
    done = subprocess.run(
        launch.command("-P", "-c", CHECKPOINT, name, str(folder)),
        env=launch.environ(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def small(name, tmp_path, train, student):
    """The example's input, made small."""
    content = yaml.safe_load((EXAMPLES / name / "input.yaml").read_text(encoding="utf-8"))
    write_frames(tmp_path / "Cu.extxyz", [bulk("Cu", cubic=True)])
    content["teacher"] |= {"model": untrained(name, tmp_path / "checkpoint")}
    content["structures"] = [
        {"file": "Cu.extxyz", "supercell": [2, 2, 2], "perturb": {"count": 2, "displacement_A": 0.1, "strain": 0.02}}
    ]
    if "finetune" in content:
        content["finetune"] |= {"explore": SHORT, "label": {"method": "toy"}, "select": {"max_frames": 6}, **LOOSE}
        content["finetune"]["train"] = content["finetune"].get("train", {}) | train
    if "distill" in content:
        content["distill"] |= {"explore": SHORT, "select": {"max_frames": 12}, "own_md_factor": 1, **LOOSE}
        content["distill"]["student"] |= student
    content["evaluate"] = {"test_frames": 2, "speed_atoms": 32, "scratch_student": False}
    content["resources"] = {"cores": 1}  # one process a step: starting a family costs more than its work here
    path = tmp_path / "input.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path, content


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("name", "train", "student"),
    [
        pytest.param("deepmd", {"steps": 20}, {"steps": 50}, marks=pytest.mark.environment("deepmd")),
        pytest.param("mattersim", {"steps": 4}, {}, marks=pytest.mark.environment("mattersim")),
        pytest.param("mace", {"steps": 4}, {}, marks=[pytest.mark.environment("mace"), pytest.mark.lammps]),
    ],
)
def test_the_whole_loop(name, train, student, tmp_path):
    path, content = small(name, tmp_path, train, student)
    run = pfd.submit(path, tmp_path / "run")
    assert run.status in {"converged", "not_converged"}  # an untrained model may explode; it must say so, not break
    end = run.path / "models" / ("student" if "distill" in content else "finetuned")
    card = read_model(end).card
    assert card.family == (content["distill"]["student"]["family"] if "distill" in content else name)
    assert "Cu" in card.elements
    results = [json.loads(each.read_text()) for each in run.path.glob("*/*/*/*/result.json")]
    assert {each["status"] for each in results} == {"done"}
