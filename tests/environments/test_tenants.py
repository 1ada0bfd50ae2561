"""``pfd env`` knows labelers that live in environments of their own, beside families."""

from __future__ import annotations

import json

import pytest

from pfd.cli import doctor
from pfd.cli.environment import create_environment, remove_environment, show_environments, show_path
from pfd.environments.environment import LOG_FILE, RECORD_FILE, Environment
from pfd.errors import MissingError, SettingError
from pfd.label.gpaw.labeler import GPAW


@pytest.fixture(autouse=True)
def _home(monkeypatch, tmp_path):
    monkeypatch.setenv("PFD_ENVIRONMENTS", str(tmp_path / "environments"))


@pytest.fixture
def built(tmp_path):
    environment = Environment(GPAW.name, GPAW.packages)
    environment.python.parent.mkdir(parents=True)
    environment.python.touch()
    (environment.path / LOG_FILE).touch()
    (environment.path / RECORD_FILE).write_text("{}")
    return environment


def listed(capsys):
    show_environments(as_json=True)
    return json.loads(capsys.readouterr().out)


def test_labelers_with_packages_are_listed_beside_families(capsys):
    found = listed(capsys)
    (row,) = found["labelers"]
    assert (row["labeler"], row["state"]) == ("gpaw", "absent")
    assert row["packages"] == " ".join(GPAW.packages)
    assert {"chgnet", "toy"} <= {row["family"] for row in found["families"]}
    (row,) = found["engines"]
    assert (row["engine"], row["state"], row["packages"]) == ("argo", "absent", "pydflow==1.8.134")
    show_environments(as_json=False)
    assert "gpaw" in capsys.readouterr().out


def test_one_that_is_built_is_found_and_can_be_removed(built, capsys):
    found = listed(capsys)
    assert found["labelers"][0]["state"] == "built"
    assert found["outdated"] == []
    show_path("gpaw")
    assert capsys.readouterr().out.strip() == str(built.path)
    create_environment("gpaw", None, None, anew=False)
    assert "is there already" in capsys.readouterr().out
    assert doctor.examine(["gpaw"], as_json=True) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["state"], row["where"]) == ("FOUND", str(built.path))
    remove_environment("gpaw")
    assert not built.path.exists()


def test_one_that_is_nowhere_is_told_with_the_command(capsys):
    with pytest.raises(MissingError, match="is absent") as caught:
        show_path("gpaw")
    assert caught.value.hint == "pfd env create gpaw"
    doctor.examine(["gpaw"], as_json=True)
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["state"], row["what"]) == ("MISSING", "gpaw")
    assert "pfd env create gpaw" in row["mend"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("tblite", "the labeler 'tblite' needs no packages"),
        ("toy", "the family 'toy' needs no packages"),
        ("gpwa", "'gpwa' is not one of the families"),
    ],
)
def test_a_name_without_an_environment_is_refused(name, words):
    with pytest.raises(SettingError, match=words):
        create_environment(name, None, None, anew=False)
