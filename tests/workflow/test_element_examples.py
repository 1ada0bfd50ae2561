"""The examples of several elements, an oxide, an alloy and an interface, run to the end in small."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

import pfd
from pfd.report.data import read_report_data

EXAMPLES = Path(__file__).parents[2] / "examples"
SHORT = {"steps": 12, "every": 4, "equilibrate_steps": 4}
LOOSE = {"converge": {"force_rmse_relative": 0.99}, "max_iterations": 1}
pytestmark = [pytest.mark.chgnet, pytest.mark.lammps, pytest.mark.slow, pytest.mark.timeout(1200)]


def small(name, **structures):
    """An example with short runs, few frames and a training of three steps."""
    content = yaml.safe_load((EXAMPLES / name / "input.yaml").read_text(encoding="utf-8"))
    for entry in content["structures"]:
        entry.update(structures)
        for place in (entry, entry.get("interface", {})):
            if "file" in place:
                place["file"] = str(EXAMPLES / name / place["file"])
    for loop, frames in (("finetune", 6), ("distill", 8)):
        for group in content[loop]["explore"][0]:
            group.update(SHORT, temperatures_K=group["temperatures_K"][:1])
        content[loop] |= {"select": {"max_frames": frames}, **LOOSE}
    content["finetune"]["train"] = {"steps": 3}
    content["distill"] |= {"own_md_factor": 1, "hotter": 1}
    content["evaluate"] = {"test_frames": 1, "speed_atoms": 0, "scratch_student": False, "drift_elements": 0}
    return content


def end_of(content, tmp_path):
    path = tmp_path / "input.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    run = pfd.submit(path, tmp_path / "run")
    assert run.status in {"converged", "not_converged"}
    assert run.summary["labels"]["rejected"] == 0
    return read_report_data(run.path).models["finetuned"].errors


def test_an_alloy_of_five_elements(tmp_path):
    content = small("alloy", supercell=[1, 1, 2])
    content["structures"][0]["alloy"]["count"] = 2
    assert set(end_of(content, tmp_path).by_element) == {"Ag", "Au", "Cu", "Ni", "Pd"}


def test_an_interface_and_a_surface(tmp_path):
    errors = end_of(small("interface", supercell=[1, 1, 1]), tmp_path)
    assert set(errors.by_element) == {"Cu", "Ni"}
    assert "0 to 2" in errors.by_depth
    assert len(errors.by_depth) > 2


@pytest.mark.espresso
def test_an_oxide_on_first_principles_labels(tmp_path):
    content = small("oxide")
    content["structures"][0].pop("perturb")
    content["finetune"]["label"] |= {"ecutwfc_Ry": 20, "ecutrho_Ry": 160, "kspacing_per_A": 1.0}
    assert set(end_of(content, tmp_path).by_element) == {"Mg", "O"}
