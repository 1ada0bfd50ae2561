"""``pfd doctor`` and ``pfd models`` where something is missing or broken, and what a model says of itself."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from pfd.cli import doctor, inventory
from pfd.cli.environment import show_path
from pfd.cli.main import app
from pfd.errors import ModelError, SettingError
from pfd.models.chgnet import CHGNet
from pfd.models.environment import install_hint
from pfd.testing.self_test import untestable
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
    with pytest.raises(SettingError, match="'toyy' is not one of the families and labelers") as caught:
        doctor.examine(["toyy", "gpaw"], as_json=False)
    assert "did you mean 'toy'" in caught.value.hint
    assert {"chgnet", "espresso", "gpaw"} <= set(caught.value.hint.partition("there are: ")[2].split(", "))


def test_env_tells_all_that_have_an_environment():
    with pytest.raises(SettingError, match="'foo' is not one of") as caught:
        show_path("foo")
    assert {"argo", "chgnet", "gpaw"} <= set(caught.value.hint.removeprefix("there are: ").split(", "))
    assert "toy" not in caught.value.hint


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("DPA", "deepmd"),
        ("DPA-2.4-7M", "deepmd"),
        ("DP", "deepmd"),
        ("M3GNet", "mattersim"),
        ("7net", "sevennet"),
        ("SevenNet-0", "sevennet"),
        ("MACE-MP-0", "mace"),
        ("CHGNet", "chgnet"),
        ("chgnt", "chgnet"),
    ],
)
def test_a_family_is_found_by_the_name_of_its_models(name, meant):
    with pytest.raises(SettingError) as caught:
        inventory.show_family(name, as_json=False)
    assert caught.value.hint.startswith(f"did you mean {meant!r}? there are: ")


def test_a_family_alone_lists_its_weights(capsys):
    inventory.show_family("toy", as_json=False)
    assert capsys.readouterr().out.endswith("\npfd models toy soft-copper\n")
    inventory.show_family("chgnet", as_json=True)
    (row,) = json.loads(capsys.readouterr().out)
    assert row["family"] == "chgnet"
    assert "0.3.0" in row["weights"]


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


@pytest.fixture
def input_file(tmp_path):
    """The toy input, with an environment for its family."""
    example = Path(__file__).parents[2] / "examples" / "toy"

    def write(**environment):
        shutil.copytree(example, tmp_path / "toy", dirs_exist_ok=True)
        content = yaml.safe_load((example / "input.yaml").read_text())
        path = tmp_path / "toy" / "input.yaml"
        path.write_text(yaml.safe_dump(content | {"environments": {"toy": environment}}))
        return path

    return write


def test_an_input_says_where_a_family_lives(input_file, capsys):
    there = input_file(before="export TOLD=yes", python=sys.executable)
    assert doctor.examine(["toy"], as_json=True, input_file=there) == 0
    family = json.loads(capsys.readouterr().out)[0]
    assert (family["state"], family["where"]) == ("PASS", "export TOLD=yes")
    inventory.show_models(as_json=True, input_file=there)
    rows = {row["family"]: row["installed"] for row in json.loads(capsys.readouterr().out)}
    assert rows["toy"] == "as the input says"
    inventory.show_card("toy", "soft-copper", None, trust_file=False, as_json=False, input_file=there)
    assert "Cu" in capsys.readouterr().out


def test_doctor_finds_that_what_an_input_says_is_wrong(input_file, capsys):
    nowhere = input_file(python="/nowhere/bin/python")
    assert doctor.examine(["toy"], as_json=True, input_file=nowhere) == 1
    family = json.loads(capsys.readouterr().out)[0]
    assert (family["state"], family["mend"]) == ("BROKEN", "correct environments.toy")


def test_a_family_that_has_nothing_to_begin_with_is_untested():
    class NoWeights(ToyFamily):
        shipped = ()
        FitSettings = None

    assert "ships no weights" in untestable(NoWeights())
    assert untestable(ToyFamily()) == ""


def test_doctor_tests_what_an_input_needs_and_says_what_it_tests_when_piped(input_file, capsys):
    there = input_file(python=sys.executable)
    assert doctor.examine([], as_json=True, input_file=there) == 0
    said = capsys.readouterr()
    assert {(row["kind"], row["name"]) for row in json.loads(said.out)} == {("family", "toy"), ("labeler", "toy")}
    assert "testing the family toy\ntesting the labeler toy\n" in said.err


def test_doctor_refuses_environments_of_what_an_input_does_not_use(input_file):
    path = input_file(python=sys.executable)
    content = yaml.safe_load(path.read_text())
    for name, told in (("toyy", "is not one of the families"), ("chgnet", "no model of this input is of the family")):
        path.write_text(yaml.safe_dump(content | {"environments": {name: {"python": sys.executable}}}))
        with pytest.raises(SettingError, match=told) as error:
            doctor.examine([], as_json=True, input_file=path)
        assert f"environments.{name}" in error.value.where


@pytest.mark.parametrize(
    ("arguments", "where"),
    [
        (["--head", "pbe"], "--head"),
        (["--trust-file"], "--trust-file"),
        (["toy", "soft-copper", "--trust-file"], "--trust-file"),
    ],
)
def test_options_without_effect_are_refused(arguments, where):
    ended = CliRunner().invoke(app, ["models", *arguments])
    assert isinstance(ended.exception, SettingError)
    assert ended.exception.where == where


def test_a_model_folder_says_its_head_itself(tmp_path):
    (tmp_path / "model.json").write_text("{}")
    with pytest.raises(SettingError, match="says its head itself"):
        inventory.show_card("toy", str(tmp_path), "pbe", trust_file=False, as_json=False)
