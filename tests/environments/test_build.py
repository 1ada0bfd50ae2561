"""Environments are built from wheels, told apart by what is in them, resumed, and removed; real pip, no network."""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
import zipfile

import pytest

from pfd.environments import environment as environment_module
from pfd.environments.build import Source, create, download, remove
from pfd.environments.environment import LOG_FILE, RECORD_FILE, Environment, outdated
from pfd.errors import MissingError, RunError, TaskFailed


@pytest.fixture(autouse=True)
def _home(request, monkeypatch, tmp_path):
    if request.node.get_closest_marker("environment"):
        return
    monkeypatch.setenv("PFD_ENVIRONMENTS", str(tmp_path / "environments"))
    monkeypatch.setattr(environment_module, "core_requirements", lambda: ())


@pytest.fixture
def wheelhouse(tmp_path):
    """A folder with one wheel: the package ``tiny``, of one empty module."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    with zipfile.ZipFile(folder / "tiny-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny.py", "")
        wheel.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        wheel.writestr(
            "tiny-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        wheel.writestr("tiny-1.0.dist-info/RECORD", "tiny.py,,\ntiny-1.0.dist-info/METADATA,,\n")
    return Source(folder)


TINY = ("tiny", ("tiny==1.0",))


def silent(_line):
    pass


def test_it_is_built_from_a_wheelhouse_and_then_has_the_module(wheelhouse):
    environment = Environment(*TINY)
    assert environment.state() == "absent"
    said = []
    create(environment, ("tiny",), wheelhouse, said.append)
    assert environment.state() == "built"
    assert environment.record()["installed"] == ["tiny==1.0"]
    assert any("tiny" in line for line in said)
    assert subprocess.run([environment.python, "-c", "import tiny"], check=False).returncode == 0


def test_what_was_interrupted_is_gone_on_with(wheelhouse):
    environment = Environment(*TINY)
    create(environment, ("tiny",), wheelhouse, silent)
    (environment.path / RECORD_FILE).unlink()  # a build that was killed has not written it
    assert environment.state() == "unfinished"
    inode = environment.python.lstat().st_ino
    create(environment, ("tiny",), wheelhouse, silent)
    assert environment.state() == "built"
    assert environment.python.lstat().st_ino == inode


def test_a_half_made_interpreter_is_made_anew(wheelhouse):
    environment = Environment(*TINY)
    environment.python.parent.mkdir(parents=True)
    environment.python.symlink_to("/no/such/python")
    assert environment.state() == "unfinished"
    create(environment, ("tiny",), wheelhouse, silent)
    assert environment.state() == "built"


def test_a_package_that_is_not_there_is_told_with_the_log(wheelhouse):
    environment = Environment("other", ("not-there==2.0",))
    with pytest.raises(TaskFailed, match="No matching distribution found for not-there") as raised:
        create(environment, ("not_there",), wheelhouse, silent)
    assert str(environment.path / LOG_FILE) in raised.value.hint
    assert environment.state() == "unfinished"


def test_a_package_without_the_module_does_not_count_as_built(wheelhouse):
    environment = Environment(*TINY)
    with pytest.raises(TaskFailed, match="huge cannot be found"):
        create(environment, ("huge",), wheelhouse, silent)
    assert environment.state() == "unfinished"


def test_no_wheelhouse(tmp_path):
    with pytest.raises(MissingError, match="no such folder") as raised:
        create(Environment(*TINY), ("tiny",), Source(tmp_path / "nowhere"), silent)
    assert "pfd env wheels tiny" in raised.value.hint
    assert Environment(*TINY).state() == "absent"


def test_two_at_once_are_refused(wheelhouse):
    environment = Environment(*TINY)
    environment.path.parent.mkdir(parents=True)
    with environment.path.with_name(f".{environment.path.name}.lock").open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        with pytest.raises(RunError, match="another process"):
            create(environment, ("tiny",), wheelhouse, silent)
        with pytest.raises(RunError, match="another process"):
            remove(environment.path)


def test_other_requirements_make_another_one_and_the_old_is_no_longer_used(wheelhouse):
    old, new = Environment(*TINY), Environment("tiny", ("tiny>=1.0",))
    assert old.path != new.path
    create(old, ("tiny",), wheelhouse, silent)
    assert outdated([new]) == [old.path]
    assert outdated([old]) == []
    remove(old.path)
    assert old.state() == "absent"
    assert outdated([new]) == []


def test_only_what_we_built_is_called_old(wheelhouse, tmp_path):
    (tmp_path / "environments" / "my-conda-env" / "bin").mkdir(parents=True)
    create(Environment(*TINY), ("tiny",), wheelhouse, silent)
    assert outdated([]) == [Environment(*TINY).path]


def test_anew_where_there_is_nothing_yet_and_where_there_is(wheelhouse):
    environment = Environment(*TINY)
    create(environment, ("tiny",), wheelhouse, silent, anew=True)
    (environment.path / "left").touch()
    create(environment, ("tiny",), wheelhouse, silent, anew=True)
    assert environment.state() == "built"
    assert not (environment.path / "left").exists()


def test_wheels_for_a_machine_without_a_network(wheelhouse, tmp_path):
    folder = tmp_path / "carried"
    folder.mkdir()
    download(Environment(*TINY), folder, wheelhouse, silent)
    assert [path.name for path in folder.iterdir()] == ["tiny-1.0-py3-none-any.whl"]
    assert Environment(*TINY).state() == "absent"
    create(Environment(*TINY), ("tiny",), Source(folder), silent)
    assert Environment(*TINY).state() == "built"


def test_another_python_makes_another_one(monkeypatch):
    here = Environment(*TINY).path
    monkeypatch.setattr(sys, "version_info", (3, 99, 0))
    assert Environment(*TINY).path != here


def test_doctor_finds_an_environment_that_was_broken(wheelhouse, monkeypatch, capsys):
    """Without pydantic no pfd starts: the build that was complete yesterday counts for nothing."""
    from pfd.cli.doctor import examine
    from pfd.models.environment import environment_of
    from pfd.testing.toy_family import ToyFamily

    monkeypatch.setattr(ToyFamily, "packages", ("tiny==1.0",))
    create(environment_of(ToyFamily()), ("tiny",), wheelhouse, silent)
    assert examine(["toy"], as_json=False) == 1
    said = capsys.readouterr().out
    assert "BROKEN" in said
    assert "for toy: pfd env create toy --anew" in said


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.environment(name)) for name in ("deepmd", "mace", "mattersim", "nep", "ace")],
)
def test_the_families_own_environments_pass(name, capsys):
    from pfd.cli.doctor import examine

    assert examine([name], as_json=True) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["state"] == "PASS"
    assert set(row["what"].replace(",", "").split()) >= {"import", "predict", "train"}
