"""Mistakes of an input that do not hide each other are told at once."""

from __future__ import annotations

import pytest
import yaml
from ase.build import bulk
from ase.io import write

from pfd.config.check import check_input
from pfd.config.gathered import Gathered
from pfd.config.reading import read_input
from pfd.errors import MissingError, PFDError, SettingError

INPUT = {
    "name": "run",
    "teacher": {"family": "toy", "model": "none-such"},
    "structures": [{"file": "missing.cif"}, {"file": "Al.cif"}, {"file": "lost.cif"}],
    "finetune": {
        "explore": [[{"method": "md", "temperatures_K": [300], "steps": 200}]],
        "label": {"method": "toy"},
        "converge": {"force_rmse_relative": 0.05},
    },
    "data": [{"file": "no.extxyz"}],
    "resources": {"train": {"cores": 900}},
}


def test_all_that_is_wrong_is_told_at_once(tmp_path):
    path = tmp_path / "input.yaml"
    path.write_text(yaml.safe_dump(INPUT))
    write(tmp_path / "Al.cif", bulk("Al", cubic=True))
    with pytest.raises(SettingError, match="5 mistakes") as raised:
        check_input(read_input(path))
    told = str(raised.value)
    keys = ("teacher.model", "structures.0.file", "structures.2.file", "resources.train.cores", "data.0.file")
    assert [line.split(":")[0].strip() for line in told.splitlines()[1::2]] == list(keys)
    assert told.count(str(path)) == 1
    assert told.count("Try: ") == 5


def test_what_needs_the_files_is_told_at_once_too(tmp_path):
    path = tmp_path / "input.yaml"
    write(tmp_path / "Al.cif", bulk("Al", cubic=True))
    dynamics = {"method": "md", "temperatures_K": [300, 600], "steps": 200}
    content = INPUT | {"structures": [{"file": "Al.cif"}], "data": [], "resources": {}}
    content["teacher"] = {"family": "toy", "model": "soft-copper"}
    content["finetune"] = INPUT["finetune"] | {"explore": [[dynamics]], "select": {"max_frames": 1}}
    content["evaluate"] = {"properties": [{"kind": "equation_of_state", "structure": "Ni.cif"}]}
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(PFDError) as raised:
        check_input(read_input(path))
    told = str(raised.value)
    assert "finetune.select.max_frames: 1 frame for the 2 conditions" in told
    assert "evaluate.properties.0" in told
    assert "finetune.label.method: the labeler 'toy' does not know Al" in told


def test_one_mistake_stays_what_it_is_and_others_are_not_caught():
    mistakes = Gathered("input.yaml")
    for _ in range(2):
        with mistakes:
            raise MissingError("not installed", where="input.yaml: teacher.family")
    with pytest.raises(MissingError, match="not installed"):
        mistakes.end()
    with pytest.raises(KeyError), mistakes:
        raise KeyError("a defect")
    Gathered("input.yaml").end()
