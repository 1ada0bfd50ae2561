"""The example of a family of one's own is installed as a user would, and then takes part in everything."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

EXAMPLES = Path(__file__).parents[2] / "examples"
IN_PYTHON = """
from pathlib import Path
import numpy as np
from ase.build import bulk
from pfd.frames import Labels, labels_of, with_labels
from pfd.models.training import adopt_model, fine_tune_model, make_family, predict_frames
from pfd.settings import Settings
from pfd.testing.family_contract import check_family
from pfd.testing.toy_potential import ToyCalculator, morse

family = make_family("lennard-jones")
frames = []
for seed in range(6):
    frame = bulk("Cu", cubic=True) * (2, 2, 1 + seed % 2)
    frame.rattle(0.1, seed=seed)
    frame.calc = ToyCalculator(["Cu"], morse(), np.ones(1), {"Cu": -50.0})
    frames.append(with_labels(frame, Labels(frame.get_potential_energy(), frame.get_forces(), frame.get_stress())))

def errors(folder):
    pairs = [(labels_of(a), labels_of(b), len(a)) for a, b in zip(predict_frames(folder, frames[4:]), frames[4:])]
    forces = np.vstack([a.forces - b.forces for a, b, _ in pairs])
    return np.sqrt(np.mean(forces**2)), max(abs(a.energy - b.energy) / atoms for a, b, atoms in pairs)

start, tuned = Path("start"), Path("tuned")
start.mkdir(); tuned.mkdir()
adopt_model(family, "copper", None, start)
fine_tune_model(start, frames[:4], [], Settings(), 0, tuned)
print(*errors(start), *errors(tuned))
check_family(family, tuned, frames[0])
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The environment of a process in which the example is installed; this process' own is left as it is."""
    source, target = tmp_path_factory.mktemp("source") / "own_family", tmp_path_factory.mktemp("target")
    shutil.copytree(EXAMPLES / "own_family", source)  # a build writes beside its sources
    install = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    subprocess.run([sys.executable, *install, "--target", str(target), str(source)], check=True, timeout=300)
    paths = [str(target), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths)}


def python(environment, *arguments, cwd):
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, cwd=cwd, capture_output=True, text=True, timeout=300, check=False
    )
    return done.returncode, done.stdout, done.stderr


def test_it_is_forty_lines():
    assert (EXAMPLES / "own_family" / "pfd_lennard_jones.py").read_text(encoding="utf-8").count("\n") <= 40


def test_pfd_models_lists_it(installed, tmp_path):
    code, out, err = python(installed, "-m", "pfd.cli.main", "models", "--json", cwd=tmp_path)
    assert code == 0, err
    row = next(row for row in json.loads(out) if row["family"] == "lennard-jones")
    assert (row["installed"], row["teacher"], row["student"], row["weights"]) == ("yes", "yes", "no", "copper")


def test_it_keeps_the_contract_and_is_fine_tuned(installed, tmp_path):
    code, out, err = python(installed, "-c", IN_PYTHON, cwd=tmp_path)
    assert code == 0, err
    force_before, energy_before, force_after, energy_after = map(float, out.split())
    assert force_after < 0.5 * force_before
    assert energy_after < 0.01 * energy_before


def test_a_run_with_it_ends(installed, tmp_path):
    content = yaml.safe_load((EXAMPLES / "toy" / "input.yaml").read_text(encoding="utf-8"))
    content["teacher"] = {"family": "lennard-jones", "model": "copper"}
    content["finetune"] |= {"max_iterations": 1, "select": {"max_frames": 4}}
    content["finetune"]["explore"][0][0] |= {"temperatures_K": [300], "steps": 20, "every": 5}
    del content["distill"]
    shutil.copy(EXAMPLES / "toy" / "Cu.cif", tmp_path)
    (tmp_path / "input.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    code, out, err = python(installed, "-m", "pfd.cli.main", "submit", "input.yaml", "run", cwd=tmp_path)
    assert code in (0, 3), out + err  # 3: one iteration is not enough to converge
    models = json.loads((tmp_path / "run" / "summary.json").read_text(encoding="utf-8"))["models"]
    before, after = (models[name]["test"]["force_rmse_meV_per_A"] for name in ("pretrained", "finetuned"))
    assert after < 0.5 * before
