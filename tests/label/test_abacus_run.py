"""Runs of ABACUS with a stand-in that insists on its input: good ones are labels, and of the bad ones none is."""

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111, molecule
from tests.label.abacus_files import force

from pfd.errors import InputError, LabelRejected, MissingError, TransientError
from pfd.label.abacus.labeler import Abacus
from pfd.label.judge import label_frame, record_label

RECORDED = Path(__file__).parents[3] / "shared" / "recorded" / "abacus"
SIGN_OF_LIFE = 20
PATIENCE_WITH_A_HUNG_RUN = 1


def iron_oxide():
    """A rattled rock salt, its elements alternating: STRU's order is not the frame's; atoms lie outside the cell."""
    frame = bulk("NaCl", "rocksalt", a=4.2, cubic=True)
    frame.symbols[:] = ["Fe", "O"] * 4
    frame.rattle(0.05, seed=1)
    return frame


@pytest.fixture
def abacus(pseudo_dir, stand_in):
    def make(mode="v3", recorded="", **settings):
        given = {
            "command": stand_in("stand_in_abacus.py", mode, recorded),
            "pseudo_dir": pseudo_dir,
            "pseudopotentials": {element: f"{element}.upf" for element in ("Fe", "O", "Al", "H", "C")},
            "ecutwfc_Ry": 100,
            "wall_time": PATIENCE_WITH_A_HUNG_RUN if "hang" in mode else SIGN_OF_LIFE,
        }
        return Abacus(Abacus.Settings.model_validate(given | settings))

    return make


def expected_forces(frame):
    """What the stand-in says of these atoms, in their order."""
    rows = frame.get_scaled_positions()
    raw = [force(symbol, list(row)) for symbol, row in zip(frame.get_chemical_symbols(), rows, strict=True)]
    return np.array(raw) - np.mean(raw, axis=0)


@pytest.mark.parametrize("layout", ["old", "v3", "new"])
def test_a_good_run_is_a_label_in_the_order_of_the_frame(abacus, tmp_path, layout):
    frame, labeler = iron_oxide(), abacus(layout)
    labeler.check([frame])
    labels = label_frame(labeler, frame, tmp_path / "scratch")
    assert labels.energy == pytest.approx(-800.01, abs=1e-9)
    np.testing.assert_allclose(labels.forces, expected_forces(frame), atol=1e-8)
    np.testing.assert_allclose(labels.stress * -1602.1766208, [10, 20, 30, 2, 3, 1], atol=1e-7)
    assert labels.level_of_theory == labeler.level_of_theory()


@pytest.mark.parametrize("layout", ["old", "v3", "new"])
def test_skewed_cells_are_echoed_closely_enough(abacus, tmp_path, layout):
    frame = bulk("Al") * (3, 2, 5)
    frame.set_cell(frame.cell.array + np.random.default_rng(1).normal(0, 0.3, (3, 3)), scale_atoms=True)
    frame.rattle(0.2, seed=3)
    record, _ = record_label(abacus(layout), frame, tmp_path / "scratch")
    assert record.measures.cell_off_A < 2e-5
    assert record.measures.positions_off_A < 2e-5


def test_what_else_it_said_is_kept_apart(abacus, tmp_path):
    record, labels = record_label(abacus(magmoms={"Fe": 4}), iron_oxide(), tmp_path / "scratch")
    assert labels.energy == pytest.approx(-800.01)
    assert record.extra == {"energy_sigma0_eV": pytest.approx(-800.005), "total_magmom": 1.5}
    assert (record.scf_steps, record.max_scf_steps, record.notes) == (5, 100, {})


BAD_ENDS = {
    "unconverged": (LabelRejected, "did not converge in 100 SCF steps, nor in 2 gentler tries"),
    "unconverged,old": (LabelRejected, "did not converge in 100 SCF steps"),
    "unconverged,new": (LabelRejected, "did not converge in 100 SCF steps"),
    "failed-v3": (LabelRejected, "did not converge in 5 SCF steps"),
    "says-nothing": (LabelRejected, "does not say that it converged"),
    "code1": (TransientError, "ended with code 1 although its output is complete"),
    "cut-at-the-end,code1": (TransientError, "ends early (code 1)"),
    "none": (TransientError, "wrote no output (code 0)"),
    "empty": (TransientError, "wrote no output (code 0)"),
    "cut-in-cycle": (TransientError, "ends early (code 0)"),
    "cut-after-forces": (TransientError, "ends early (code 0)"),
    "cut-at-the-end": (TransientError, "ends early (code 0)"),
    "hang": (TransientError, "time limit"),
    "killed": (TransientError, "killed (code -9)"),
    "disk": (TransientError, "disk is full"),
    "close": (LabelRejected, "ABACUS: The structure is unreasonable! Some atoms are too close"),
    "in-cycle": (LabelRejected, "ABACUS: NaN in the charge density"),
    "other-settings": (LabelRejected, "ecutwfc is 77 in its output, and 100.0 was asked"),
    "other-geometry": (LabelRejected, "other positions"),
    "other-geometry,old": (LabelRejected, "other positions"),
    "other-geometry,new": (LabelRejected, "other positions"),
    "other-cell": (LabelRejected, "another cell"),
    "wrong-order": (LabelRejected, "other positions"),
    "wrong-order,new": (LabelRejected, "other positions"),
    "no-echo": (LabelRejected, "echoes none of the 8 atoms"),
    "nan": (LabelRejected, "forces is not finite"),
    "nan,new": (LabelRejected, "forces is not finite"),
    "stars": (LabelRejected, "no forces"),
    "no-forces": (LabelRejected, "no forces"),
    "no-stress": (LabelRejected, "no stress"),
    "no-energy": (LabelRejected, "no energy"),
}


@pytest.mark.parametrize(("mode", "error", "told"), [(mode, *each) for mode, each in BAD_ENDS.items()], ids=BAD_ENDS)
def test_of_the_bad_ends_none_is_a_label(abacus, tmp_path, mode, error, told):
    with pytest.raises(error) as caught:
        label_frame(abacus(mode), iron_oxide(), tmp_path / "scratch")
    assert type(caught.value) is error
    assert told in caught.value.what
    assert caught.value.hint


recorded = pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded outputs of ABACUS are not on this machine")


def methane():
    """The frame of the recorded run of ABACUS 2.1, two hydrogens elsewhere in the order."""
    rows = {
        "C": [[0.981274803, 0.861285385, 0.838442496]],
        "H": [
            [1.023557202, 0.758025625, 0.66351336],
            [0.78075702, 0.889445935, 0.837363468],
            [1.064091613, 1.043438905, 0.840995502],
            [1.039321214, 0.756530859, 1.009609207],
        ],
    }
    length = 10 * 0.52917721067
    return Atoms("CHHHH", positions=np.array(rows["C"] + rows["H"]) * length, cell=[length] * 3, pbc=True)


@pytest.fixture
def replayed(abacus):
    def make(mode="old", log="ch4"):
        recorded_log = RECORDED / f"OUT.{log}" / "running_scf.log"
        return abacus(mode, recorded_log, kspacing_per_A=2.0, smearing="gaussian", sigma_Ry=0.01, mixing_beta=0.5)

    return make


@recorded
def test_a_recorded_run_is_replayed(replayed, tmp_path):
    outcome = replayed().run(methane(), tmp_path / "scratch")
    assert outcome.labels.energy == pytest.approx(-219.6499140427659142, abs=1e-12)
    np.testing.assert_allclose(outcome.labels.forces[2], [-0.687903, -0.019808, 0.245423], atol=1e-12)
    assert outcome.labels.stress[0] == pytest.approx(-17.95102076 / 1602.1766208, abs=1e-12)
    assert outcome.scf_steps == 13
    assert label_frame(replayed(), methane(), tmp_path / "again").energy == outcome.labels.energy
    moved = methane()
    moved.positions[0, 0] += 1e-5
    with pytest.raises(TransientError, match="no recording of this geometry"):
        replayed().run(moved, tmp_path / "moved")


@recorded
def test_the_final_energy_of_a_recorded_run_that_failed_is_no_label(replayed, tmp_path):
    text = (RECORDED / "OUT.ch4fail" / "running_scf.log").read_text()
    assert "!FINAL_ETOT_IS -219.6499140427659142 eV" in text
    with pytest.raises(LabelRejected, match="did not converge in 13 SCF steps, nor in 2 gentler tries"):
        label_frame(replayed(log="ch4fail"), methane(), tmp_path / "failed")
    with pytest.raises(LabelRejected, match="no forces"):
        label_frame(replayed(log="ch4-noForceStress"), methane(), tmp_path / "without")


OLD = {mode: each for mode, each in BAD_ENDS.items() if not mode.endswith((",new", ",old", "unconverged", "-v3"))}


@recorded
@pytest.mark.parametrize(("mode", "error", "told"), [(mode, *each) for mode, each in OLD.items()], ids=OLD)
def test_of_a_spoilt_recorded_run_none_is_a_label(replayed, tmp_path, mode, error, told):
    with pytest.raises(error) as caught:
        label_frame(replayed(mode), methane(), tmp_path / "scratch")
    assert type(caught.value) is error
    assert told.replace("8 atoms", "5 atoms") in caught.value.what


def test_its_own_words_about_the_input_are_quoted_and_stop_at_once(abacus, tmp_path):
    labeler = abacus(input={"smearing_methd": "mp"})
    with pytest.raises(InputError, match=r"ABACUS: THE PARAMETER NAME 'smearing_methd' IS NOT USED!") as caught:
        labeler.run(iron_oxide(), tmp_path / "scratch")
    assert "CHECK IN FILE" not in str(caught.value)
    assert [path.name for path in (tmp_path / "scratch").iterdir()] == ["try-1"]


def test_a_missing_program_is_missing(abacus, tmp_path):
    labeler = abacus(command="no-such-abacus")
    for attempt in (lambda: labeler.check([]), lambda: labeler.run(iron_oxide(), tmp_path / "scratch")):
        with pytest.raises(MissingError, match=r"no program 'no-such-abacus'"):
            attempt()


def keys_of(folder):
    lines = (folder / "INPUT").read_text().splitlines()[1:]
    return dict(line.split(maxsplit=1) for line in lines)


LADDER_KEYS = {"mixing_beta", "scf_nmax", "mixing_beta_mag"}


@pytest.mark.parametrize("magnetic", [False, True])
def test_the_ladder_climbs_changes_no_physics_and_is_recorded(abacus, tmp_path, magnetic):
    outcome = abacus("unconverged@2", magmoms={"Fe": 4} if magnetic else {}).run(iron_oxide(), tmp_path / "scratch")
    tries = [keys_of(tmp_path / "scratch" / f"try-{number}") for number in (1, 2, 3)]
    assert [keys["mixing_beta"] for keys in tries] == ["0.4", "0.1", "0.025"]
    assert [keys["scf_nmax"] for keys in tries] == ["100", "200", "400"]
    assert [keys.get("mixing_beta_mag") for keys in tries] == ([None, "0.1", "0.025"] if magnetic else [None] * 3)
    physics = [{key: value for key, value in keys.items() if key not in LADDER_KEYS} for keys in tries]
    assert physics[0] == physics[1] == physics[2]
    expected = {"tries": "3", "mixing_beta": "0.025", "scf_nmax": "400"}
    assert outcome.notes == expected | ({"mixing_beta_mag": "0.025"} if magnetic else {})
    assert outcome.max_scf_steps == 400


def test_a_cycle_that_ends_at_its_limit_proves_nothing(abacus, tmp_path):
    labeler = abacus(max_scf_steps=5, ladder=False)
    with pytest.raises(LabelRejected, match=r"did not converge in 5 SCF steps\n.*max_scf_steps \(5\)"):
        labeler.run(iron_oxide(), tmp_path / "once")
    assert [path.name for path in (tmp_path / "once").iterdir()] == ["try-1"]


def test_orbitals_slabs_molecules_charge_and_spin_run(abacus, tmp_path):
    orbitals = {element: f"{element}.orb" for element in ("Fe", "O", "Al", "H", "C")}
    slab = fcc111("Al", (1, 1, 3), vacuum=8.0)
    labels = label_frame(abacus(basis="lcao", orbitals=orbitals, dipole_correction=True), slab, tmp_path / "slab")
    assert labels.stress is None
    box = molecule("H2O", vacuum=6.0)
    box.info |= {"charge": 1, "spin": 2}
    labels = label_frame(abacus(), box, tmp_path / "ion")
    assert labels.stress is None
    oxide = iron_oxide()
    oxide.set_initial_magnetic_moments([4, 0, -4, 0] * 2)
    label_frame(abacus(hubbard={"Fe": {"orbital": "d", "U_eV": 5.3}}), oxide, tmp_path / "oxide")
