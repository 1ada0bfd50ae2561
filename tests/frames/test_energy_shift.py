"""The energy shift: exact where it is determined, of minimum norm where it is not, and honest about which is which."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from hypothesis import given
from hypothesis import strategies as st

from pfd.frames import EnergyShift, Labels, fit_energy_shift, with_labels


def frame(formula: str) -> Atoms:
    """Atoms of a formula, somewhere."""
    atoms = Atoms(formula)
    atoms.positions[:, 0] = 2.0 * np.arange(len(atoms))
    return atoms


def labelled(formulas: list[str], shift: dict[str, float]) -> list[Atoms]:
    """Frames whose label is the shift alone: what is to be found for a model that says zero."""
    made = [frame(formula) for formula in formulas]
    return [with_labels(each, Labels(EnergyShift(shift).of(each))) for each in made]


ZERO = Labels(0.0)


def test_small_case_by_hand():
    """NaCl at 3 eV and Cl2 at 2 eV above the model: Cl is 1 eV, Na is 2 eV."""
    frames = [with_labels(frame("NaCl"), Labels(13.0)), with_labels(frame("Cl2"), Labels(22.0))]
    shift = fit_energy_shift(frames, [Labels(10.0), Labels(20.0)])
    assert shift.per_element_eV == pytest.approx({"Cl": 1.0, "Na": 2.0}, abs=1e-12)
    assert shift.undetermined == ()
    assert shift.of(frame("Na2Cl")) == pytest.approx(5.0)


@given(st.floats(-500.0, 500.0), st.floats(-500.0, 500.0), st.floats(-500.0, 500.0))
def test_what_the_compositions_determine_is_found(hydrogen, carbon, oxygen):
    wanted = {"H": hydrogen, "C": carbon, "O": oxygen}
    frames = labelled(["CH4", "CO2", "H2O", "C2H6O"], wanted)
    shift = fit_energy_shift(frames, [ZERO] * 4)
    assert shift.per_element_eV == pytest.approx(wanted, abs=1e-8)
    assert shift.undetermined == ()


def test_one_composition_shares_by_count_and_lists_all_elements():
    """The smallest solution of (2 a + b) / 3 = s is along (2, 1): a = 2/5 of 3 s, b = 1/5 of 3 s."""
    frames = labelled(["H2O", "H4O2"], {"H": 1.0, "O": 3.0})
    shift = fit_energy_shift(frames, [ZERO] * 2)
    assert shift.per_element_eV == pytest.approx({"H": 2.0, "O": 1.0})
    assert shift.undetermined == ("H", "O")
    assert shift.of(frame("H2O")) == pytest.approx(5.0)


def test_only_the_elements_that_stay_open_are_listed():
    frames = labelled(["Cu3", "NaCl", "Na2Cl2Cu"], {"Na": 1.0, "Cl": 2.0, "Cu": -7.0})
    shift = fit_energy_shift(frames, [ZERO] * 3)
    assert shift.undetermined == ("Cl", "Na")
    assert shift.per_element_eV == pytest.approx({"Na": 1.5, "Cl": 1.5, "Cu": -7.0})


@given(st.floats(-20.0, 20.0))
def test_no_other_exact_solution_is_smaller(step):
    frames = labelled(["H2O", "H4O2", "Cu"], {"H": 1.0, "O": 3.0, "Cu": 4.0})
    found = fit_energy_shift(frames, [ZERO] * 3).per_element_eV
    other = {"H": found["H"] + step, "O": found["O"] - 2.0 * step, "Cu": found["Cu"]}
    assert EnergyShift(other).of(frames[0]) == pytest.approx(EnergyShift(found).of(frames[0]), abs=1e-9)
    assert np.linalg.norm(list(other.values())) >= np.linalg.norm(list(found.values())) - 1e-12


def test_frames_count_per_atom_not_per_cell():
    """Two frames of one element that disagree by 1 eV an atom meet in the middle, whatever their sizes."""
    frames = [with_labels(frame("Cu"), Labels(1.0)), with_labels(frame("Cu8"), Labels(0.0))]
    assert fit_energy_shift(frames, [ZERO] * 2).per_element_eV["Cu"] == pytest.approx(0.5)


def test_frames_without_energy_on_either_side_are_left_out():
    frames = [*labelled(["Cu2", "Cu4"], {"Cu": 2.0}), frame("Cu")]
    wrong = Labels(None, np.zeros((4, 3)))
    shift = fit_energy_shift(frames, [ZERO, wrong, Labels(1000.0)])
    assert shift.per_element_eV == pytest.approx({"Cu": 2.0})
    assert fit_energy_shift([frame("Cu")], [ZERO]) == EnergyShift({})
    assert fit_energy_shift([], []) == EnergyShift({})


def test_an_element_only_in_frames_without_energy_is_undetermined():
    shift = fit_energy_shift([*labelled(["Cu"], {"Cu": 2.0}), frame("Au")], [ZERO, ZERO])
    assert shift.undetermined == ("Au",)
    assert shift.per_element_eV == pytest.approx({"Cu": 2.0, "Au": 0.0})


def test_a_prediction_for_each_frame_is_needed():
    with pytest.raises(ValueError):
        fit_energy_shift(labelled(["Cu", "Cu"], {"Cu": 1.0}), [ZERO])
