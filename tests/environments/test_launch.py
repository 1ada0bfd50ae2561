"""Tasks of a family start where the input, or an environment of its own, says; with this same pfd."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

import pfd
from pfd.environments import environment as environment_module
from pfd.environments.environment import RECORD_FILE, Environment
from pfd.environments.launch import HERE, EnvironmentSettings, launch_of, probe
from pfd.environments.source import source_folder
from pfd.errors import MissingError, SettingError
from pfd.models.environment import install_hint, launch_for, read_card, require_family, require_there
from pfd.models.training import make_family
from pfd.testing.toy_family import ToyFamily

EXAMPLE = Path(__file__).parents[2] / "examples" / "toy"


@pytest.fixture(autouse=True)
def _home(monkeypatch, tmp_path):
    monkeypatch.setenv("PFD_ENVIRONMENTS", str(tmp_path / "environments"))


@pytest.fixture
def interpreter(tmp_path):
    """A python of another place: it notes each start, and runs in a process of its own as some containers do."""
    path = tmp_path / "bin" / "python"
    path.parent.mkdir()
    path.write_text(f'#!/bin/sh\necho "$PYTHONPATH $3" >> {tmp_path}/started\n{sys.executable} "$@"\n')
    path.chmod(0o755)
    return path


def built(name, packages, python):
    environment = Environment(name, packages)
    environment.python.parent.mkdir(parents=True)
    environment.python.symlink_to(python)
    (environment.path / RECORD_FILE).write_text("{}")
    return environment


def test_without_packages_it_is_this_interpreter():
    assert launch_of("toy", (), ()) == HERE


def test_packages_that_are_nowhere():
    assert launch_of("x", ("x==1",), ("no_such_module",)) is None


def test_an_environment_of_its_own_comes_before_what_is_here(interpreter):
    environment = built("x", ("x==1",), interpreter)
    launch = launch_of("x", ("x==1",), ("json",))
    assert (launch.python, launch.front) == (str(environment.python), ())
    assert dict(launch.variables)["PYTHONPATH"] == str(source_folder())


def test_the_input_comes_before_both(interpreter):
    built("x", ("x==1",), sys.executable)
    assert launch_of("x", ("x==1",), ("json",), EnvironmentSettings(python=str(interpreter))).python == str(interpreter)


def test_a_relative_interpreter_is_refused():
    with pytest.raises(ValueError, match="write the whole path"):
        EnvironmentSettings(python="envs/mace/bin/python")


def test_a_module_line_and_a_container_stand_before_the_interpreter(tmp_path):
    told = EnvironmentSettings(before="export SEEN='a b'", container="env MORE=1", with_own_pfd=True)
    launch = launch_of("x", (), (), told)
    code = "import os, sys; print(os.environ['SEEN'], os.environ['MORE'], sys.argv[1])"
    said = subprocess.run(
        launch.command("-c", code, "c d"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout == "a b 1 c d\n"
    assert launch.variables == ()


def test_a_module_line_that_fails_starts_nothing():
    launch = launch_of("x", (), (), EnvironmentSettings(before="false", python=sys.executable))
    with pytest.raises(MissingError, match="does not start pfd: exit code 1"):
        probe(launch, ())


def test_an_entry_that_says_nothing_is_refused():
    with pytest.raises(ValueError, match="name python, before or container"):
        EnvironmentSettings()


def test_the_source_folder_gives_another_interpreter_this_pfd_and_its_plug_ins():
    code = (
        "import pfd, json; from pfd.plugins import plugin_names;"
        "print(json.dumps([pfd.__file__, plugin_names('pfd.families')]))"
    )
    environ = {**os.environ, "PYTHONPATH": str(source_folder())}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    place, families = json.loads(done.stdout)
    assert Path(place).resolve() == Path(pfd.__file__).resolve()
    assert "toy" in families


def test_the_source_folder_follows_links_that_were_cut():
    folder = source_folder()
    (folder / "pfd").unlink()
    assert source_folder() == folder
    assert (folder / "pfd" / "__init__.py").is_file()


@pytest.mark.parametrize("words", ["/no/such/python", "/etc/passwd"])
def test_an_interpreter_that_is_none_is_told(words):
    launch = launch_of("x", (), (), EnvironmentSettings(python=words))
    with pytest.raises(MissingError, match="no program"):
        probe(launch, ())


def test_an_interpreter_without_the_packages_is_told(monkeypatch):
    monkeypatch.setattr(ToyFamily, "modules", ("no_such_module",))
    told = {"toy": EnvironmentSettings(python=sys.executable)}
    with pytest.raises(MissingError, match=r"lacks no_such_module, which the family 'toy' needs"):
        require_there(launch_for(ToyFamily(), told), ToyFamily())


def test_a_family_that_is_nowhere_is_told_with_the_command(monkeypatch):
    monkeypatch.setattr(ToyFamily, "modules", ("no_such_module",))
    monkeypatch.setattr(ToyFamily, "packages", ("no-such==1",))
    with pytest.raises(MissingError, match="needs no_such_module") as raised:
        launch_for(ToyFamily())
    assert raised.value.hint == install_hint(ToyFamily()) == "pfd env create toy"
    built("toy", ("no-such==1",), sys.executable)
    with pytest.raises(MissingError, match="no_such_module") as raised:
        require_family(ToyFamily())
    assert "bin/python" in raised.value.hint


def test_a_card_is_read_by_another_interpreter(interpreter, tmp_path):
    launch = launch_for(make_family("toy"), {"toy": EnvironmentSettings(python=str(interpreter))})
    here = read_card(make_family("toy"), "soft-copper", None)
    assert read_card(make_family("toy"), "soft-copper", None, launch=launch) == here
    with pytest.raises(Exception, match="is no toy model") as raised:
        read_card(make_family("toy"), "nothing", None, launch=launch)
    assert raised.value.exit_code == 2


def edited(tmp_path, **sections):
    content = yaml.safe_load((EXAMPLE / "input.yaml").read_text())
    content["structures"][0]["file"] = str(EXAMPLE / "Cu.cif")
    path = tmp_path / "input.yaml"
    path.write_text(yaml.safe_dump(content | sections))
    return path


def test_a_whole_run_with_another_interpreter(interpreter, tmp_path):
    """The wrapper stays as the parent of what it starts: process ids of claims are not those of what was started."""
    path = edited(tmp_path, environments={"toy": {"python": str(interpreter)}})
    assert pfd.submit(path, tmp_path / "run").status == "converged"
    starts = (tmp_path / "started").read_text().splitlines()
    assert starts.count(f"{source_folder()} pfd.tasks") > 5
    assert {line.split()[0] for line in starts} == {str(source_folder())}
    assert pfd.submit(path, tmp_path / "run").status == "converged"
    again = (tmp_path / "started").read_text().splitlines()[len(starts) :]
    assert {line.split()[1] for line in again} == {"pfd.environments.probe"}  # nothing is run again


def test_a_whole_run_behind_what_drops_all_variables(tmp_path):
    """As some containers do: who works on a task, and which pfd runs, is said again in front of the interpreter."""
    container = f"env -i PATH={os.environ['PATH']} HOME={tmp_path}"
    path = edited(tmp_path, environments={"toy": {"container": container, "python": sys.executable}})
    assert pfd.submit(path, tmp_path / "run").status == "converged"
    claims = [json.loads(claim.read_text()) for claim in (tmp_path / "run").glob("*/*/*/*/attempts/*/claim.json")]
    elsewhere = [claim for claim in claims if claim["pid"] != os.getpid()]
    assert len(elsewhere) > 5
    assert all(claim["worker"] for claim in elsewhere)


def test_a_container_with_a_host_name_of_its_own_is_refused(tmp_path):
    fake = tmp_path / "elsewhere.py"
    fake.write_text("import json; print(json.dumps({'missing': [], 'python': '3', 'host': 'box', 'argv': 0}))")
    wrapper = tmp_path / "container"
    wrapper.write_text(f"#!/bin/sh\nexec {sys.executable} {fake}\n")
    wrapper.chmod(0o755)
    launch = launch_of("x", (), (), EnvironmentSettings(container=str(wrapper)))
    with pytest.raises(MissingError, match="a host name of its own, 'box'"):
        probe(launch, ())


def test_a_launcher_comes_after_the_modules_and_outside_of_the_container(interpreter):
    mpi = ("mpirun", "-np", "2")
    told = EnvironmentSettings(before="module load gpaw", container="apptainer exec gpaw.sif", python="python3")
    front = launch_of("gpaw", (), (), told, mpi).front
    assert front[:2] == ("bash", "-lc")
    assert front[3:] == (*mpi, "apptainer", "exec", "gpaw.sif")
    assert launch_of("toy", (), (), None, mpi).command("script") == [*mpi, sys.executable, "script"]
    built("gpaw", ("x==1",), interpreter)
    assert launch_of("gpaw", ("x==1",), ("no_such_module",), None, mpi).command()[:3] == list(mpi)


def test_an_environment_that_nothing_runs_in_is_refused(interpreter, tmp_path):
    path = edited(tmp_path, environments={"chgnet": {"python": str(interpreter)}})
    with pytest.raises(SettingError, match="no model of this input is of the family 'chgnet'") as raised:
        pfd.submit(path, tmp_path / "run")
    assert raised.value.where == f"{path}: environments.chgnet"
    path = edited(tmp_path, environments={"tyo": {"python": str(interpreter)}})
    with pytest.raises(SettingError, match="'tyo' is not one of the families"):
        pfd.submit(path, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_family_that_is_nowhere_stops_a_run_before_it_is_made(tmp_path, monkeypatch):
    monkeypatch.setattr(ToyFamily, "modules", ("no_such_module",))
    monkeypatch.setattr(ToyFamily, "packages", ("no-such==1",))
    path = edited(tmp_path)
    with pytest.raises(MissingError, match="the family 'toy' needs no_such_module") as raised:
        pfd.submit(path, tmp_path / "run")
    assert (raised.value.exit_code, raised.value.where) == (2, f"{path}: teacher.family")
    assert raised.value.hint == "pfd env create toy"
    assert not (tmp_path / "run").exists()


def test_no_core_requirement_is_an_extra():
    needs = environment_module.core_requirements()
    assert any(line.startswith("numpy") for line in needs)
    assert not any("extra" in line for line in needs)


def test_a_model_of_another_environment_is_an_ase_calculator(interpreter, tmp_path, monkeypatch):
    from ase.build import bulk

    from pfd.errors import TaskFailed
    from pfd.models.training import adopt_model

    (tmp_path / "model").mkdir()
    adopt_model(ToyFamily(), "soft-copper", None, tmp_path / "model")
    frame = bulk("Cu", cubic=True)
    frame.rattle(0.1, seed=1)
    here = frame.copy()
    here.calc = pfd.load(tmp_path / "model")
    monkeypatch.setattr(ToyFamily, "packages", ("a==1",))
    built("toy", ("a==1",), interpreter)
    frame.calc = pfd.load(tmp_path / "model")
    assert type(frame.calc).__name__ == "RemoteCalculator"
    assert frame.get_potential_energy() == here.get_potential_energy()
    np.testing.assert_array_equal(frame.get_forces(), here.get_forces())
    np.testing.assert_array_equal(frame.get_stress(), here.get_stress())
    process = frame.calc._process
    os.killpg(process.pid, signal.SIGKILL)
    frame.rattle(0.1, seed=2)
    with pytest.raises(TaskFailed, match="has ended"):
        frame.get_forces()
    frame.calc._end()
    assert process.poll() is not None
