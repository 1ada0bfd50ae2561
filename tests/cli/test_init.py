"""``pfd init``: what it writes passes the check; it asks in a terminal only, and overwrites nothing."""

from __future__ import annotations

import json
import subprocess
import sys

import jsonschema
import pytest
import yaml
from ase.build import bulk, fcc111, molecule
from typer.testing import CliRunner

from pfd.cli import init
from pfd.cli.main import app
from pfd.config.check import check_input
from pfd.config.new_input import wide_supercell
from pfd.config.reading import read_input
from pfd.errors import PFDError
from pfd.frames import write_frames

TOY = ["--family", "toy", "--label", "toy", "--student", "toy"]
TOYS = {"both": TOY, "finetune": TOY[:4], "distill": TOY[:2] + TOY[4:]}


@pytest.fixture
def here(tmp_path, monkeypatch):
    write_frames(tmp_path / "Cu.extxyz", [bulk("Cu", cubic=True)])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words, answers=None):
    """The command in this process; raises what it raises."""
    done = CliRunner().invoke(app, ["init", *words], input=answers)
    if isinstance(done.exception, PFDError):
        raise done.exception
    return done


@pytest.mark.parametrize("goal", init.GOALS)
def test_what_it_writes_passes_the_check_and_the_schema(goal, here):
    done = run("--structure", "Cu.extxyz", "--goal", goal, *TOYS[goal])
    assert "pfd check input.yaml" in done.output
    text = (here / "input.yaml").read_text(encoding="utf-8")
    assert text.startswith("# yaml-language-server: $schema=pfd.schema.json\n")
    assert "  # " in text
    resolved = read_input(here / "input.yaml")
    check_input(resolved, read_model=True)
    assert (resolved.input.finetune is not None, resolved.input.distill is not None) == (
        goal != "distill",
        goal != "finetune",
    )
    schema = json.loads((here / "pfd.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(yaml.safe_load(text))


@pytest.mark.chgnet
@pytest.mark.tblite
@pytest.mark.lammps
def test_the_defaults_pass_the_check(here):
    write_frames(here / "Si.extxyz", [bulk("Si", cubic=True)])
    run("--structure", "Si.extxyz", "--goal", "both")
    check_input(read_input(here / "input.yaml"))


def test_paths_start_at_the_file_that_is_written(here):
    (here / "below").mkdir()
    run(
        "--structure",
        "Cu.extxyz",
        "--goal",
        "distill",
        *TOYS["distill"],
        "--out",
        "below/input.yaml",
        "--temperature-K",
        "50",
    )
    tree = read_input(here / "below" / "input.yaml").input
    assert str(tree.structures[0].file) == "../Cu.extxyz"
    assert tree.distill.explore[0][0].temperatures_K == (50.0,)


def test_keys_may_be_set(here):
    run(
        "--structure",
        "Cu.extxyz",
        "--goal",
        "finetune",
        *TOYS["finetune"],
        "finetune.label.max_total=50",
        "name=copper",
    )
    content = yaml.safe_load((here / "input.yaml").read_text(encoding="utf-8"))
    assert content["finetune"]["label"] == {"method": "toy", "max_total": 50}
    assert content["name"] == "copper"


MISTAKES = {
    "nothing": ([], ["--structure FILE", "--goal finetune|distill|both"]),
    "no checkpoint": (["--structure", "Cu.extxyz", "--goal", "both", "--family", "mace"], ["--model FILE"]),
    "no structure": (["--structure", "Ag.cif", "--goal", "both"], ["no such structure file"]),
    "no structure, and no goal": (["--structure", "nope.cif"], ["nope.cif: no such structure file"]),
    "no goal": (["--structure", "Cu.extxyz", "--goal", "win"], ["'win' is no goal"]),
    "no family": (["--structure", "Cu.extxyz", "--goal", "both", "--family", "x"], ["'x' is not one of the families"]),
    "idle label": (["--structure", "Cu.extxyz", "--goal", "distill", *TOY], ["--label: without effect"]),
    "a name of no YAML": (["--structure", "Cu.extxyz", "--goal", "both", *TOY, "--out", "a.toml"], ["is YAML"]),
    "a mistake in a key": (["--structure", "Cu.extxyz", "--goal", "both", *TOY, "seed=-1"], ["seed: must be greater"]),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_message_and_nothing_is_written(name, here):
    words, expected = MISTAKES[name]
    with pytest.raises(PFDError) as told:
        run(*words)
    for text in expected:
        assert text in str(told.value)
    assert sorted(path.name for path in here.iterdir()) == ["Cu.extxyz"]


FORMS = {
    "vasp": {"potcar_dir": "path/to/potcars", "potcars": {"Cu": "Cu"}, "incar": {"ENCUT": 520}, "kspacing_per_A": 0.2},
    "espresso": {"pseudo_dir": "path/to/pseudopotentials", "pseudopotentials": {"Cu": "Cu.upf"}, "ecutwfc_Ry": 60},
    "abacus": {"pseudo_dir": "path/to/pseudopotentials", "pseudopotentials": {"Cu": "Cu.upf"}, "ecutwfc_Ry": 100},
    "cp2k": {"basis_sets": {"Cu": "DZVP-MOLOPT-SR-GTH"}},
    "gpaw": {"ecut_eV": 600},
    "ase": {"calculator": "emt"},
    "command": {"command": "python label.py", "level": "PBE"},
    "external": {"level": "CASTEP PBE 600 eV"},
    "family": {"family": "mace", "model": "path/to/model"},
}


@pytest.mark.parametrize("method", FORMS)
def test_a_labeler_that_needs_more_gets_a_form(method, here):
    done = run("--structure", "Cu.extxyz", "--goal", "finetune", "--family", "toy", "--label", method)
    assert done.exit_code == 0, done.output
    label = yaml.safe_load((here / "input.yaml").read_text(encoding="utf-8"))["finetune"]["label"]
    assert label == {"method": method} | FORMS[method]
    for key in FORMS[method]:
        assert f"finetune.label.{key}" in done.output


def test_a_form_leaves_room_for_what_was_given(here):
    given = ["finetune.label.preset=MatPES-PBE", "finetune.label.potcar_dir=/potcars"]
    run("--structure", "Cu.extxyz", "--goal", "finetune", "--family", "toy", "--label", "vasp", *given)
    label = yaml.safe_load((here / "input.yaml").read_text(encoding="utf-8"))["finetune"]["label"]
    assert label == {"method": "vasp", "preset": "MatPES-PBE", "potcar_dir": "/potcars", "potcars": {"Cu": "Cu"}}


def test_stored_labels_come_from_a_pool(here):
    done = run("--structure", "Cu.extxyz", "--goal", "finetune", "--family", "toy", "--label", "stored")
    content = yaml.safe_load((here / "input.yaml").read_text(encoding="utf-8"))
    assert content["finetune"]["explore"] == [[{"method": "pool", "file": "labelled.extxyz"}]]
    assert "complete it, for what stands there is an example: finetune.explore.0.0.file\n" in done.output


def test_nothing_is_overwritten(here):
    (here / "input.yaml").write_text("mine")
    with pytest.raises(PFDError, match="there already"):
        run("--structure", "Cu.extxyz", "--goal", "both", *TOY)
    (here / "input.yaml").unlink()
    (here / "pfd.schema.json").write_text("{}")
    with pytest.raises(PFDError, match="another version"):
        run("--structure", "Cu.extxyz", "--goal", "both", *TOY)
    assert not (here / "input.yaml").exists()
    assert (here / "pfd.schema.json").read_text() == "{}"


def test_it_asks_in_a_terminal(here, monkeypatch):
    monkeypatch.setattr(init, "_is_terminal", lambda: True)
    done = run(answers="Cu.extxyz\nboth\ntoy\ntoy\ntoy\n")
    assert done.exit_code == 0, done.output
    assert "structure file" in done.output
    tree = read_input(here / "input.yaml").input
    assert (tree.teacher.model, tree.distill.student["family"]) == ("soft-copper", "toy")


def test_it_asks_for_what_a_labeler_needs(here, monkeypatch):
    monkeypatch.setattr(init, "_is_terminal", lambda: True)
    words = ["--structure", "Cu.extxyz", "--goal", "finetune", "--family", "toy", "--label", "command"]
    assert run(*words, answers="python label.py\nPBE\n").exit_code == 0
    content = yaml.safe_load((here / "input.yaml").read_text(encoding="utf-8"))
    assert content["finetune"]["label"] == {"method": "command", "command": "python label.py", "level": "PBE"}


def test_a_supercell_is_as_wide_as_it_should_be():
    assert wide_supercell(bulk("Cu", cubic=True)) == [3, 3, 3]
    assert wide_supercell(bulk("Cu", cubic=True).repeat((4, 4, 4))) == [1, 1, 1]
    assert wide_supercell(fcc111("Cu", (1, 1, 3), vacuum=8.0))[2] == 1
    assert wide_supercell(molecule("H2O")) == [1, 1, 1]
    assert max(wide_supercell(bulk("Cu", cubic=True).repeat((1, 1, 30)))) < 4


def test_the_real_command_without_a_terminal(here):
    command = [sys.executable, "-m", "pfd.cli.main", "init"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 2
    assert "missing: --structure FILE" in done.stderr


def test_toys_go_together(here):
    run("--structure", "Cu.extxyz", "--goal", "both", "--family", "toy")
    resolved = read_input(here / "input.yaml")
    assert resolved.labeler.method == resolved.student.name == "toy"
    assert "shared out among the structures" in (here / "input.yaml").read_text(encoding="utf-8")
