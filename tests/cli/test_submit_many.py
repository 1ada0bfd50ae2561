"""Many runs from one command line: each by itself, under one cap, with one summary and the worst exit code."""

from __future__ import annotations

import copy
import json
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.cli.conftest import ENDLESS, EXAMPLE, FINETUNE, pfd, wait_for, write

from pfd.cli.many import ManyOptions, are_many
from pfd.cli.materials import materials_of_structures
from pfd.errors import RunError, SettingError
from pfd.kept import ORIGIN
from pfd.workflow.driver_lock import driver_lock, driver_of


def test_one_that_fails_does_not_stop_the_others(tmp_path):
    hot = copy.deepcopy(FINETUNE)
    hot["finetune"]["explore"][0][0] |= {"temperatures_K": [20000]}  # leaves nothing to test on
    write(tmp_path, hot | {"name": "a"}, "a.yaml")
    write(tmp_path, FINETUNE | {"name": "b"}, "b.yaml")
    options = ("--jobs", 2, "--cores", 1, "--until", "select", "--json")
    ended = pfd("submit", "a.yaml", "b.yaml", *options, cwd=tmp_path)
    assert ended.returncode == 1, ended.stderr
    summary = json.loads(ended.stdout)
    assert summary["exit_code"] == 1
    rows = {row["name"]: row for row in summary["runs"]}
    assert (rows["a"]["status"], rows["a"]["exit_code"]) == ("failed", 1)
    assert "no test frame" in rows["a"]["error"]
    assert (rows["b"]["status"], rows["b"]["exit_code"], rows["b"]["error"]) == ("paused", 0, "")
    assert "b: finetune iteration 0, explore: 3 of 3 done" in ended.stderr
    assert "TaskFailed" in (tmp_path / "a" / "driver.log").read_text(encoding="utf-8")
    cores = [path.name for path in (tmp_path / ".pfd-pool").glob("*/core-*")]
    assert cores == ["core-0000"]


def test_an_interrupt_stops_all_and_begins_no_other(tmp_path):
    for name in ("a", "b", "c"):
        write(tmp_path, ENDLESS | {"name": name}, f"{name}.yaml")
    command = [sys.executable, "-m", "pfd.cli.main", "submit", "a.yaml", "b.yaml", "c.yaml", "--jobs", "2", "--json"]
    many = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: driver_of(tmp_path / "a") and driver_of(tmp_path / "b"))
    many.send_signal(signal.SIGINT)
    said, log = many.communicate(timeout=120)
    assert many.returncode == 130
    rows = [(row["status"], row["exit_code"]) for row in json.loads(said)["runs"]]
    assert rows == [("interrupted", 130), ("interrupted", 130), ("not begun", 130)], log
    assert driver_of(tmp_path / "a") is None
    assert not (tmp_path / "c").exists()


MISTAKES = {
    "bad input": ("a.yaml", "bad.yaml"),
    "no such input": ("a.yaml", "nothing.yaml"),
    "the same run": ("a.yaml", "same.yaml"),
    "too many cores": ("a.yaml", "b.yaml", "--cores", 9999),
    "materials for two inputs": ("a.yaml", "b.yaml", "--structures", "Cu.cif"),
    "no such structure": ("a.yaml", "--structures", "nothing.cif"),
    "nothing to take over": ("a.yaml", "b.yaml", "--take-over"),
    "in the background": ("a.yaml", "bad.yaml", "--detach"),
}


@pytest.mark.parametrize("arguments", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_before_anything_is_started(tmp_path, arguments):
    for name, content in {"a": {}, "b": {}, "bad": {"seeed": 1}, "same": {"name": "a"}}.items():
        write(tmp_path, FINETUNE | {"name": name} | content, f"{name}.yaml")
    there = sorted(tmp_path.iterdir())
    ended = pfd("submit", *arguments, cwd=tmp_path)
    assert ended.returncode == 2, ended.stderr
    assert "Traceback" not in ended.stderr
    assert sorted(tmp_path.iterdir()) == there


def test_input_and_run_are_one_run_and_files_are_many(tmp_path):
    (tmp_path / "b.yaml").touch()
    (tmp_path / "b").touch()
    none = ManyOptions()
    assert not are_many([Path("a.yaml")], none)
    assert not are_many([Path("a.yaml"), tmp_path / "run"], none)
    assert not are_many([Path("run"), tmp_path], none)
    assert are_many([Path("a.yaml"), tmp_path / "b"], none)
    assert are_many([Path("a.yaml"), Path("not-there.yaml")], none)
    assert are_many([Path("a"), Path("b"), Path("c")], none)
    assert are_many([Path("a.yaml")], ManyOptions(structures=(Path("Cu.cif"),)))


@pytest.fixture
def base(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other").mkdir()
    shutil.copyfile(EXAMPLE / "Cu.cif", tmp_path / "other" / "second.cif")
    return write(tmp_path, FINETUNE)


def test_a_table_makes_a_run_of_the_input_for_each_material(base, tmp_path):
    table = tmp_path / "other" / "table.csv"
    table.write_text("name,file\none,second.cif\ntwo, ../Cu.cif\n", encoding="utf-8")
    materials = materials_of_structures([base], [table, tmp_path / "Cu.cif"])
    assert [material.name for material in materials] == ["small-one", "small-two", "small-Cu"]
    assert not (tmp_path / "small-one").exists()
    for material in materials[:2]:
        material.prepare()
    content = package_content(tmp_path / "small-two" / "input.yaml")
    assert content["name"] == "small-two"
    (entry,) = content["structures"]
    assert entry == FINETUNE["structures"][0] | {"file": str(tmp_path / "Cu.cif")}
    assert (tmp_path / "small-two" / ORIGIN).read_text().strip() == str(tmp_path)


def test_a_material_at_which_a_driver_works_keeps_its_input(base, tmp_path):
    (material,) = materials_of_structures([base], [tmp_path / "Cu.cif"])
    material.prepare()
    before = (material.run / "input.yaml").read_bytes()
    other = replace(material, content=material.content | {"seed": 99})
    with driver_lock(material.run), pytest.raises(RunError, match="another driver works on this run"):
        other.prepare()
    assert (material.run / "input.yaml").read_bytes() == before


def package_content(path):
    import yaml

    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name,path\na,Cu.cif\n", "columns name, file"),
        ("name,file\n", "no materials"),
        ("name,file\na\n", "table.csv:2: a line that is not name,file"),
        ("name,file\na,Cu.cif,more\n", "table.csv:2"),
        ("name,file\na,nothing.cif\n", "no such file"),
        ("name,file\na b,Cu.cif\n", "cannot name a folder"),
        ("", "columns name, file"),
    ],
)
def test_a_table_with_a_mistake_is_refused(base, tmp_path, text, words):
    (tmp_path / "table.csv").write_text(text, encoding="utf-8")
    with pytest.raises(SettingError) as caught:
        materials_of_structures([base], [tmp_path / "table.csv"])
    assert words in str(caught.value)


def test_two_materials_of_one_name_and_inputs_of_many_structures_are_refused(base, tmp_path):
    with pytest.raises(RunError, match="2 of these runs would stand in one folder"):
        materials_of_structures([base], [tmp_path / "Cu.cif", tmp_path / "other" / ".." / "Cu.cif"])
    two = write(tmp_path, FINETUNE | {"structures": FINETUNE["structures"] * 2}, "two.yaml")
    with pytest.raises(SettingError, match="several structures"):
        materials_of_structures([two], [tmp_path / "Cu.cif"])
