"""A file that an input names is found again among the copies that a run keeps, if there is one of that name."""

from __future__ import annotations

from pathlib import Path

import pytest

from pfd.config.reading import resolve
from pfd.errors import SettingError
from pfd.kept import ORIGIN, here_or_kept


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


def test_a_run_that_has_kept_nothing_yet_finds_the_file_where_its_input_lay(run, tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    (home / "Cu.cif").touch()
    (run / ORIGIN).write_text(f"{home}\n")
    assert here_or_kept(run, Path("Cu.cif"), "structures.0.file") == home / "Cu.cif"
    (run / "inputs" / "aaaaaaaa-Cu.cif").touch()
    assert here_or_kept(run, Path("Cu.cif"), "structures.0.file").name == "aaaaaaaa-Cu.cif"


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
