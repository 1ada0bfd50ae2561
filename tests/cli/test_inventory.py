"""``pfd doctor`` and ``pfd models`` where something is missing or broken, and what a model says of itself."""

from __future__ import annotations

import json

import pytest

from pfd.cli import doctor, inventory
from pfd.errors import ModelError, SettingError
from pfd.models.chgnet import CHGNet
from pfd.models.environment import install_hint
from pfd.testing.toy_family import ToyFamily


@pytest.fixture(autouse=True)
def no_environments(monkeypatch, tmp_path):
    monkeypatch.setenv("PFD_ENVIRONMENTS", str(tmp_path / "environments"))


@pytest.fixture
def no_chgnet(monkeypatch):
    monkeypatch.setattr(CHGNet, "modules", ("no_such_package_at_all",))
    monkeypatch.setenv("COLUMNS", "60")
    return f"for chgnet: {install_hint(CHGNet())}\n"


def test_models_tell_the_command_on_one_line(no_chgnet, capsys):
    inventory.show_models(as_json=False)
    assert no_chgnet in capsys.readouterr().out


def test_doctor_tells_what_is_missing_and_the_command_on_one_line(no_chgnet, capsys):
    assert doctor.examine(["chgnet", "toy"], as_json=False) == 0
    said = capsys.readouterr().out
    assert no_chgnet in said
    assert "MISSING" in said
    assert "PASS" in said


def test_doctor_finds_a_broken_family_in_its_own_process(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "_self_test", lambda *_: {"error": "ImportError: libtorch.so is torn"})
    assert doctor.examine(["toy"], as_json=True) == 1
    row, labeler = json.loads(capsys.readouterr().out)
    assert labeler["state"] == "FOUND"
    assert (row["state"], row["what"]) == ("BROKEN", "ImportError: libtorch.so is torn")


def test_doctor_refuses_a_name_that_is_nothing():
    with pytest.raises(SettingError, match="'toyy' is not one of the families"):
        doctor.examine(["toyy"], as_json=False)


def test_a_card_is_read_from_weights_and_from_a_model_folder(tmp_path, capsys):
    from pfd.models.training import adopt_model

    inventory.show_card("toy", "soft-copper", None, trust_file=False, as_json=False)
    first = capsys.readouterr().out
    assert "Cu" in first
    assert "cutoff           5.5 Å" in first
    (tmp_path / "model").mkdir()
    adopt_model(ToyFamily(), "soft-copper", None, tmp_path / "model")
    inventory.show_card("toy", str(tmp_path / "model"), None, trust_file=False, as_json=False)
    assert capsys.readouterr().out == first
    with pytest.raises(ModelError):
        inventory.show_card("toy", "no-such", None, trust_file=False, as_json=False)
