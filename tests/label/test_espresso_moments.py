"""Magnetism and dipoles in pw.x's input and output: no engine needed."""

import numpy as np
import pytest
from ase.build import bulk, fcc111, molecule

from pfd.errors import InputError, SettingError
from pfd.label.espresso.moments import MOST_SPECIES, moment_shares
from pfd.label.espresso.output import read_pw_output
from pfd.label.labeler import make_labeler
from pfd.label.vacuum import widest_gap

IRON = """
     number of atoms/cell      =            2
     total magnetization       =     4.40 Bohr mag/cell
     absolute magnetization    =     4.61 Bohr mag/cell

     Magnetic moment per site:
     atom:    1    charge:    6.3000    magn:    2.1000    constr:    0.0000
     atom:    2    charge:    6.3000    magn:    2.2000    constr:    0.0000

     Magnetic moment per site:
     atom:    1    charge:    6.3656    magn:    1.4150    constr:    0.0000
     atom:    2    charge:    6.3674    magn:   -1.4073    constr:    0.0000

     total magnetization       =     0.01 Bohr mag/cell
     absolute magnetization    =     3.36 Bohr mag/cell
"""
"""Lines of runs of pw.x 6.7 on two atoms of iron."""
LATER = IRON.replace("per site:", "per site  (integrated on atomic sphere of radius R)")
LATER = LATER.replace("atom:    1    charge:", "atom   1 (R=0.411)  charge=").replace("magn:", "magn=")
LATER = LATER.replace("atom:    2    charge:", "atom   2 (R=0.411)  charge=").replace("    constr:    0.0000", "")


@pytest.mark.parametrize("text", [IRON, LATER])
def test_the_moments_of_the_last_step_are_read(text):
    output = read_pw_output(text)
    assert output.total_magmom == 0.01
    np.testing.assert_array_equal(output.local_magmoms, [1.4150, -1.4073])


@pytest.mark.parametrize(
    "broken",
    [
        IRON.replace("magn:   -1.4073", "magn: *********"),
        IRON[: IRON.rindex("     atom:    2")],
        IRON.replace("Magnetic moment", "Charge"),
        IRON.replace("number of atoms/cell      =            2", "number of atoms/cell      =            3"),
    ],
)
def test_moments_that_are_not_there_in_full_are_missing(broken):
    assert read_pw_output(broken).local_magmoms is None


def test_totals_of_vectors_and_garbled_ones_are_missing():
    vectors = IRON.replace("=     0.01 Bohr", "=     0.00     0.00     0.01 Bohr").replace("=     4.40 B", "=     ** B")
    assert read_pw_output(vectors).total_magmom is None


def test_shares_of_the_valence_electrons():
    np.testing.assert_allclose(moment_shares(np.array([4.0, -2.0, 9.0]), ["Fe"] * 3, [8.0] * 3), [0.5, -0.25, 1.0])


def test_moments_of_too_many_kinds_are_rounded():
    moments = np.random.default_rng(1).uniform(1.9, 2.6, 40)
    shares = moment_shares(moments, ["Fe"] * 40, [16.0] * 40)
    assert len(set(shares)) <= MOST_SPECIES
    assert np.abs(shares * 16.0 - moments).max() <= 0.05 + 1e-5  # rounded to 0.1 Bohr magnetons
    mixed = np.append(moments, np.linspace(-5, 5, 40))
    shares = moment_shares(mixed, ["Fe"] * 40 + ["Ni"] * 40, [16.0] * 80)
    assert len({(index < 40, share) for index, share in enumerate(shares)}) <= MOST_SPECIES
    assert np.sign(shares[:40]).min() == 1


@pytest.fixture
def espresso(pseudo_dir):
    def make(**settings):
        pseudopotentials = {element: f"{element}.upf" for element in ("Fe", "Al", "O", "H")}
        common = {"method": "espresso", "pseudo_dir": str(pseudo_dir), "pseudopotentials": pseudopotentials}
        return make_labeler(common | {"ecutwfc_Ry": 20.0} | settings)

    return make


def keys_of(text):
    lines = [line.partition("=") for line in text.splitlines()]
    return {key.strip(): value.strip() for key, sign, value in lines if sign}


def test_species_of_one_element_stay_within_what_pw_takes(espresso):
    frame = bulk("Fe", cubic=True) * (3, 3, 3)
    frame.set_initial_magnetic_moments(np.linspace(2.0, 2.5, len(frame)))
    assert int(keys_of(espresso().input_text(frame))["ntyp"]) <= MOST_SPECIES


def test_vectors_are_refused(espresso):
    frame = bulk("Fe", cubic=True)
    del frame.arrays["initial_magmoms"]
    frame.set_initial_magnetic_moments([[0, 0, 2], [0, 0, 2]])
    with pytest.raises(InputError, match="vectors"):
        espresso().prepare(frame)


def test_the_widest_gap_is_found_across_the_border_of_the_cell():
    slab = fcc111("Al", (1, 1, 3), vacuum=6.0)
    thickness = np.ptp(slab.positions[:, 2])
    height = slab.cell[2, 2]
    middle, width = widest_gap(slab, 2)
    assert min(middle, 1.0 - middle) == pytest.approx(0.0, abs=1e-9)
    assert width * height == pytest.approx(height - thickness)
    slab.positions[:, 2] += 0.4 * height
    assert widest_gap(slab, 2)[0] == pytest.approx(0.4)
    slab.wrap()
    assert widest_gap(slab, 2)[0] == pytest.approx(0.4)


def test_the_sawtooth_jumps_in_the_middle_of_the_vacuum(espresso):
    labeler = espresso(dipole_correction=True)
    slab = fcc111("Al", (1, 1, 3), vacuum=6.0)
    slab.positions[:, 2] += 0.4 * slab.cell[2, 2]
    keys = keys_of(labeler.input_text(slab))
    assert (keys["tefield"], keys["dipfield"], keys["edir"], keys["eamp"]) == (".true.", ".true.", "3", "0.0")
    assert float(keys["emaxpos"]) + 0.5 * float(keys["eopreg"]) == pytest.approx(0.4, abs=1e-6)
    turned = slab.copy()
    turned.cell[:] = slab.cell.array[[2, 0, 1]]
    turned.pbc = (False, True, True)
    assert keys_of(labeler.input_text(turned))["edir"] == "1"
    thick = fcc111("Al", (1, 1, 40), vacuum=3.5)
    assert 0.0 < float(keys_of(labeler.input_text(thick))["eopreg"]) < 0.05
    assert "tefield" not in keys_of(labeler.input_text(bulk("Al")))
    assert "tefield" not in keys_of(espresso().input_text(slab))


def test_what_is_no_slab_or_has_no_vacuum_is_refused_before_anything_runs(espresso):
    labeler = espresso(dipole_correction=True)
    labeler.prepare(bulk("Al"))
    with pytest.raises(InputError, match="slabs only"):
        labeler.prepare(molecule("H2O", vacuum=6.0))
    with pytest.raises(InputError, match=r"needs 6 Å of vacuum at least, and the slab has 4\.0 Å"):
        labeler.prepare(fcc111("Al", (1, 1, 3), vacuum=2.0))


def test_the_dipole_correction_is_part_of_the_level_and_excludes_a_field_of_ones_own(espresso):
    level = espresso(dipole_correction=True).level_of_theory()
    assert level == espresso().level_of_theory().replace(", pseudo", ", dipole correction, pseudo")
    espresso(namelists={"system": {"eamp": 0.01}})
    with pytest.raises(SettingError, match="dipole_correction writes eamp, tefield itself"):
        espresso(dipole_correction=True, namelists={"system": {"eamp": 0.01}, "control": {"TEFIELD": True}})
