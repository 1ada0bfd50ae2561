"""Every YAML block of the docs, and every section within a sentence, is an input or part of one that settings take."""

from __future__ import annotations

import copy
import re
import shutil

import pytest
import yaml
from ase.spacegroup import crystal
from tests.conftest import lacks
from tests.docs.blocks import PAGES, ROOT, Block, fenced_blocks, name_of
from tests.docs.conftest import TOY
from tests.docs.test_keys import PLACES, WRITTEN
from tests.label.conftest import write_potcar

from pfd.config.check import check_input
from pfd.config.reading import read_input
from pfd.config.sections import Input
from pfd.errors import InputError, SettingError
from pfd.workflow.argo.prepare import check_for_argo

BLOCKS = fenced_blocks("yaml")
WHOLE = [block for block in BLOCKS if {"name", "teacher"} <= set(yaml.safe_load(block.text))]
CHECKED = {"README.md": ("chgnet", "lammps", "tblite")}
"""Page -> markers of what a check of its whole input needs. Others name what is not here: VASP, a checkpoint."""
MERGED = ("finetune", "distill")
"""Sections of which a block may give a part; others stand for themselves."""


def sections_in_sentences():
    """Whole sections of an input that a sentence names; those with an ellipsis, or a teacher that is not named, not."""
    for path in PLACES:
        text = path.read_text(encoding="utf-8")
        for match in WRITTEN.finditer(text):
            found = yaml.safe_load(match[1])
            whole = isinstance(found, dict) and set(found) <= set(Input.model_fields) and "..." not in match[1]
            if whole and "family" in found.get("teacher", {"family": ""}):
                yield Block(name_of(path), text[: match.start()].count("\n") + 1, "yaml", match[1])


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


@pytest.mark.parametrize("block", [*BLOCKS, *sections_in_sentences()], ids=lambda block: block.place)
def test_todays_settings_take_it(block, tmp_path):
    content = yaml.safe_load(block.text) if block in WHOLE else part_of_an_input(block)
    path = tmp_path / "input.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    assert read_input(path).input.name == content["name"]


def test_no_section_of_an_input_stands_in_a_block_that_nobody_reads():
    for path in PAGES:
        text = re.sub(r"^( *)```.*?^\1```$", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
        for key in re.findall(r"^ {4,}(\w+):(?: *[{\[].*)?(?: *#.*)?$", text, re.MULTILINE):
            assert key not in Input.model_fields, f"{name_of(path)}: make the block with {key} one of yaml (```yaml)"


@pytest.mark.parametrize("block", [each for each in WHOLE if each.page in CHECKED], ids=lambda block: block.place)
def test_a_whole_one_has_no_mistake(block, tmp_path):
    missing = [reason for name in CHECKED[block.page] if (reason := lacks(name))]
    if missing:
        pytest.skip("; ".join(missing))
    shutil.copy(ROOT / "examples" / "silicon" / "Si8.cif", tmp_path)
    path = tmp_path / "input.yaml"
    path.write_text(block.text, encoding="utf-8")
    check_input(read_input(path))


def test_the_one_for_vasp_has_no_mistake_where_its_potcars_are(tmp_path):
    """Its queue is looked at by the tests of Slurm, and VASP is nobody's here."""
    block = next(each for each in WHOLE if each.page == "docs/how-vasp-slurm.md")
    anatase = crystal(
        ["Ti", "O"], [(0, 0, 0), (0, 0, 0.208)], spacegroup=141, cellpar=[3.785, 3.785, 9.514, 90, 90, 90]
    )
    anatase.write(tmp_path / "TiO2.cif")
    write_potcar(tmp_path, "Ti", "Ti_pv", 10.0)
    write_potcar(tmp_path, "O", "O", 6.0)
    content = yaml.safe_load(block.text)
    del content["resources"]
    content["finetune"]["label"] |= {"potcar_dir": str(tmp_path), "command": "true"}
    path = tmp_path / "input.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    check_input(read_input(path))
    content["finetune"]["label"]["potcars"] = ["Ti"]
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(InputError, match="no POTCAR for O"):
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
