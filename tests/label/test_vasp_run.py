"""Runs of VASP with a stand-in that insists on its input: good ones are labels, and of the bad ones none is."""

from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk, fcc111, molecule
from tests.label.vasp_files import force

from pfd.errors import InputError, LabelRejected, MissingError, TransientError
from pfd.label.judge import label_frame, record_label
from pfd.label.vasp.labeler import Vasp

RECORDED = Path(__file__).parents[3] / "shared" / "recorded" / "vasp"
SIGN_OF_LIFE = 20


def iron_oxide():
    """A rattled rock salt, its elements alternating: POSCAR's order is not the frame's."""
    frame = bulk("NaCl", "rocksalt", a=4.2, cubic=True)
    frame.symbols[:] = ["Fe", "O"] * 4
    frame.rattle(0.05, seed=1)
    return frame


@pytest.fixture
def vasp(potcar_dir, stand_in):
    def make(mode="ok", recorded="", **settings):
        command = stand_in("stand_in_vasp.py", mode, recorded)
        given = {
            "command": command,
            "potcar_dir": potcar_dir,
            "potcars": {"Fe": "Fe_pv", "O": "O", "Al": "Al", "H": "H"},
            "incar": {"ENCUT": 520},
            "kspacing_per_A": 0.3,
            "wall_time": SIGN_OF_LIFE,
        }
        return Vasp(Vasp.Settings.model_validate(given | settings))

    return make


def expected_forces(frame):
    """What the stand-in says of these atoms, in their order."""
    raw = [
        force(a, list(b))
        for a, b in zip(frame.get_chemical_symbols(), frame.get_scaled_positions(wrap=False), strict=True)
    ]
    return np.array(raw) - np.mean(raw, axis=0)


def test_a_good_run_is_a_label_in_the_order_of_the_frame(vasp, tmp_path):
    frame, labeler = iron_oxide(), vasp()
    labeler.check([frame])
    labels = label_frame(labeler, frame, tmp_path / "scratch")
    assert labels.energy == -24.01
    np.testing.assert_allclose(labels.forces, expected_forces(frame), atol=1e-7)
    np.testing.assert_allclose(labels.stress * -1602.1766208, [10, 20, 30, 2, 3, 1], atol=1e-7)
    assert labels.level_of_theory == labeler.level_of_theory()


def test_what_else_it_said_is_kept_apart(vasp, tmp_path):
    labeler = vasp(magmoms={"Fe": 5.0, "O": 0.5}, incar={"ENCUT": 520, "LORBIT": 11})
    record, labels = record_label(labeler, iron_oxide(), tmp_path / "scratch")
    assert labels.energy == -24.01
    assert record.extra == {"energy_sigma0_eV": -24.0, "total_magmom": 11.0, "local_magmoms": [2.5, 0.25] * 4}
    assert (record.scf_steps, record.max_scf_steps, record.notes) == (5, 100, {})


def test_no_potcar_is_left_behind(vasp, tmp_path):
    for mode in ("ok", "killed", "hang"):
        labeler = vasp(mode, wall_time=1 if mode == "hang" else SIGN_OF_LIFE)
        try:
            labeler.run(iron_oxide(), tmp_path / mode)
        except TransientError:
            assert mode != "ok"
    left = {path.name for path in tmp_path.glob("*/try-*/*")}
    assert left == {"INCAR", "KPOINTS", "POSCAR", "vasp.out", "OUTCAR", "vasprun.xml"}


BAD_ENDS = {
    "unconverged": (LabelRejected, "SCF steps, nor in 2 gentler tries"),
    "said": (LabelRejected, "VASP did not converge in"),
    "code1": (TransientError, "code 1"),
    "none": (TransientError, "wrote no output (code 0)"),
    "empty": (TransientError, "wrote no output"),
    "cut-in-cycle": (TransientError, "ends early (code 0)"),
    "cut-after-forces": (TransientError, "ends early"),
    "cut-vasprun": (TransientError, "ends early"),
    "cut-outcar": (TransientError, "ends early"),
    "cut-vasprun,code1": (TransientError, "ends early (code 1)"),
    "hang": (TransientError, "time limit"),
    "killed": (TransientError, "killed (code -9)"),
    "mpi-killed": (TransientError, "killed (code 1)"),
    "disk": (TransientError, "disk is full"),
    "segfault": (TransientError, "SIGSEGV"),
    "crash-in-cycle": (TransientError, "SIGSEGV"),
    "stop-in-cycle": (LabelRejected, "VASP: ERROR FEXCP: supplied Exchange-correlation table is too small"),
    "zhegv": (LabelRejected, "failed in the SCF cycle (EDDDAV), nor in 2 gentler tries"),
    "brmix": (LabelRejected, "failed in the SCF cycle (BRMIX)"),
    "few-bands": (LabelRejected, "too few bands"),
    "symmetry": (LabelRejected, "VERY BAD NEWS! internal error in subroutine SGRCON"),
    "other-geometry": (LabelRejected, "other positions (off by 0.00"),
    "other-cell": (LabelRejected, "another cell (off by"),
    "wrong-order": (LabelRejected, "other positions"),
    "wrong-species": (LabelRejected, "other atoms, or in another order"),
    "other-energy": (LabelRejected, "differ in free energy"),
    "other-settings": (LabelRejected, "ENCUT is 9"),
    "two-geometries": (LabelRejected, "2 geometries"),
    "nan": (LabelRejected, "forces is not finite"),
    "stars": (LabelRejected, "not readable"),
    "no-stress": (LabelRejected, "lacks the stress"),
    "no-forces": (LabelRejected, "lacks the forces"),
}


@pytest.mark.parametrize(("mode", "error", "told"), [(mode, *each) for mode, each in BAD_ENDS.items()], ids=BAD_ENDS)
def test_of_the_bad_ends_none_is_a_label(vasp, tmp_path, mode, error, told):
    labeler = vasp(mode, wall_time=1 if mode == "hang" else SIGN_OF_LIFE)
    with pytest.raises(error) as caught:
        label_frame(labeler, iron_oxide(), tmp_path / "scratch")
    assert type(caught.value) is error
    assert told in caught.value.what
    assert caught.value.hint


recorded = pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded outputs of VASP are not on this machine")


@pytest.fixture
def titania(vasp):
    """The frame of the recorded run of VASP 6, and a labeler with that run's settings."""
    import ase.io

    frame = ase.io.read(RECORDED / "titania-vasp6" / "vasprun.xml")
    theirs = {"ENCUT": 350, "ISMEAR": 1, "SIGMA": 0.2, "LREAL": "A", "ISYM": 0}

    def make(mode="ok", **incar):
        settings = {"potcars": {"Ti": "Ti", "O": "O"}, "incar": theirs | incar, "kspacing_per_A": 10}
        return vasp(mode, RECORDED / "titania-vasp6", **settings)

    return frame, make


@recorded
def test_a_recorded_run_is_replayed_in_the_order_of_the_frame(titania, tmp_path):
    frame, make = titania
    outcome = make().run(frame, tmp_path / "scratch")
    assert outcome.labels.energy == pytest.approx(-57.48343729, abs=1e-9)
    assert outcome.extra == {"energy_sigma0_eV": pytest.approx(-57.47495449, abs=1e-9)}
    np.testing.assert_allclose(outcome.labels.forces, frame.get_forces(), atol=1e-12)
    np.testing.assert_allclose(outcome.labels.stress, frame.get_stress(), atol=1e-12)
    np.testing.assert_allclose(outcome.echoed.positions, frame.positions, atol=1e-7)
    assert outcome.scf_steps == 21
    shuffled = frame[[3, 0, 5, 4, 1, 7, 6, 2]]
    shuffled.calc = None
    again = make().run(shuffled, tmp_path / "again")
    np.testing.assert_allclose(again.labels.forces, frame.get_forces()[[3, 0, 5, 4, 1, 7, 6, 2]], atol=1e-12)


SPOILT = {mode: each for mode, each in BAD_ENDS.items() if mode != "unconverged"}


@recorded
@pytest.mark.parametrize(("mode", "error", "told"), [(mode, *each) for mode, each in SPOILT.items()], ids=SPOILT)
def test_of_a_spoilt_recorded_run_none_is_a_label(titania, tmp_path, mode, error, told):
    frame, make = titania
    update = {"wall_time": 1 if mode == "hang" else SIGN_OF_LIFE}
    labeler = Vasp(make(mode).settings.model_copy(update=update))
    with pytest.raises(error) as caught:
        label_frame(labeler, frame, tmp_path / "scratch")
    assert type(caught.value) is error
    assert told in caught.value.what


@recorded
def test_a_run_that_stops_at_its_limit_did_not_converge_whatever_it_says(titania, tmp_path):
    frame, make = titania
    assert "aborting loop because EDIFF is reached" in (RECORDED / "titania-vasp6" / "OUTCAR").read_text()
    at_the_limit = make(NELM=21)
    outcome = at_the_limit.run(frame, tmp_path / "ladder")
    assert outcome.notes == {"tries": "2", "ALGO": "Normal", "AMIX": "0.2", "BMIX": "0.0001", "NELM": "42"}
    once = Vasp(at_the_limit.settings.model_copy(update={"ladder": False}))
    with pytest.raises(LabelRejected, match="did not converge in 21 SCF steps"):
        label_frame(once, frame, tmp_path / "once")


@recorded
def test_a_recorded_run_answers_for_no_other_geometry_and_settings(titania, tmp_path):
    frame, make = titania
    other = frame.copy()
    other.positions[0, 0] += 1e-5
    for labeler, each in ((make(), other), (make(ENCUT=351), frame)):
        with pytest.raises(TransientError, match="no recording"):
            labeler.run(each, tmp_path / str(labeler.settings.incar["ENCUT"]))


def test_vasps_own_words_about_the_input_are_quoted_and_stop_at_once(vasp, tmp_path):
    labeler = vasp(incar={"ENCUT": 520, "LAECHG": True})
    with pytest.raises(InputError, match=r"^frame \w+: VASP: Error reading item 'LAECHG' from file INCAR\.") as caught:
        labeler.run(iron_oxide(), tmp_path / "scratch")
    assert "SICK JOB" not in str(caught.value)
    assert [path.name for path in (tmp_path / "scratch").iterdir()] == ["try-1"]


def test_a_missing_program_is_missing(vasp, tmp_path):
    labeler = vasp(command="no-such-vasp")
    for attempt in (lambda: labeler.check([]), lambda: labeler.run(iron_oxide(), tmp_path / "scratch")):
        with pytest.raises(MissingError, match="VASP is licensed"):
            attempt()
    lost = vasp(command=str(program_that_cannot_load(tmp_path)))
    with pytest.raises(MissingError, match="libmkl"):
        lost.run(iron_oxide(), tmp_path / "lost")


def program_that_cannot_load(folder):
    program = folder / "unloadable"
    program.write_text("#!/bin/sh\necho 'vasp_std: error while loading shared libraries: libmkl' >&2; exit 127\n")
    program.chmod(0o755)
    return program


def keys_of(folder):
    lines = (folder / "INCAR").read_text().replace("\\\n", "").splitlines()
    return {key.strip(): value.strip() for key, _, value in (line.partition("=") for line in lines)}


LADDER_KEYS = {"ALGO", "IALGO", "NELM", "AMIX", "BMIX", "AMIX_MAG", "BMIX_MAG", "TIME"}


@pytest.mark.parametrize(
    ("incar", "second", "third"),
    [
        ({}, {"ALGO": "Normal", "AMIX": "0.2", "BMIX": "0.0001", "NELM": "200"}, {"ALGO": "All", "NELM": "400"}),
        (
            {"ALGO": "All", "NELM": 60},
            {"ALGO": "Normal", "NELM": "120"},
            {"ALGO": "Damped", "TIME": "0.2", "NELM": "240"},
        ),
        ({"ISMEAR": -5}, {"ALGO": "Normal", "AMIX": "0.2"}, {"ALGO": "Normal", "AMIX": "0.05", "NELM": "400"}),
        ({"IALGO": 48}, {"ALGO": "Normal"}, {"ALGO": "All"}),
        ({"ISPIN": 2}, {"AMIX_MAG": "0.8", "BMIX_MAG": "0.0001"}, {"ALGO": "All"}),
    ],
    ids=["plain", "direct", "tetrahedra", "old name", "spin"],
)
def test_the_ladder_climbs_changes_no_physics_and_is_recorded(vasp, tmp_path, incar, second, third):
    outcome = vasp("unconverged@2", incar={"ENCUT": 520} | incar).run(iron_oxide(), tmp_path / "scratch")
    tries = [keys_of(tmp_path / "scratch" / f"try-{number}") for number in (1, 2, 3)]
    for keys, expected in zip(tries[1:], (second, third), strict=True):
        assert {key: keys[key] for key in expected} == expected
    assert not any("IALGO" in keys for keys in tries[1:])
    physics = [{key: value for key, value in keys.items() if key not in LADDER_KEYS} for keys in tries]
    assert physics[0] == physics[1] == physics[2]
    changed = {key: value for key, value in tries[2].items() if key in LADDER_KEYS and value != tries[0].get(key)}
    assert outcome.notes == {"tries": "3"} | changed | {"ALGO": tries[2]["ALGO"]}
    assert outcome.max_scf_steps == int(tries[2]["NELM"])


def test_a_cycle_that_fails_climbs_too_and_without_the_ladder_there_is_one_try(vasp, tmp_path):
    assert vasp("zhegv@1").run(iron_oxide(), tmp_path / "ladder").notes["tries"] == "2"
    with pytest.raises(LabelRejected, match=r"did not converge in 100 SCF steps\n.*NELM \(100\)"):
        vasp("unconverged", ladder=False).run(iron_oxide(), tmp_path / "once")
    assert [path.name for path in (tmp_path / "once").iterdir()] == ["try-1"]


def test_a_mixer_that_starts_from_neutral_atoms_says_so_of_every_ion(vasp, tmp_path):
    ion = iron_oxide()
    ion.info["charge"] = 1
    assert vasp("brmix").run(ion, tmp_path / "ion").notes == {}


def test_settings_survive_the_way_into_a_task(vasp):
    labeler = vasp(magmoms={"Fe": 5}, hubbard={"Fe": {"orbital": "d", "U_eV": 4}}, incar={"ENCUT": 520, "ROPT": [1, 2]})
    again = Vasp(Vasp.Settings.model_validate_json(labeler.settings.model_dump_json()))
    assert again.level_of_theory() == labeler.level_of_theory()
    assert again.aids() == labeler.aids()


def test_slabs_molecules_charge_and_spin_run(vasp, tmp_path):
    slab = fcc111("Al", (1, 1, 3), vacuum=8.0)
    labels = label_frame(vasp(dipole_correction=True), slab, tmp_path / "slab")
    assert labels.stress is None
    box = molecule("H2O", vacuum=6.0)
    box.info |= {"charge": 1, "spin": 2}
    labels = label_frame(vasp(), box, tmp_path / "ion")
    assert labels.stress is None
    assert labels.forces.shape == (3, 3)
