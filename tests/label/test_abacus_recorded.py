"""ABACUS's log against dpdata's reader, on recorded runs: energies, forces, stress and geometry to 1e-6."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from pfd.label.abacus.output import read_abacus_output
from pfd.voigt import from_voigt

RECORDED = Path(__file__).parents[3] / "shared" / "recorded" / "abacus"
pytestmark = pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded outputs of ABACUS are not on this machine")


def log(name):
    return (RECORDED / f"OUT.{name}" / "running_scf.log").read_text()


def theirs(folder, name, log_text):
    """What dpdata makes of the run; it wants the input beside the output."""
    dpdata = pytest.importorskip("dpdata", reason="the extra `data` is not installed")
    shutil.copy(RECORDED / f"INPUT.{name}", folder / "INPUT")
    shutil.copy(RECORDED / "STRU.ch4", folder / "STRU.ch4")
    (folder / "OUT.ch4").mkdir()
    (folder / "OUT.ch4" / "running_scf.log").write_text(log_text)
    return dpdata.LabeledSystem(str(folder), fmt="abacus/scf").data


@pytest.mark.filterwarnings("ignore")
def test_as_dpdata_reads_it(tmp_path):
    output, data = read_abacus_output(log("ch4")), theirs(tmp_path, "ok", log("ch4"))
    assert output.done
    assert output.converged is True
    assert output.scf_steps == 13
    assert output.labels.energy == pytest.approx(data["energies"][0], abs=1e-6)
    np.testing.assert_allclose(output.labels.forces, data["forces"][0], atol=1e-6)
    volume = abs(np.linalg.det(data["cells"][0]))
    np.testing.assert_allclose(from_voigt(output.labels.stress), -data["virials"][0] / volume, atol=1e-6)
    np.testing.assert_allclose(output.echoed.cell.array, data["cells"][0], atol=1e-5)
    fractional = output.echoed.get_scaled_positions() - np.linalg.solve(data["cells"][0].T, data["coords"][0].T).T
    np.testing.assert_allclose(fractional - np.round(fractional), 0.0, atol=1e-6)
    assert output.echoed.get_chemical_symbols() == [data["atom_names"][kind] for kind in data["atom_types"]]


def test_the_sign_of_the_stress_is_ases():
    assert "+17.95102076" in log("ch4")  # kbar, compression positive
    assert read_abacus_output(log("ch4")).labels.stress[0] == pytest.approx(-17.95102076 / 1602.1766208, abs=1e-9)


def test_the_energy_of_a_run_that_failed_is_there_and_it_says_so():
    output = read_abacus_output(log("ch4fail"))
    assert output.done
    assert output.converged is False
    assert output.labels.energy == pytest.approx(-219.6499140427659142)


def test_what_is_not_there_is_none():
    output = read_abacus_output(log("ch4-noForceStress"))
    assert output.converged is True
    assert output.labels.forces is None
    assert output.labels.stress is None


@pytest.mark.parametrize(
    ("old", "new", "lost"),
    [
        ("!FINAL_ETOT_IS -219.6499140427659142 eV", "!FINAL_ETOT_IS *** eV", "energy"),
        ("       H3      +0.710191", "       H3      *********", "forces"),
        ("    +17.95102076", "    ************", "stress"),
    ],
)
def test_garbled_numbers_are_missing_and_not_guessed(old, new, lost):
    assert old in log("ch4")
    assert getattr(read_abacus_output(log("ch4").replace(old, new)).labels, lost) is None
    assert getattr(read_abacus_output(log("ch4")).labels, lost) is not None
