"""What was asked for, from the resolved inputs of real examples; nothing of machines and accounts."""

from __future__ import annotations

import pytest
import yaml
from tests.workflow.conftest import EXAMPLE

from pfd.config.reading import read_input
from pfd.report.asked import asked


def rows_of(tmp_path, *contents):
    for number, content in enumerate(contents, 1):
        text = content if isinstance(content, str) else yaml.safe_dump(content)
        (tmp_path / f"resolved-{number:03d}.yaml").write_text(text, encoding="utf-8")
    return dict(asked(tmp_path))


def resolved(name):
    tree = read_input(EXAMPLE.parent / name / "input.yaml").input
    return tree.model_dump(mode="json", by_alias=True)


def test_the_toys_in_words(tmp_path):
    rows = rows_of(tmp_path, resolved("toy"))
    assert rows == {
        "teacher": "toy soft-copper",
        "structures": "Cu.cif 2×2×2 (1 perturbed)",
        "fine-tune: explore": "md, nvt, 300, 600 K, 60 steps of 2 fs",
        "fine-tune: select": "entropy, at most 8 frames an iteration",
        "fine-tune: labels": "toy",
        "fine-tune: until": "force RMSE at most 5 % of the RMS force; at most 3 iterations",
        "distil: student": "toy, functions 10",
        "distil: explore": "md, nvt, 300, 600 K, 60 steps of 2 fs",
        "distil: select": "entropy, at most 16 frames an iteration",
        "distil: fitted to": "the teacher's labels, and those of fine-tuning, counted 3 times",
        "distil: until": "force RMSE at most 5 % of the RMS force; at most 3 iterations",
    }


@pytest.mark.parametrize("name", ["silicon", "silicon-dft", "slurm", "mace", "mattersim", "deepmd", "kubernetes"])
def test_every_example_can_be_told(tmp_path, name):
    rows = rows_of(tmp_path, resolved(name))
    assert rows["teacher"]
    assert any(key.endswith("until") for key in rows)
    text = " ".join(rows.values())
    assert "None" not in text
    assert "/" not in text
    assert "{" not in text


def test_the_newest_input_counts_and_none_is_no_error(tmp_path):
    assert asked(tmp_path) == []
    first, second = resolved("toy"), resolved("toy")
    second["teacher"] |= {"model": "/home/me/secret/m.pt", "head": "PBE"}
    assert rows_of(tmp_path, first, second)["teacher"] == "toy m.pt, head PBE"


def test_commands_paths_and_accounts_stay_out(tmp_path):
    content = resolved("toy")
    content["finetune"]["label"] = {
        "method": "vasp",
        "command": "mpirun -np 16 vasp_std",
        "potcar_dir": "/home/me/potcars",
        "kspacing_per_A": 0.25,
        "potcars": ["Si", "O"],
        "ladder": True,
        "accept": {"max_force_eV_per_A": 50.0},
    }
    content["resources"]["cluster"] = {"password": "hush"}
    rows = rows_of(tmp_path, content)
    assert rows["fine-tune: labels"] == "vasp, kspacing_per_A 0.25, potcars Si, O"
    assert "hush" not in str(rows)
