"""What the label section promises is checked before anything is paid for: cores of a command, a model that labels."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import yaml
from ase.build import bulk
from tests.config.test_bad_input import GOOD

from pfd.config.check import check_input
from pfd.config.reading import read_input
from pfd.errors import InputError, MissingError
from pfd.frames import with_origin, write_frames
from pfd.label.espresso.labeler import Espresso
from pfd.program import ranks_of


@pytest.mark.parametrize(
    ("command", "ranks"),
    [
        ("pw.x -nk 2", None),
        ("mpirun -np 4 pw.x", 4),
        ("/opt/bin/mpiexec --bind-to core -n 8 pw.x -nk 2", 8),
        ("srun -n4 pw.x", 4),
        ("srun --ntasks=6 pw.x", 6),
        ("env A=1 mpirun --np 2 pw.x", 2),
        ("mpirun -nolocal pw.x", None),
        ("srun -N 2 pw.x", None),
    ],
)
def test_ranks_of_a_command(command, ranks):
    assert ranks_of(command.split()) == ranks


@pytest.fixture
def check(tmp_path):
    """Check an input with a label section and resources."""

    def run(label, element="Cu", **resources):
        write_frames(tmp_path / "Cu.extxyz", [with_origin(bulk(element, "fcc", a=3.6, cubic=True))])
        content = copy.deepcopy(GOOD)
        content["finetune"]["label"] = label
        if element != "Cu":
            content["teacher"] = {"family": "toy", "model": str(other_teacher(tmp_path, element))}
        content["resources"] = {"cores": 8, "label": resources} if resources else {}
        path = tmp_path / "input.yaml"
        path.write_text(yaml.safe_dump(content))
        check_input(read_input(path))

    return run


def other_teacher(folder, element):
    import json

    path = folder / "other.json"
    weights = {"elements": [element], "functions": 2, "coefficients": [0.0, 0.0], "constants_eV": {}}
    path.write_text(json.dumps(weights))
    return path


def espresso(command):
    return {
        "method": "espresso",
        "command": command,
        "pseudo_dir": ".",
        "pseudopotentials": {"Cu": "Cu.upf"},
        "ecutwfc_Ry": 30,
    }


def test_ranks_that_the_engine_does_not_count_are_refused(check, monkeypatch):
    monkeypatch.setattr(Espresso, "check", lambda self, frames: None)
    monkeypatch.setattr(Espresso, "level_of_theory", lambda self: "pw.x PBE")
    monkeypatch.setattr("pfd.config.labeler_check.require_labeler", lambda labeler: None)
    with pytest.raises(InputError, match=r"starts 4 processes, and resources.label.cores is 1") as caught:
        check(espresso("mpirun -np 4 pw.x"))
    assert "finetune.label.command" in caught.value.where
    assert "cores: 4" in caught.value.hint
    check(espresso("mpirun -np 4 pw.x"), cores=4)
    check(espresso("mpirun -np 4 pw.x"), cores=8)
    check(espresso("pw.x"), cores=3)
    with pytest.raises(InputError, match="starts 4 processes"):
        check(espresso("mpirun -np 4 pw.x"), cores=6)


@pytest.mark.parametrize(
    ("label", "paths"),
    [
        (espresso("pw.x"), ["pseudo_dir"]),
        (
            {
                "method": "vasp",
                "potcar_dir": ".",
                "potcars": {"Cu": "Cu_pv"},
                "incar_file": "INCAR",
                "kpoints_file": "~/KPOINTS",
            },
            ["potcar_dir", "incar_file", "kpoints_file"],
        ),
        (
            {"method": "abacus", "pseudo_dir": ".", "pseudopotentials": {"Cu": "Cu.upf"}, "ecutwfc_Ry": 60},
            ["pseudo_dir"],
        ),
        ({"method": "cp2k", "basis_sets": {"Cu": "DZVP"}, "data_dir": "data"}, ["data_dir"]),
    ],
)
def test_paths_of_a_labeler_start_at_the_input(tmp_path, label, paths):
    content = copy.deepcopy(GOOD)
    content["finetune"]["label"] = label
    path = tmp_path / "input.yaml"
    path.write_text(yaml.safe_dump(content))
    settings = read_input(path).labeler
    for name in paths:
        given = Path(label[name]).expanduser()
        assert getattr(settings, name) == (given if given.is_absolute() else tmp_path / given)
    assert {name for name in settings.paths if getattr(settings, name) is not None} == set(paths)


@pytest.mark.parametrize("method", ["command", "ase"])
def test_files_of_a_users_program_start_at_the_input(tmp_path, method):
    own = {
        "command": {"command": "python scripts/label.py", "level": "EMT"},
        "ase": {"calculator": "emt"},
    }
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "label.py").touch()
    content = copy.deepcopy(GOOD)
    content["finetune"]["label"] = {"method": method, "input_files": ["basis.txt", "~/other.txt"], **own[method]}
    path = tmp_path / "input.yaml"
    path.write_text(yaml.safe_dump(content))
    files = read_input(path).labeler.input_files
    assert files[:2] == (tmp_path / "basis.txt", Path.home() / "other.txt")
    assert files[2:] == ((tmp_path / "scripts" / "label.py",) if method == "command" else ())


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ({}, "none is named"),
        ({"family": "toy"}, "none is named"),
        ({"family": "tyo", "model": "soft-copper"}, "tyo"),
        ({"family": "toy", "model": "nowhere.json"}, "nowhere.json"),
        ({"family": "toy", "model": "soft-copper", "head": "x"}, "no head 'x'"),
    ],
)
def test_a_model_that_cannot_label_is_refused(check, label, words):
    with pytest.raises((InputError, MissingError), match=words):
        check({"method": "family"} | label)


def test_a_model_that_can_label_is_not(check):
    check({"method": "family", "family": "toy", "model": "soft-copper"})


def test_a_model_that_does_not_know_the_elements_cannot_label(check):
    with pytest.raises(InputError, match="does not know Ag") as caught:
        check({"method": "family", "family": "toy", "model": "soft-copper"}, element="Ag")
    assert "finetune.label.model" in caught.value.where


@pytest.mark.parametrize(
    ("label", "key"),
    [
        ({"command": "python nowhere.py"}, "command"),
        ({"command": "no-such-program"}, "command"),
        ({"command": "sh", "input_files": ["nowhere.txt"]}, "input_files"),
        ({"command": "sh", "scratch_dir": "/no/such/disk"}, "scratch_dir"),
    ],
)
def test_a_mistake_of_a_labeler_stands_at_its_own_key(check, label, key):
    with pytest.raises((InputError, MissingError)) as caught:
        check({"method": "command", "level": "PBE", **label})
    assert caught.value.where.endswith(f"input.yaml: finetune.label.{key}")
    assert "finetune.label.method" not in str(caught.value)
