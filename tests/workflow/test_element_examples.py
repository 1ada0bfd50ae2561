"""The examples of an alloy, an oxide, a slab and an interface, run to the end in small."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

import pfd
from pfd.report.data import read_report_data

EXAMPLES = Path(__file__).parents[2] / "examples"
SHORT = {"steps": 8, "every": 4, "equilibrate_steps": 0}
LOOSE = {"converge": {"force_rmse_relative": 0.99}, "max_iterations": 1}
pytestmark = [pytest.mark.chgnet, pytest.mark.lammps, pytest.mark.slow, pytest.mark.timeout(1200)]


def small(name, **structure):
    """An example with one structure, one temperature, short runs, few frames and a training of two steps."""
    content = yaml.safe_load((EXAMPLES / name / "input.yaml").read_text(encoding="utf-8"))
    content["structures"] = [content["structures"][0] | structure]
    for place in (content["structures"][0], content["structures"][0].get("interface", {})):
        if "file" in place:
            place["file"] = str(EXAMPLES / name / place["file"])
    for loop, frames in (("finetune", 2), ("distill", 8)):  # the student must learn all elements that it will meet
        for group in content[loop]["explore"][0]:
            group.update(SHORT, temperatures_K=group["temperatures_K"][:1])
        content[loop] |= {"select": {"max_frames": frames}, **LOOSE}
    content["finetune"]["train"] = {"steps": 2}
    content["distill"] |= {"own_md_factor": 1, "hotter": 1, "valid_fraction": 0.0}
    content["evaluate"] = {"test_frames": 1, "speed_atoms": 0, "scratch_student": False, "drift_elements": 0}
    content["resources"] = {"cores": 1}  # one process a step: starting torch costs more than its work here
    return content


def errors_of(content, tmp_path):
    """The fine-tuned model's errors at the end of a run."""
    path = tmp_path / "input.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    run = pfd.submit(path, tmp_path / "run")
    assert run.status in {"converged", "not_converged"}
    assert run.summary["labels"]["rejected"] == 0
    assert (run.path / "report.html").stat().st_size < 10_000_000
    return read_report_data(run.path).models["finetuned"].errors


def test_an_alloy_of_five_elements(tmp_path):
    content = small("alloy", supercell=[1, 1, 2])
    content["structures"][0]["alloy"] |= {"count": 2}
    content["finetune"]["explore"][0] = content["finetune"]["explore"][0][1:]  # the swaps
    content["distill"]["student"] |= {"repulsion": "none"}
    assert set(errors_of(content, tmp_path).by_element) <= {"Ag", "Au", "Cu", "Ni", "Pd"}


def test_a_slab(tmp_path):
    content = small("slab")
    content["structures"][0]["slab"] |= {"thickness_A": 8}
    errors = errors_of(content, tmp_path)
    assert "0 to 2" in errors.by_depth
    assert len(errors.by_depth) > 1


def test_an_interface(tmp_path):
    errors = errors_of(small("interface"), tmp_path)
    assert set(errors.by_element) == {"Cu", "Ni"}
    assert "0 to 2" in errors.by_depth


@pytest.mark.espresso
def test_an_oxide_on_first_principles_labels(tmp_path):
    content = small("oxide", perturb={})
    content["finetune"]["label"] |= {"ecutwfc_Ry": 20, "ecutrho_Ry": 160, "kspacing_per_A": 1.0}
    assert set(errors_of(content, tmp_path).by_element) == {"Mg", "O"}
