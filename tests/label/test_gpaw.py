"""GPAW's keywords, ladder and level of theory, with a stand-in for the package; the real one is in test_gpaw_real."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk, fcc111, molecule
from pydantic import ValidationError

from pfd.config.check import check_input
from pfd.config.reading import read_input
from pfd.errors import InputError, LabelRejected, MissingError, SettingError
from pfd.frames import with_origin, write_frames
from pfd.label.gpaw.labeler import GPAW
from pfd.label.judge import label_frame, record_label


@pytest.fixture
def package(tmp_path, monkeypatch):
    """The stand-in as a package ``gpaw`` with setups, and an interpreter that has it; ``gpaw`` is nowhere else."""
    folder = tmp_path / "package" / "gpaw"
    folder.mkdir(parents=True)
    shutil.copy(Path(__file__).with_name("stand_in_gpaw.py"), folder / "__init__.py")
    (folder / "xc.py").write_text(
        "class XC:\n    def __init__(self, name):\n        self.name = name\n"
        "        if name not in {'PBE', 'LDA'}:\n            raise NameError('Unable to use ' + name)\n"
        "    def get_setup_name(self):\n        return self.name\n"
    )
    (folder / "setups").mkdir()
    for name in ("Cu.PBE.gz", "Al.PBE", "Mg.PBE.gz", "Mg.2.PBE.gz", "O.PBE", "H.PBE", "O.revPBE", "O.pz.PBE.basis"):
        (folder / "setups" / name).write_text(name)
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={folder.parent} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    monkeypatch.setenv("PFD_ENVIRONMENTS", str(tmp_path / "environments"))
    return folder


@pytest.fixture
def gpaw(package, tmp_path):
    def make(mode="", **settings):
        (package / "mode").write_text(mode)
        given = {"method": "gpaw", "ecut_eV": 400, "environment": {"python": str(tmp_path / "python")}} | settings
        return GPAW(GPAW.Settings.model_validate(given))

    return make


def copper():
    frame = bulk("Cu", cubic=True)
    frame.rattle(0.05, seed=1)
    return frame


def keywords_of(package):
    return [json.loads(line) for line in (package / "keywords").read_text().splitlines()]


def test_a_good_run_is_a_label(gpaw, package, tmp_path):
    labeler, frame = gpaw(), copper()
    labeler.check([frame])
    record, labels = record_label(labeler, frame, tmp_path / "scratch")
    assert labels.energy == pytest.approx(record.extra["energy_sigma0_eV"] - 0.1)
    assert (record.scf_steps, record.max_scf_steps, record.notes) == (9, 100, {})
    assert (tmp_path / "scratch" / "try-1" / "gpaw.txt").read_text() == "the log\n"
    (given,) = keywords_of(package)
    assert given["mode"] == {"name": "pw", "ecut": 400.0}
    assert given["xc"] == "PBE"
    assert given["kpts"] == {"size": [9, 9, 9], "gamma": True}
    assert given["occupations"] == {"name": "fermi-dirac", "width": 0.1}
    assert given["maxiter"] == 100
    assert "mixer" not in given
    assert "setups" not in given


def test_the_ladder_changes_no_physics_and_is_recorded(gpaw, package, tmp_path):
    outcome = gpaw("third").run(copper(), tmp_path / "scratch")
    tries = keywords_of(package)
    aids = {"maxiter", "mixer", "eigensolver"}
    physics = [{key: value for key, value in given.items() if key not in aids} for given in tries]
    assert physics[0] == physics[1] == physics[2]
    assert [given["maxiter"] for given in tries] == [100, 200, 400]
    assert [given.get("mixer", {}).get("beta") for given in tries] == [None, 0.02, 0.02]
    assert outcome.notes["tries"] == "3"
    assert [given.get("mixer", {}).get("name") for given in tries] == [None, "msr1", "pulay"]
    assert "'beta': 0.02" in outcome.notes["mixer"]
    assert outcome.max_scf_steps == 400


@pytest.mark.parametrize(
    ("mode", "settings", "kind", "words"),
    [
        ("unconverged", {}, LabelRejected, "did not converge.*nor in 2 gentler tries"),
        ("unconverged", {"ladder": False}, LabelRejected, r"did not converge \(KohnShamConvergenceError: no message\)"),
        ("all steps", {"ladder": False, "max_scf_steps": 12}, LabelRejected, "used all of its 12 SCF steps"),
        ("overlap", {}, LabelRejected, "Atoms too close"),
        ("setup", {}, InputError, "PAW dataset"),
    ],
)
def test_every_failure_has_its_class(gpaw, tmp_path, mode, settings, kind, words):
    with pytest.raises(kind, match=words) as caught:
        label_frame(gpaw(mode, **settings), copper(), tmp_path / "scratch")
    assert caught.value.hint


def test_slabs_molecules_charge_and_spin(gpaw, package, tmp_path):
    slab = fcc111("Al", (1, 1, 3), vacuum=8.0)
    slab.pbc = (True, True, False)
    labeler = gpaw(dipole_correction=True, smearing="none")
    assert label_frame(labeler, slab, tmp_path / "slab").stress is None
    box = molecule("OH", vacuum=4.0)
    box.set_initial_magnetic_moments(None)
    box.info |= {"charge": -1.0, "spin": 2}
    record, labels = record_label(labeler, box, tmp_path / "box")
    assert labels.stress is None
    assert record.extra["local_magmoms"] == [0.5, 0.5]
    of_slab, of_box = keywords_of(package)
    assert of_slab["kpts"]["size"][2] == 1
    assert of_slab["poissonsolver"] == {"dipolelayer": "xy"}
    assert of_slab["occupations"] == {"name": "fermi-dirac", "width": 0.0}
    assert of_box["kpts"]["size"] == [1, 1, 1]
    assert of_box["charge"] == -1.0
    assert of_box["occupations"]["fixmagmom"] is True
    assert "poissonsolver" not in of_box


def test_moments_come_from_the_frame_else_from_the_settings(gpaw, tmp_path):
    labeler, frame = gpaw(magmoms={"Cu": 0.6}), copper()
    record, _ = record_label(labeler, frame, tmp_path / "settings")
    assert record.extra["local_magmoms"] == pytest.approx([0.6] * 4)
    frame.set_initial_magnetic_moments([1.0, -1.0, 1.0, -1.0])
    record, _ = record_label(labeler, frame, tmp_path / "frame")
    assert record.extra["local_magmoms"] == pytest.approx([1.0, -1.0, 1.0, -1.0])
    assert record.extra["total_magmom"] == 0.0
    frame.info["spin"] = 3
    with pytest.raises(InputError, match="total moment of 2, and the initial moments sum to 0"):
        labeler.check([frame])
    with pytest.raises(InputError, match="total moment of 2"):
        label_frame(labeler, frame, tmp_path / "contradiction")


def test_no_moments_are_kept_of_a_run_without_spin(gpaw, tmp_path):
    record, _ = record_label(gpaw(), copper(), tmp_path / "scratch")
    assert set(record.extra) == {"energy_sigma0_eV"}


def test_the_level_of_theory_names_what_changes_the_physics(gpaw, package):
    level = gpaw().level_of_theory()
    assert level.startswith("GPAW PBE, plane waves 400 eV, kspacing 0.2/Å, smearing fermi-dirac 0.1 eV, setups ")
    for same in ({"max_scf_steps": 50}, {"mixing_beta": 0.02}, {"ladder": False}, {"command": "mpirun -np 2"}):
        assert gpaw(**same).level_of_theory() == level
    others = [
        {"ecut_eV": 500},
        {"kspacing_per_A": 0.3},
        {"smearing": "none"},
        {"width_eV": 0.05},
        {"magmoms": {"Cu": 1.0}},
        {"setups": {"Mg": "2"}},
        {"dipole_correction": True},
        {"xc": "LDA"},
    ]
    assert len({gpaw(**other).level_of_theory() for other in others} | {level}) == len(others) + 1


def test_other_setups_are_another_level_of_theory(gpaw, package, tmp_path):
    level = gpaw().level_of_theory()
    (package / "setups" / "Cu.PBE.gz").write_text("another")
    (tmp_path / "other").symlink_to(tmp_path / "python")  # each process asks an interpreter once
    assert gpaw(environment={"python": str(tmp_path / "other")}).level_of_theory() != level


@pytest.mark.parametrize(
    ("settings", "kind", "words"),
    [
        ({"setups": {"Cu": "11"}}, InputError, "no setup '11' of Cu for PBE"),
        ({"setups": {"default": "v3"}}, InputError, "no setup 'v3' of Cu"),
        ({"xc": "nonsense"}, SettingError, "Unable to use nonsense"),
        ({"environment": {"python": sys.executable}}, MissingError, "No module named 'gpaw'"),
        ({"environment": {"python": "/no/such/python"}}, MissingError, "/no/such/python"),
        ({"environment": None}, MissingError, "neither here nor in an environment of its own"),
        ({"environment": None, "command": "no-such-mpirun"}, MissingError, "no-such-mpirun"),
    ],
)
def test_what_is_not_there_is_told_before_anything_is_paid_for(gpaw, settings, kind, words):
    with pytest.raises(kind, match=words) as caught:
        gpaw(**settings).check([copper()])
    assert caught.value.hint
    if settings == {"environment": None}:
        assert "pfd env create gpaw" in caught.value.hint


def test_an_element_without_a_setup_and_a_frame_without_a_box_are_refused(gpaw):
    with pytest.raises(InputError, match="no setup 'paw' of Ag"):
        gpaw().check([bulk("Ag")])
    with pytest.raises(InputError, match="needs a cell"):
        gpaw().check([molecule("H2O")])
    gpaw(setups={"Mg": "2"}).check([bulk("MgO", "rocksalt", a=4.2)])


@pytest.mark.parametrize("command", ["mpirun -np 2 gpaw python", "python"])
def test_the_command_is_only_what_starts_the_interpreter(command):
    with pytest.raises(ValidationError, match="only what stands before the interpreter"):
        GPAW.Settings.model_validate({"ecut_eV": 400, "command": command})
    assert GPAW(GPAW.Settings(ecut_eV=400, command="mpirun -np 4")).cores() == (4, "command")
    assert GPAW(GPAW.Settings(ecut_eV=400)).cores() is None


def test_the_launcher_starts_the_interpreter_with_mpi_switched_on(gpaw, package, tmp_path):
    launcher = tmp_path / "mpirun"
    launcher.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/started\nshift 2\nexec "$@"\n')
    launcher.chmod(0o755)
    label_frame(gpaw(command=f"{launcher} -np 2"), copper(), tmp_path / "scratch")
    started = (tmp_path / "started").read_text()
    assert "GPAW_MPI_BACKEND=cgpaw" in started
    assert started.index("-np 2") < started.index(str(tmp_path / "python"))


def inputs(folder, **more):
    import copy

    import yaml
    from tests.config.test_bad_input import GOOD

    write_frames(folder / "Cu.extxyz", [with_origin(copper())])
    content = copy.deepcopy(GOOD)
    content["finetune"]["label"] = {"method": "gpaw", "ecut_eV": 400} | more.pop("label", {})
    path = folder / "input.yaml"
    path.write_text(yaml.safe_dump(content | more))
    return path


def test_the_environments_of_an_input_are_those_of_its_labeler_too(package, tmp_path):
    python = str(tmp_path / "python")
    resolved = read_input(inputs(tmp_path, environments={"gpaw": {"python": python}}))
    assert resolved.labeler.environment.python == python
    check_input(resolved)
    both = inputs(tmp_path, environments={"gpaw": {"python": python}}, label={"environment": {"python": python}})
    with pytest.raises(SettingError, match=r"environments.gpaw says it too"):
        read_input(both)
    with pytest.raises(MissingError, match="neither here nor") as caught:
        check_input(read_input(inputs(tmp_path)))
    assert "pfd env create gpaw" in caught.value.hint
    idle = inputs(tmp_path, environments={"gpaw": {"python": python}})
    idle.write_text(idle.read_text().replace("method: gpaw", "method: tblite").replace("ecut_eV: 400", "accuracy: 1.0"))
    with pytest.raises(SettingError, match="the labeler 'gpaw' runs in no environment of this input"):
        check_input(read_input(idle))


def test_forces_are_those_of_the_frame_in_its_order(gpaw, tmp_path):
    frame = bulk("MgO", "rocksalt", a=5.2, cubic=True)
    frame.rattle(0.1, seed=2)
    forces = label_frame(gpaw(), frame, tmp_path / "a").forces
    order = np.random.default_rng(1).permutation(len(frame))
    np.testing.assert_allclose(label_frame(gpaw(), frame[order], tmp_path / "b").forces, forces[order], atol=1e-7)


def test_a_spin_is_shared_out_as_the_settings_have_it_and_held_for_antiferromagnets_too(gpaw):
    from pfd.label.gpaw.keywords import frame_with_moments, keywords

    frame = bulk("MgO", "rocksalt", a=4.25, cubic=True)
    frame.info["spin"] = 5
    settings = gpaw(magmoms={"Mg": 3.0}).settings
    moments = frame_with_moments(settings, frame).get_initial_magnetic_moments()
    assert moments == pytest.approx(np.where(frame.numbers == 12, 1.0, 0.0))
    opposed = copper()
    opposed.info["spin"] = 1
    opposed.set_initial_magnetic_moments([1.0, -1.0, 1.0, -1.0])
    assert keywords(settings, opposed)["occupations"]["fixmagmom"] is True
    opposed.set_initial_magnetic_moments([1.0, 1.0, 1.0, -1.0])
    with pytest.raises(InputError, match="total moment of 0"):
        frame_with_moments(settings, opposed)
