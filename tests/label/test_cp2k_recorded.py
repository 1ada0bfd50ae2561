"""CP2K's output against dpdata's reader, on recorded runs of CP2K 6.1 and 7.1: energies, forces, stress, geometry."""

from pathlib import Path

import numpy as np
import pytest

from pfd.label.cp2k.output import read_cp2k_output
from pfd.units import EV_PER_HARTREE
from pfd.voigt import from_voigt

RECORDED = Path(__file__).parents[3] / "shared" / "recorded" / "cp2k"
pytestmark = pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded outputs of CP2K are not on this machine")


def text(name):
    return (RECORDED / name).read_text()


@pytest.mark.filterwarnings("ignore")
def test_as_dpdata_reads_it():
    dpdata = pytest.importorskip("dpdata", reason="the extra `data` is not installed")
    output = read_cp2k_output(text("normal/cp2k_output"))
    data = dpdata.LabeledSystem(str(RECORDED / "normal" / "cp2k_output"), fmt="cp2k/output").data
    assert (output.done, output.converged, output.scf_steps) == (True, True, 47)
    assert output.labels.energy == pytest.approx(data["energies"][0], rel=2e-8)  # CODATA of other years
    np.testing.assert_allclose(output.labels.forces, data["forces"][0], atol=1e-6)
    volume = abs(np.linalg.det(data["cells"][0]))
    np.testing.assert_allclose(from_voigt(output.labels.stress), -data["virials"][0] / volume, atol=1e-6)
    np.testing.assert_allclose(output.echoed.cell.array, data["cells"][0], atol=1e-6)
    np.testing.assert_allclose(output.echoed.positions, data["coords"][0], atol=1e-6)


def test_as_the_arrays_beside_it_say():
    output = read_cp2k_output(text("normal/cp2k_output"))
    folder = RECORDED / "normal" / "deepmd"
    arrays = {name: np.load(folder / "set.000" / f"{name}.npy")[0] for name in ("box", "coord", "energy", "force")}
    assert output.labels.energy == pytest.approx(float(arrays["energy"]), rel=2e-8)
    np.testing.assert_allclose(output.labels.forces.ravel(), arrays["force"], atol=1e-6)
    np.testing.assert_allclose(output.echoed.cell.array.ravel(), arrays["box"], atol=1e-6)
    np.testing.assert_allclose(output.echoed.positions.ravel(), arrays["coord"], atol=1e-6)


def test_magnetic_order_is_read():
    output = read_cp2k_output(text("normal/cp2k_output"))
    assert output.echoed.get_chemical_symbols() == ["Fe"] * 12 + ["O"] * 18
    assert output.local_magmoms[:2] == [4.958071, -4.958072]
    assert output.total_magmom == pytest.approx(0.0, abs=1e-5)
    assert output.settings["cutoff_Ry"] == 400.0


@pytest.mark.parametrize(
    ("name", "energy"), [("unconverged.out", -7732.736668957968504), ("cp2k.out.unconverged", None)]
)
def test_a_run_that_did_not_converge_says_so_and_prints_its_energy_all_the_same(name, energy):
    output = read_cp2k_output(text(name))
    assert output.done
    assert output.converged is False
    if energy is not None:
        assert output.labels.energy == pytest.approx(energy * EV_PER_HARTREE, rel=1e-12)
        assert output.labels.forces.shape == (302, 3)
        assert len(output.local_magmoms or []) in {0, 302}


def test_a_piece_from_the_middle_of_a_run_is_no_result():
    output = read_cp2k_output(text("cp2k.out.conv"))
    assert not output.done
    assert output.labels.energy is None
    assert output.labels.forces is None
    assert output.echoed is None
