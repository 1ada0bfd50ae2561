"""What a teacher does not know: told before anything is made, or right after the adoption if only its card knows."""

from __future__ import annotations

import pytest
import yaml
from ase.build import bulk

import pfd
from pfd.config import check
from pfd.config.reading import read_input
from pfd.environments.launch import HERE
from pfd.errors import ModelError, SettingError
from pfd.frames import Labels, with_labels, write_frames
from pfd.models.family import Family
from pfd.testing.toy_family import ToyFamily
from pfd.testing.toy_labeler import ToyLabeler

INPUT = {
    "name": "run",
    "teacher": {"family": "toy", "model": "soft-copper"},
    "structures": [{"file": "Cu.extxyz", "supercell": [2, 2, 2]}],
    "finetune": {
        "explore": [[{"method": "md", "temperatures_K": [300], "steps": 20}]],
        "label": {"method": "toy"},
        "converge": {"force_rmse_relative": 0.05},
    },
}
POOL = {"method": "pool", "file": "labelled.extxyz"}
PLACES = {
    "structures": {"structures": [{"file": "Al.extxyz", "supercell": [2, 2, 2]}]},
    "data.0.file": {"data": [{"file": "labelled.extxyz"}]},
    "evaluate.test_file": {"evaluate": {"test_file": "labelled.extxyz"}},
    "finetune.explore.0.0.file": {"finetune": INPUT["finetune"] | {"explore": [[POOL]]}},
}


@pytest.fixture
def aluminium(tmp_path):
    """Write an input with some sections replaced; its files hold copper or aluminium."""
    frame = bulk("Al", cubic=True)
    write_frames(tmp_path / "Cu.extxyz", [bulk("Cu", cubic=True)])
    write_frames(tmp_path / "Al.extxyz", [frame])
    write_frames(tmp_path / "labelled.extxyz", [with_labels(frame, Labels(-1.0, 0.0 * frame.positions))] * 10)

    def write(sections):
        path = tmp_path / "input.yaml"
        path.write_text(yaml.safe_dump(INPUT | sections))
        return path

    return write


@pytest.mark.parametrize("place", PLACES)
def test_of_shipped_weights_before_anything_is_made(tmp_path, monkeypatch, aluminium, place):
    """Also of a family that would have to import torch, which is not asked to adopt."""
    monkeypatch.setattr(ToyFamily, "modules", ("yaml.a_module_that_nobody_imported",))
    monkeypatch.setattr(check, "check_environments", lambda _: {"toy": HERE})
    monkeypatch.setattr(ToyFamily, "adopt", lambda *_: pytest.fail("adopted"))
    monkeypatch.setattr(ToyLabeler, "elements", ("Al", "Cu"))
    path = aluminium(PLACES[place])
    with pytest.raises(ModelError, match="does not know Al") as raised:
        pfd.submit(path, tmp_path / "run")
    assert raised.value.exit_code == 2
    assert raised.value.where == f"{path}: {place}"
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("place", PLACES)
def test_of_a_checkpoint_after_adoption_and_before_exploration(tmp_path, monkeypatch, aluminium, place):
    """As with a family that needs torch: the check leaves the teacher alone, and the labeler is content."""
    monkeypatch.setattr(ToyLabeler, "elements", ("Al", "Cu"))
    monkeypatch.setattr(check, "check_teacher", lambda *_, **__: None)
    (tmp_path / "own").mkdir()
    ToyFamily().adopt("soft-copper", None, tmp_path / "own")
    path = aluminium(PLACES[place] | {"teacher": {"family": "toy", "model": "own/toy.json"}})
    with pytest.raises(ModelError, match="does not know Al") as raised:
        pfd.submit(path, tmp_path / "run")
    assert raised.value.exit_code == 2
    assert raised.value.where == f"{path}: {place}"
    assert (tmp_path / "run" / "start" / "teacher").is_dir()
    assert not (tmp_path / "run" / "finetune").exists()


def test_a_family_that_says_nothing_is_asked_by_adoption(tmp_path, monkeypatch, aluminium):
    monkeypatch.setattr(ToyFamily, "shipped_elements", Family.shipped_elements)
    monkeypatch.setattr(ToyLabeler, "elements", ("Al", "Cu"))
    with pytest.raises(ModelError, match="does not know Al"):
        pfd.submit(aluminium(PLACES["structures"]), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_folder_of_a_model_is_no_checkpoint(tmp_path, aluminium):
    """What is in it may be one; the hint names it."""
    (tmp_path / "tuned").mkdir()
    for name in ("model.json", "weights.pt"):
        (tmp_path / "tuned" / name).write_text("{}")
    path = aluminium({"teacher": {"family": "toy", "model": "tuned"}})
    with pytest.raises(SettingError, match="is the folder of a model") as raised:
        check.check_input(read_input(path))
    assert str(tmp_path / "tuned" / "weights.pt") in str(raised.value.hint)
