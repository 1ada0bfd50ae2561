"""Inputs in YAML, JSON and TOML are one; what was changed on the way is kept as YAML."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as some
from tests.config.test_bad_input import GOOD

from pfd.config.commented import commented_yaml
from pfd.config.given import name_given, read_given
from pfd.errors import SettingError

TOML = """
name = "bad"
[teacher]
family = "toy"
model = "soft-copper"
[[structures]]
file = "Cu.extxyz"
supercell = [2, 2, 2]
[distill]
student = {family = "toy", functions = 10}
explore = [[{method = "md", temperatures_K = [300], timestep_fs = 2.0, steps = 20, every = 10}]]
converge = {force_rmse_relative = 0.05}
max_iterations = 1
[evaluate]
test_frames = 1
speed_atoms = 0
"""


def test_three_formats_one_input(tmp_path):
    content = {key: value for key, value in GOOD.items() if key != "finetune"}
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(content))
    (tmp_path / "a.json").write_text("\t" + json.dumps(content))
    (tmp_path / "a.toml").write_text(TOML)
    read = [read_given(tmp_path / f"a.{kind}") for kind in ("yaml", "json", "toml")]
    assert all(each.content == content for each in read)
    assert read[0].text == "", "a YAML file is kept as it is"
    assert all(yaml.safe_load(each.text) == content for each in read[1:])
    assert name_given(tmp_path / "a.toml") == "bad"


MISTAKES = {
    "a.toml": ["name = 'a'\nname = 'b'", "[a", "a = ", "x = " + "[" * 4000],
    "a.json": ['{"a": 1, "a": 2}', "{", '{"a": ' + "[" * 40000, '{"a": ' + "9" * 5000 + "}"],
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in MISTAKES.items() for text in texts])
def test_what_cannot_be_read_is_one_message(name, text, tmp_path):
    (tmp_path / name).write_text(text)
    with pytest.raises(SettingError) as told:
        read_given(tmp_path / name)
    assert str(told.value).startswith(str(tmp_path / name))


@pytest.mark.parametrize("kind", ["json", "toml", "yaml"])
def test_too_many_values_are_refused(kind, tmp_path):
    sign = "=" if kind == "toml" else ":"
    many = "[" + ", ".join(["1"] * 300_000) + "]"
    text = f'{{"a": {many}}}' if kind == "json" else f"a {sign} {many}" if kind == "toml" else f"a: {many}"
    (tmp_path / f"a.{kind}").write_text(text)
    with pytest.raises(SettingError, match="more than 50000 values"):
        read_given(tmp_path / f"a.{kind}")


def test_overrides_are_marked_in_the_text(tmp_path):
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(GOOD))
    read = read_given(tmp_path / "a.yaml", ["finetune.select.max_frames=9"])
    assert "max_frames: 9  # command line" in read.text
    assert yaml.safe_load(read.text) == read.content
    assert read.content["finetune"]["select"] == {"max_frames": 9}


texts = some.text(some.characters(min_codepoint=9, max_codepoint=0x2FF), max_size=20)
plain = some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False) | texts
trees = some.dictionaries(
    texts,
    some.recursive(plain, lambda each: some.lists(each, max_size=4) | some.dictionaries(texts, each, max_size=4)),
    max_size=4,
)


@given(content=trees, comment=texts)
@settings(max_examples=200)
def test_commented_yaml_reads_as_its_content(content, comment):
    text = commented_yaml(content, dict.fromkeys([*content, *(f"{key}.0" for key in content)], comment), [comment])
    assert (yaml.safe_load(text) or {}) == content


def test_comments_stand_where_they_belong():
    content = {"name": "a", "finetune": {"explore": [[{"method": "md", "steps": 3}]]}, "structures": [{"file": "x"}]}
    comments = {"name": "short", "finetune.explore.0.0.steps": "how long", "structures.0.file": "long " * 30}
    lines = commented_yaml(content, comments, ["top"]).splitlines()
    assert lines[:2] == ["# top", "name: a  # short"]
    assert lines[3:6] == ["  explore:", "    - - method: md", "        steps: 3  # how long"]
    assert lines[6] == "structures:"
    assert lines[7].startswith("  # long long")
    assert lines[-1] == "  - file: x"
