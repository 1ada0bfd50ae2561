"""pw.x for real on magnetic and polar frames, with the pseudopotentials of Debian's quantum-espresso-data."""

from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk, molecule

from pfd.errors import LabelRejected
from pfd.label.judge import label_frame, record_label
from pfd.label.labeler import make_labeler

PSEUDO_DIR = Path("/usr/share/espresso/pseudo")
pytestmark = [
    pytest.mark.espresso,
    pytest.mark.skipif(not PSEUDO_DIR.is_dir(), reason="quantum-espresso-data is not installed"),
]


def espresso(pseudopotentials, **settings):
    common = {"method": "espresso", "pseudo_dir": str(PSEUDO_DIR), "pseudopotentials": pseudopotentials}
    return make_labeler(common | {"kspacing_per_A": 0.8} | settings)


def iron(lattice_A=2.8):
    frame = bulk("Fe", a=lattice_A, cubic=True)
    frame.positions[1, 0] += 0.05
    return frame


def for_iron(**settings):
    cheap = {"ecutwfc_Ry": 25.0, "ecutrho_Ry": 200.0, "degauss_Ry": 0.02, "conv_thr_Ry": 1e-6}
    return espresso({"Fe": "Fe.pbe-nd-rrkjus.UPF"}, **cheap, **settings)


def test_the_lowest_of_three_starts_of_iron_is_ferromagnetic(tmp_path):
    labeler = for_iron(magnetic_starts=[{"Fe": [3, -3]}, {"Fe": 3}, {"Fe": 0}])
    record, labels = record_label(labeler, iron(), tmp_path)
    assert labels.energy == pytest.approx(-1518.59, abs=0.02)
    assert record.notes["magnetic_start"] == "Fe 3"
    others = dict(each.split(": ") for each in record.notes["other_starts_meV_per_atom"].split("; "))
    assert float(others["Fe 3/-3"]) == pytest.approx(508, abs=10)
    assert float(others["Fe 0"]) == pytest.approx(632, abs=10)
    assert record.extra["total_magmom"] == pytest.approx(4.4, abs=0.1)
    np.testing.assert_allclose(record.extra["local_magmoms"], [2.26, 2.26], atol=0.05)


def test_moments_that_vanish_under_pressure_are_noticed(tmp_path):
    frame = iron(2.4)
    frame.set_initial_magnetic_moments([3, -3])
    with pytest.raises(LabelRejected, match="2 atoms lost the moment that was asked for"):
        label_frame(for_iron(), frame, tmp_path)


def test_oxygen_is_a_triplet(tmp_path):
    frame = molecule("O2")
    frame.set_cell([5.0, 5.0, 6.0])
    frame.center()
    frame.info["spin"] = 3
    labeler = espresso({"O": "O.pbe-rrkjus.UPF"}, ecutwfc_Ry=22.0, ecutrho_Ry=176.0, degauss_Ry=0.002, conv_thr_Ry=1e-6)
    record, labels = record_label(labeler, frame, tmp_path)
    assert labels.stress is None
    assert record.extra["total_magmom"] == 2.0
    assert record.measures.total_moment_off == 0.0
    assert record.measures.moments_lost == 0
    np.testing.assert_allclose(record.extra["local_magmoms"], [0.575, 0.575], atol=0.01)


def sheet_of_water(height_A):
    frame = molecule("H2O")
    frame.set_cell([5.0, 5.0, height_A])
    frame.center()
    frame.positions[:, 2] += 0.3 * height_A  # the vacuum is within the cell
    frame.pbc = (True, True, False)
    return frame


def for_water(**settings):
    files = {"O": "O.pz-van_ak.UPF", "H": "H.pz-vbc.UPF"}
    return espresso(
        files, ecutwfc_Ry=25.0, ecutrho_Ry=150.0, smearing="none", conv_thr_Ry=1e-9, kspacing_per_A=2.0, **settings
    )


def test_with_the_dipole_correction_a_polar_sheet_forgets_its_images(tmp_path):
    found = {
        (height, corrected): label_frame(
            for_water(dipole_correction=corrected), sheet_of_water(height), tmp_path / f"{height}-{corrected}"
        )
        for height in (8.0, 12.0)
        for corrected in (False, True)
    }
    plain = found[12.0, False].energy - found[8.0, False].energy
    corrected = found[12.0, True].energy - found[8.0, True].energy
    assert plain > 0.015
    assert abs(corrected) < 0.3 * plain
    apart = [np.abs(found[12.0, each].forces - found[8.0, each].forces).max() for each in (False, True)]
    assert apart[1] < apart[0]
    for labels in found.values():
        assert labels.stress is None
        assert np.abs(labels.forces.sum(axis=0)).max() < 1e-4
    assert np.abs(found[8.0, True].forces - found[8.0, False].forces).max() > 0.05


def test_forces_with_the_dipole_correction_are_the_gradient_of_the_energy(tmp_path):
    labeler, step = for_water(dipole_correction=True), 0.01
    middle = label_frame(labeler, sheet_of_water(9.0), tmp_path / "middle")
    energies = []
    for sign in (1, -1):
        moved = sheet_of_water(9.0)
        moved.positions[1, 2] += sign * step
        energies.append(label_frame(labeler, moved, tmp_path / str(sign)).energy)
    assert middle.forces[1, 2] == pytest.approx((energies[1] - energies[0]) / (2 * step), abs=0.01)
