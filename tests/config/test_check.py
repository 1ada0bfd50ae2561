"""What the check of an input finds in the user's sets, and which frames the student could not deal with."""

from __future__ import annotations

import copy
import signal
import sys

import ase.io
import numpy as np
import pytest
import yaml
from ase.build import bulk
from ase.constraints import FixAtoms, FixCartesian

from pfd.cli import main as cli
from pfd.cli.check import check_and_show
from pfd.config import check
from pfd.config.brought import Brought
from pfd.config.check import check_input
from pfd.config.reading import read_input
from pfd.errors import DataError, SettingError
from pfd.frames import Labels, with_labels, write_frames
from pfd.frames.outside import OutsideSet
from pfd.models.family import Family, ModelCard
from pfd.testing.toy_family import ToyFamily
from pfd.testing.toy_labeler import ToyLabeler

MD = {"method": "md", "temperatures_K": [300], "timestep_fs": 2.0, "steps": 20, "every": 10}
GOOD = {
    "name": "good",
    "teacher": {"family": "toy", "model": "soft-copper"},
    "structures": [{"file": "Cu.extxyz", "supercell": [2, 2, 2]}],
    "finetune": {
        "explore": [[MD]],
        "select": {"max_frames": 4},
        "label": {"method": "toy"},
        "converge": {"force_rmse_relative": 0.05},
    },
    "distill": {
        "student": {"family": "toy"},
        "explore": [[MD]],
        "converge": {"force_rmse_relative": 0.05},
    },
    "evaluate": {"speed_atoms": 0},
}


def labelled(symbol="Cu", forces=True, stress=False):
    frame = bulk(symbol, cubic=True)
    return with_labels(frame, Labels(-1.0, 0.0 * frame.positions if forces else None, np.zeros(6) if stress else None))


@pytest.fixture
def tree():
    return copy.deepcopy(GOOD)


@pytest.fixture
def found(tmp_path):
    """Write an input beside Cu.extxyz, and check it."""

    def look(content, structure=None):
        write_frames(tmp_path / "Cu.extxyz", [structure if structure is not None else bulk("Cu", cubic=True)])
        path = tmp_path / "input.yaml"
        path.write_text(yaml.safe_dump(content))
        return check_input(read_input(path))

    return look


@pytest.fixture
def more_elements(monkeypatch):
    """A toy teacher and a toy labeler that say they know aluminium too."""
    monkeypatch.setattr(ToyLabeler, "elements", ("Al", "Cu"))
    monkeypatch.setattr(ToyFamily, "shipped_elements", lambda self, name: ("Al", "Cu"))
    monkeypatch.setattr(check, "check_teacher", lambda *_, **__: None)


def test_each_set_is_told_with_its_labels(tmp_path, tree, found):
    write_frames(tmp_path / "set.extxyz", [labelled(), labelled(stress=True)])
    write_frames(tmp_path / "pool.extxyz", [labelled(forces=False)] * 6 + [bulk("Cu", cubic=True)] * 4)
    write_frames(tmp_path / "test.extxyz", [labelled()])
    tree["data"] = [{"file": "set.extxyz"}]
    tree["finetune"]["explore"][0].append({"method": "pool", "file": "pool.extxyz", "max_frames": 5})
    tree["evaluate"]["test_file"] = "test.extxyz"
    assert [line for each in found(tree).brought for line in each.lines()] == [
        "data.0.file (set.extxyz): 2 frames; energy in 2, forces in 2, stress in 1",
        "finetune.explore.0.1.file (pool.extxyz): 10 frames, 5 of them taken; energy in 6, forces in 0, stress in 0",
        "evaluate.test_file (test.extxyz): 1 frame; energy in 1, forces in 1, stress in 0",
        "  warning: in data, too, as they are or as symmetry copies: 1 of 1 test frame: fa8bc62035f33",
    ]


def test_what_was_left_out_is_told_with_its_reason():
    counts = {"frames": 1, "energy": 1, "forces": 1, "stress": 0}
    each = Brought("data.0.file", "OUTCAR", [labelled()], OutsideSet([labelled()], ("frame 0: unconverged",), counts))
    assert each.lines()[1:] == ["  left out: frame 0: unconverged"]
    with pytest.warns(UserWarning, match=r"data.0.file \(OUTCAR\): left out: frame 0: unconverged"):
        each.warn()


def test_the_command_prints_it(tmp_path, tree, found, monkeypatch, capsys):
    write_frames(tmp_path / "set.extxyz", [labelled()])
    tree["data"] = [{"file": "set.extxyz"}]
    found(tree)
    monkeypatch.setattr(sys, "argv", ["pfd", "check", str(tmp_path / "input.yaml")])
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as ending:
        cli.main()
    signal.signal(signal.SIGTERM, before)
    assert ending.value.code == 0
    assert capsys.readouterr().out.splitlines()[:3] == [
        "data.0.file (set.extxyz): 1 frame; energy in 1, forces in 1, stress in 0",
        f"{tmp_path / 'input.yaml'}: no mistake found",
        "run folder: good (new)",
    ]


def test_an_element_that_the_student_never_sees_is_refused_in_the_test_file(tmp_path, tree, found, more_elements):
    write_frames(tmp_path / "test.extxyz", [labelled("Al")])
    tree["evaluate"]["test_file"] = "test.extxyz"
    with pytest.raises(DataError, match="the student will not know Al") as raised:
        found(tree)
    assert raised.value.where.endswith("evaluate.test_file")
    ase.io.write(tmp_path / "Al.extxyz", bulk("Al", cubic=True))
    tree["structures"].append({"file": "Al.extxyz", "supercell": [2, 2, 2]})
    assert len(found(tree).brought) == 1
    for loop in ("finetune", "distill"):  # a structure that no group uses is never seen
        tree[loop]["explore"][0][0]["structures"] = [0]
    with pytest.raises(DataError, match="the student will not know Al"):
        found(tree)
    del tree["distill"]
    assert len(found(tree).brought) == 1


def test_partly_fixed_atoms_are_refused_for_a_student_in_lammps(tree, found, monkeypatch):
    structure = bulk("Cu", cubic=True)
    structure.set_constraint(FixCartesian(0, mask=[True, False, False]))
    tree["structures"] = [{"file": "Cu.extxyz"}]
    assert found(tree, structure).brought == []
    in_lammps(monkeypatch)
    with pytest.raises(DataError, match=r"FixCartesian in frame f.*LAMMPS") as raised:
        found(tree, structure)
    assert raised.value.where.endswith("distill.explore")
    structure.set_constraint(FixAtoms([0]))
    assert found(tree, structure).brought == []


def test_isotopes_are_refused_for_a_student_in_lammps(tmp_path, tree, found, monkeypatch):
    structure = bulk("Cu", cubic=True)
    structure.set_masses([63.0, 65.0, 63.0, 63.0])
    assert found(tree, structure).brought == []
    isotopes = labelled()
    isotopes.set_masses([63.0, 65.0, 63.0, 63.0])
    write_frames(tmp_path / "test.extxyz", [isotopes])
    in_lammps(monkeypatch)
    with pytest.raises(DataError, match=r"atoms of Cu in frame f.* have different masses"):
        found(tree, structure)
    structure.set_masses([63.0] * 4)
    assert found(tree, structure).brought == []
    tree["evaluate"]["test_file"] = "test.extxyz"
    with pytest.raises(DataError, match="have different masses"):
        found(tree, structure)


def in_lammps(monkeypatch):
    """Let the student's family be one whose MD is done by LAMMPS; the teacher is a family of its own."""

    class InLammps(ToyFamily):
        def lammps_potential(self, folder):
            raise NotImplementedError

    read = sys.modules["pfd.config.reading"]
    load = read.load_plugin
    monkeypatch.setattr(
        read, "load_plugin", lambda group, name, key: InLammps if key.startswith("distill") else load(group, name, key)
    )
    assert InLammps.lammps_potential is not Family.lammps_potential


@pytest.mark.parametrize("extra", [0, 1])
def test_the_smallest_budgets_that_work_do(tree, found, extra):
    group = tree["finetune"]["explore"][0][0]
    group |= {"temperatures_K": [300, 400, 500]}
    tree["finetune"]["select"]["max_frames"] = 3
    tree["finetune"]["label"]["max_total"] = 3 * 2 + 3 - 1 + extra
    tree["evaluate"]["test_frames"] = 2
    if extra:
        assert found(tree).brought == []
    else:
        with pytest.raises(SettingError, match="8 labels for 6 test frames") as raised:
            found(tree)
        assert raised.value.hint.startswith("9 is the smallest that works")


def test_distillation_is_not_judged_on_what_it_selects(tree, found):
    tree["distill"]["explore"][0][0] |= {"temperatures_K": [300, 400, 500]}
    tree["distill"]["select"] = {"max_frames": 1}
    assert found(tree).brought == []


def test_defaults_may_be_written_out(tmp_path, tree, found):
    """As in the resolved input that a run writes."""
    path = tmp_path / "resolved.yaml"
    found(tree)
    resolved = read_input(tmp_path / "input.yaml").input
    path.write_text(yaml.safe_dump(resolved.model_dump(mode="json", by_alias=True, exclude_none=True)))
    assert check_input(read_input(path)).brought == []


@pytest.mark.parametrize(
    ("model", "labels", "told"),
    [("PBE+D3", "my PBE", "no D3"), ("PBE", "my PBE, kspacing 0.2/Å", "a shift for each element")],
)
def test_the_levels_of_theory_are_compared_before_money_is_spent(
    tree, found, monkeypatch, tmp_path, capsys, model, labels, told
):
    monkeypatch.setattr(ToyLabeler, "level_of_theory", lambda self: labels)
    card = ModelCard(family="toy", name="soft-copper", level_of_theory=model)
    monkeypatch.setattr(check, "check_teacher", lambda *_, **__: card)
    checked = found(tree)
    assert told in checked.theory.words
    check_and_show(tmp_path / "input.yaml")
    assert f"level of theory: {checked.theory.words}" in capsys.readouterr().out


def test_dispersion_that_is_counted_twice_is_refused(tree, found, monkeypatch):
    monkeypatch.setattr(ToyLabeler, "level_of_theory", lambda self: "VASP optB88-vdW+D3")
    with pytest.raises(SettingError, match="dispersion is counted twice: D3 and nonlocal") as caught:
        found(tree)
    assert caught.value.where.endswith("finetune.label")
