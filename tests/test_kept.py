"""A file that an input names is found again among the copies that a run keeps, if there is one of that name."""

from __future__ import annotations

from pathlib import Path

import pytest

from pfd.config.reading import resolve
from pfd.errors import SettingError
from pfd.kept import here_or_kept


@pytest.fixture
def run(tmp_path):
    (tmp_path / "inputs").mkdir()
    return tmp_path


def test_one_kept_copy_is_taken_and_of_several_none_and_they_are_named(run):
    (run / "inputs" / "aaaaaaaa-label.py").write_text("1")
    assert here_or_kept(run, Path("label.py"), "finetune.label.command").name == "aaaaaaaa-label.py"
    (run / "inputs" / "bbbbbbbb-label.py").write_text("2")
    with pytest.raises(SettingError, match="2 kept ones of that name") as caught:
        here_or_kept(run, Path("label.py"), "finetune.label.command")
    assert "aaaaaaaa-label.py, bbbbbbbb-label.py" in caught.value.hint


@pytest.mark.parametrize(
    ("named", "key"),
    [({"command": "python label.py"}, "command"), ({"command": "x", "input_files": ["label.py"]}, "input_files")],
)
def test_an_input_in_a_run_folder_names_the_copies_of_its_script(run, named, key):
    for digest in ("aaaaaaaa", "bbbbbbbb"):
        (run / "inputs" / f"{digest}-label.py").write_text(digest)
    label = {"method": "command", "level": "PBE", **named}
    with pytest.raises(SettingError) as caught:
        resolve({"name": "x", "finetune": {"label": label}}, run, "input.yaml")
    line = next(line for line in str(caught.value).splitlines() if "kept ones" in line)
    assert f"finetune.label.{key}: no such file: label.py, and 2 kept ones" in line
    assert "aaaaaaaa-label.py" in line
