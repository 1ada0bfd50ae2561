"""The reference in docs/ is what the code says."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path

from pfd.config.reference import WIDTH, input_reference
from pfd.config.schema import input_schema

PAGE = Path(__file__).parents[2] / "docs" / "input.md"


def ours(group):
    """Names of the plug-ins of this package: others may be installed beside it."""
    return sorted(point.name for point in entry_points(group=group) if point.value.startswith("pfd."))


def test_the_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == input_reference(ours), "run: pfd schema --markdown > docs/input.md"


def test_every_key_is_in_it():
    text = input_reference(ours)
    for name, definition in input_schema(ours)["$defs"].items():
        for key, schema in definition.get("properties", {}).items():
            there = f"**`{key}`**" in text or f"`{key}`" in text
            assert there or "const" in schema or schema.get("type") == "null", f"{name}.{key}"


def test_keys_tell_type_unit_default_and_meaning():
    lines = input_reference(ours).splitlines()
    (line,) = [line for line in lines if line.startswith("- **`bandwidth_per_A`**")]
    assert line.startswith("- **`bandwidth_per_A`** (number > 0, 1/Å, default `0.015`): Width of the Gaussian kernel")
    line = next(line for line in lines if line.startswith("- **`supercell`**"))
    assert "(list of 3: integer ≥ 1, default `[1, 1, 1]`)" in line
    assert max(map(len, lines)) <= WIDTH


def test_each_method_labeler_and_family_has_its_place():
    headings = [line for line in input_reference(ours).splitlines() if line.startswith("#")]
    for name in ("rattle", "relax", "anneal", "swap", "random", "pool"):
        assert f"#### `finetune.explore` with `method: {name}`" in headings
    for name in ours("pfd.labelers"):
        assert f"#### `finetune.label` with `method: {name}`" in headings
    assert "#### `finetune.train` with `teacher.family: chgnet`" in headings
    assert "#### `distill.student` with `family: pod`" in headings
