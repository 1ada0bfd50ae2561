"""Keys that the command line sets, and how mistakes in them are told."""

from __future__ import annotations

import pytest
import yaml
from tests.config.test_bad_input import GOOD, MD

from pfd.config.overrides import is_override, with_overrides
from pfd.config.reading import read_input
from pfd.errors import SettingError

CONTENT = {
    "name": "a",
    "finetune": {"explore": [[{"steps": 1}, {"steps": 2}]], "select": {"max_frames": 3}, "train": None},
}


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "input.yaml"
    file.write_text(yaml.safe_dump(GOOD))
    return file


def test_values_are_read_as_yaml():
    words = ["seed=3", "finetune.select.max_frames=40", "finetune.explore.0.1.steps=7", "name='12'", "data=[{file: x}]"]
    content, keys = with_overrides(CONTENT, words)
    assert content["seed"] == 3
    assert content["finetune"]["select"] == {"max_frames": 40}
    assert [group["steps"] for group in content["finetune"]["explore"][0]] == [1, 7]
    assert content["name"] == "12"
    assert content["data"] == [{"file": "x"}]
    assert keys == ("seed", "finetune.select.max_frames", "finetune.explore.0.1.steps", "name", "data")
    assert CONTENT["finetune"]["select"] == {"max_frames": 3}, "the content that was given stays as it is"


def test_sections_are_made_and_the_last_word_counts():
    content, keys = with_overrides(
        CONTENT, ["distill.student.family=pod", "finetune.train.epochs=3", "seed=1", "seed=2"]
    )
    assert content["distill"] == {"student": {"family": "pod"}}
    assert content["finetune"]["train"] == {"epochs": 3}
    assert content["seed"] == 2
    assert keys[:2] == ("distill", "finetune.train.epochs")


@pytest.mark.parametrize("written", [MD, [MD], [[MD]]])
def test_the_short_forms_of_explore_take_both_indices(written):
    content, _ = with_overrides({"finetune": {"explore": written}}, ["finetune.explore.0.0.steps=100"])
    assert content["finetune"]["explore"] == [[MD | {"steps": 100}]]


def test_a_group_alone_takes_none():
    content, _ = with_overrides({"finetune": {"explore": MD}}, ["finetune.explore.steps=100"])
    assert content["finetune"]["explore"] == MD | {"steps": 100}


WRONG = {
    "seed": "sets no key",
    "name.first=x": "name is no section",
    "finetune.explore.0.5.steps=3": "has no entry '5': it has 2 entries",
    "finetune.explore.0.x.steps=3": "has no entry 'x'",
    "seed=[1": "is no value",
    "seed=*a": "is no value",
    "seed=!!python/name:os.system ''": "is no value",
    "seed={a: 1, a: 2}": "twice",
    "seed=" + "[" * 3000: "is no value",
}


@pytest.mark.parametrize("word", WRONG)
def test_what_sets_nothing_is_refused(word):
    with pytest.raises(SettingError) as told:
        with_overrides(CONTENT, [word])
    assert WRONG[word] in str(told.value)
    assert str(told.value).startswith("command line")


@pytest.mark.parametrize("word", ["a/b=c", "./a=b", "=3", "run", "3=4", ""])
def test_paths_are_no_settings(word):
    assert not is_override(word)


def test_a_mistake_of_the_command_line_names_it_as_its_place(path):
    with pytest.raises(SettingError) as told:
        read_input(path, ["finetune.selct.max_frames=3"])
    assert str(told.value).startswith("command line: finetune.selct: unknown key; did you mean 'select'?")
    with pytest.raises(SettingError) as told:
        read_input(path, ["finetune.select.max_frames=none"])
    assert str(told.value).startswith("command line: finetune.select.max_frames: an integer is needed (found 'none')")


def test_mistakes_of_file_and_command_line_are_told_apart(path):
    path.write_text(yaml.safe_dump(GOOD | {"sed": 1}))
    with pytest.raises(SettingError) as told:
        read_input(path, ["seed=-1"])
    assert "\n  command line: seed: must be greater" in str(told.value)
    assert "\n  sed: unknown key" in str(told.value)


def test_later_checks_name_the_command_line_too(path):
    resolved = read_input(path, ["structures.0.file=nowhere.cif"])
    assert resolved.place("structures.0.file") == "command line: structures.0.file"
    assert resolved.place("structures.0.supercell").startswith(str(path))
