"""Every YAML block of the docs is a whole input, or part of one, that today's settings take."""

from __future__ import annotations

import copy
import shutil

import pytest
import yaml
from tests.conftest import lacks
from tests.docs.blocks import ROOT, fenced_blocks
from tests.docs.conftest import TOY

from pfd.config.check import check_input
from pfd.config.reading import read_input
from pfd.config.sections import Input
from pfd.errors import SettingError
from pfd.workflow.argo.prepare import check_for_argo

BLOCKS = fenced_blocks("yaml")
WHOLE = [block for block in BLOCKS if {"name", "teacher"} <= set(yaml.safe_load(block.text))]
CHECKED = {"README.md": ("chgnet", "lammps", "tblite")}
"""Page -> markers of what a check of its whole input needs. Others name what is not here: VASP, a checkpoint."""
MERGED = ("finetune", "distill")
"""Sections of which a block may give a part; others stand for themselves."""


def part_of_an_input(block):
    """A whole input with the block in its place; the keys of a labeler join the page's labeler."""
    content, given = copy.deepcopy(TOY), yaml.safe_load(block.text)
    if not set(given) & set(Input.model_fields):
        label = next(
            found["finetune"]["label"]
            for other in BLOCKS
            if other.page == block.page and "label" in (found := yaml.safe_load(other.text)).get("finetune", {})
        )
        given = {"finetune": {"label": label | given}}
    for key, value in given.items():
        content[key] = content.get(key, {}) | value if key in MERGED else value
    return content


def test_there_are_blocks():
    assert len(BLOCKS) > 20
    assert {block.page for block in WHOLE} >= {"README.md", "docs/how-vasp-slurm.md", "docs/how-deepmd-lammps.md"}


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.place)
def test_todays_settings_take_it(block, tmp_path):
    content = yaml.safe_load(block.text) if block in WHOLE else part_of_an_input(block)
    path = tmp_path / "input.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    assert read_input(path).input.name == content["name"]


@pytest.mark.parametrize("block", [each for each in WHOLE if each.page in CHECKED], ids=lambda block: block.place)
def test_a_whole_one_has_no_mistake(block, tmp_path):
    missing = [reason for name in CHECKED[block.page] if (reason := lacks(name))]
    if missing:
        pytest.skip("; ".join(missing))
    shutil.copy(ROOT / "examples" / "silicon" / "Si8.cif", tmp_path)
    path = tmp_path / "input.yaml"
    path.write_text(block.text, encoding="utf-8")
    check_input(read_input(path))


EXAMPLES = sorted(
    path.parent for path in (ROOT / "examples").glob("*/*") if path.name in {"input.yaml", "pyproject.toml"}
)


def test_every_example_stands_on_the_page_of_examples():
    page = (ROOT / "docs" / "examples.md").read_text(encoding="utf-8")
    assert [each.name for each in EXAMPLES if f"| [{each.name}](../examples/{each.name}" not in page] == []


@pytest.mark.parametrize("folder", [each for each in EXAMPLES if (each / "input.yaml").is_file()], ids=lambda f: f.name)
def test_todays_settings_take_every_example(folder):
    resolved = read_input(folder / "input.yaml")
    if folder.name == "kubernetes":
        check_for_argo(resolved)


def test_a_block_with_a_misspelt_key_is_found_out(tmp_path):
    block = next(block for block in BLOCKS if block.page == "docs/labels-espresso.md")
    content = part_of_an_input(block)
    content["finetune"]["label"]["ecutwfc"] = content["finetune"]["label"].pop("ecutwfc_Ry")
    path = tmp_path / "input.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(SettingError, match="ecutwfc_Ry"):
        read_input(path)
