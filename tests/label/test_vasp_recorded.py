"""VASP's files against the readers of others, on recorded runs: energies, forces, stress and geometry to 1e-6."""

import re
from pathlib import Path

import ase
import ase.io
import numpy as np
import pytest

from pfd.label.vasp.outcar import read_outcar
from pfd.label.vasp.output import read_vasp_output
from pfd.voigt import from_voigt

RECORDED = Path(__file__).parents[3] / "shared" / "recorded" / "vasp"
recorded = pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded outputs of VASP are not on this machine")
ASES = Path(ase.__file__).parent / "test" / "testdata" / "vasp" / "OUTCAR_example_1"


def one_geometry(folder: Path, index: int) -> Path:
    """The recorded molecular dynamics of water as if it had been a static run of one of its geometries."""
    vasprun, outcar = ((RECORDED / "water-md-10" / name).read_text() for name in ("vasprun.xml", "OUTCAR"))
    steps = re.findall(r"<calculation>.*?</calculation>\n", vasprun, re.DOTALL)
    head, tail = vasprun[: vasprun.index("<calculation>")], vasprun[vasprun.rindex("</calculation>\n") + 15 :]
    (folder / "vasprun.xml").write_text(head + steps[index] + tail)
    begin = outcar.index(f"Iteration {index + 1:4d}(   1)")
    after = f"Iteration {index + 2:4d}(   1)"
    end = outcar.index(after) if after in outcar else outcar.index("General timing")
    start = outcar[: outcar.index("Iteration    1(   1)") - 50]  # a line of dashes stands before it
    (folder / "OUTCAR").write_text(start + outcar[begin - 50 : end - 50] + outcar[outcar.index("General timing") :])
    return folder


def same_labels(output, energy, forces, stress):
    assert output.labels.energy == pytest.approx(energy, abs=1e-6)
    np.testing.assert_allclose(output.labels.forces, forces, atol=1e-6)
    np.testing.assert_allclose(from_voigt(output.labels.stress), stress, atol=1e-6)


WATER = ["water 0", "water 4", "water 9"]


@pytest.fixture(params=["titania", *WATER])
def run(request, tmp_path):
    name, _, index = request.param.partition(" ")
    return RECORDED / "titania-vasp6" if name == "titania" else one_geometry(tmp_path, int(index))


@recorded
def test_as_ase_reads_it(run):
    output = read_vasp_output(run)
    assert output.problem == ""
    assert output.converged
    for name in ("vasprun.xml", "OUTCAR"):
        theirs = ase.io.read(run / name)
        energy = theirs.calc.results["free_energy"]
        same_labels(output, energy, theirs.get_forces(), theirs.get_stress(voigt=False))
        assert output.energy_sigma0_eV == pytest.approx(theirs.calc.results["energy"], abs=1e-6)
    np.testing.assert_allclose(output.echoed.positions, theirs.positions, atol=1e-5)
    np.testing.assert_allclose(output.echoed.cell.array, theirs.cell.array, atol=1e-6)
    assert output.echoed.get_chemical_symbols() == ase.io.read(run / "vasprun.xml").get_chemical_symbols()


@recorded
@pytest.mark.filterwarnings("ignore")
def test_as_pymatgen_reads_it(run):
    outputs = pytest.importorskip("pymatgen.io.vasp.outputs", reason="the extra `structures` is not installed")
    output = read_vasp_output(run)
    theirs = outputs.Vasprun(run / "vasprun.xml", parse_potcar_file=False)
    step = theirs.ionic_steps[-1]
    kbar_to_ase = -1.0 / 1602.1766208
    same_labels(output, step["e_fr_energy"], step["forces"], np.array(step["stress"]) * kbar_to_ase)
    assert len(step["electronic_steps"]) == output.scf_steps
    assert theirs.parameters["NELM"] == output.max_scf_steps
    np.testing.assert_allclose(output.echoed.positions, step["structure"].cart_coords, atol=1e-6)
    for key in ("ENCUT", "ISMEAR", "SIGMA", "NSW", "EDIFF"):
        assert output.settings[key] == pytest.approx(theirs.incar[key])


@recorded
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("run", WATER, indirect=True)  # of titania's two groups dpdata makes one, in another order
@pytest.mark.parametrize(("kind", "name"), [("vasp/xml", "vasprun.xml"), ("vasp/outcar", "OUTCAR")])
def test_as_dpdata_reads_it(run, kind, name):
    dpdata = pytest.importorskip("dpdata", reason="the extra `data` is not installed")
    output = read_vasp_output(run)
    data = dpdata.LabeledSystem(str(run / name), fmt=kind).data
    volume = abs(np.linalg.det(data["cells"][-1]))
    same_labels(output, data["energies"][-1], data["forces"][-1], -data["virials"][-1] / volume)


@recorded
def test_the_sign_of_the_stress_is_ases():
    output = read_vasp_output(RECORDED / "titania-vasp6")
    kbar = np.array([-199.00014, -181.85530, -374.19175])  # "in kB": VASP counts compression as positive
    np.testing.assert_allclose(output.labels.stress[:3], -kbar / 1602.1766208, atol=1e-6)


@recorded
def test_the_energy_is_the_free_one_and_the_other_stands_apart():
    output = read_vasp_output(RECORDED / "titania-vasp6")
    assert output.labels.energy == pytest.approx(-57.48343729, abs=1e-9)
    assert output.energy_sigma0_eV == pytest.approx(-57.47495449, abs=1e-9)


@recorded
def test_a_run_of_several_geometries_is_no_label():
    output = read_vasp_output(RECORDED / "water-md-10")
    assert output.done
    assert "10 geometries" in output.problem


@recorded
def test_an_outcar_alone_is_no_run():
    assert not read_vasp_output(RECORDED / "methane").done
    text = (RECORDED / "methane" / "OUTCAR").read_text()
    theirs = ase.io.read(RECORDED / "methane" / "OUTCAR")
    ours = read_outcar(text, 5)
    assert ours.free_energy == pytest.approx(theirs.calc.results["free_energy"], abs=1e-9)
    np.testing.assert_allclose(ours.forces, theirs.get_forces(), atol=1e-9)
    np.testing.assert_allclose(ours.stress, theirs.get_stress(), atol=1e-9)


@recorded
@pytest.mark.parametrize(
    ("old", "new", "lost"),
    [
        ("free  energy   TOTEN  =       -57.48343729", "free  energy   TOTEN  =    **************", "free_energy"),
        ("1.344461     -0.201954      0.000044", "1.344461     **********      0.000044", "forces"),
        ("in kB    -199.00014", "in kB    **********", "stress"),
    ],
)
def test_garbled_numbers_are_missing_and_not_guessed(old, new, lost):
    text = (RECORDED / "titania-vasp6" / "OUTCAR").read_text()
    assert old in text
    assert getattr(read_outcar(text, 8), lost) is not None
    assert getattr(read_outcar(text.replace(old, new), 8), lost) is None


@pytest.mark.skipif(not ASES.is_file(), reason="this ASE came without its test data")
def test_a_spin_polarised_outcar_that_ase_ships():
    theirs = ase.io.read(ASES, format="vasp-out")
    ours = read_outcar(ASES.read_text(), len(theirs))
    assert ours.free_energy == pytest.approx(theirs.calc.results["free_energy"], abs=1e-9)
    assert ours.total_magmom == pytest.approx(theirs.calc.results["magmom"], abs=1e-9)
    assert ours.local_magmoms is None
    np.testing.assert_allclose(ours.forces, theirs.get_forces(), atol=1e-9)
    np.testing.assert_allclose(ours.stress, theirs.get_stress(), atol=1e-9)
