"""What a finer setting changes is compared with what the run aims at, in its units."""

from __future__ import annotations

import numpy as np
import pytest

from pfd.evaluate.converge import ConvergeSettings
from pfd.evaluate.preflight import STRESS_TARGET_GPA, limits_in_words, setting_change
from pfd.frames import Labels
from pfd.units import GPA_PER_EV_PER_A3

NAMES = ("ecutwfc_Ry", "40", "52")


def labels(forces, stress=None):
    return Labels(-1.0, np.asarray(forces, dtype=float), stress, "x")


def test_rms_changes_in_their_units():
    mine = [labels(np.ones((2, 3)), np.zeros(6)), labels(np.ones((1, 3)))]
    finer = [labels(np.full((2, 3), 1.03), np.full(6, 1.0 / GPA_PER_EV_PER_A3)), labels(np.full((1, 3), 0.97))]
    change = setting_change(NAMES, mine, finer, ConvergeSettings(force_rmse_eV_per_A=0.02))
    assert change.force_change_meV_per_A == pytest.approx(30.0)
    assert change.force_target_meV_per_A == 20.0
    assert change.stress_change_GPa == pytest.approx(1.0)
    assert change.stress_target_GPa == STRESS_TARGET_GPA
    assert "forces change by 30 meV/Å, and the run aims at 20" in change.in_words()
    assert "stresses change by 1 GPa, and the run aims at 0.3" in change.in_words()


def test_a_relative_limit_is_of_the_labels_own_forces():
    mine, finer = [labels([[0.0, 0.0, 3.0]])], [labels([[0.0, 0.0, 3.1]])]
    change = setting_change(NAMES, mine, finer, ConvergeSettings(force_rmse_relative=0.1))
    assert change.force_target_meV_per_A == pytest.approx(300.0 / np.sqrt(3))
    assert not change.above_target()
    assert change.in_words().endswith("converged")
    assert change.stress_change_GPa is None


def test_without_a_force_limit_nothing_is_above_it():
    change = setting_change(
        NAMES, [labels([[0, 0, 1]])], [labels([[0, 0, 2]])], ConvergeSettings(energy_rmse_meV_per_atom=1)
    )
    assert change.force_target_meV_per_A is None
    assert not change.above_target()
    assert change.in_words().endswith("(converge names no limit)")


def test_forces_that_vanish_by_symmetry_say_nothing():
    mine, finer = [labels(np.zeros((2, 3)), np.zeros(6))], [labels(np.full((2, 3), 1e-6), np.zeros(6))]
    change = setting_change(NAMES, mine, finer, ConvergeSettings(force_rmse_relative=0.1))
    assert change.force_change_meV_per_A is None
    assert change.in_words() == "ecutwfc_Ry 40, tried with 52: stresses change by 0 GPa (limit 0.3): converged"
    still = [labels(np.zeros((2, 3)))]
    bare = setting_change(NAMES, still, still, ConvergeSettings(force_rmse_relative=0.1))
    assert "all forces vanish by symmetry" in bare.in_words()


@pytest.mark.parametrize("count", [0, 1])
def test_what_cannot_be_compared_is_refused(count):
    with pytest.raises(ValueError, match="cannot be compared"):
        setting_change(NAMES, [labels([[0, 0, 1]])] * count, [], ConvergeSettings(force_rmse_relative=0.1))


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"force_rmse_eV_per_A": 0.05}, "forces may change by 50 meV/Å, stresses by 0.3 GPa"),
        ({"force_rmse_relative": 0.1, "stress_rmse_GPa": 1}, "by 10 % of the RMS force, stresses by 1 GPa"),
        ({"energy_rmse_meV_per_atom": 1}, "forces without a limit in converge, stresses by 0.3 GPa"),
    ],
)
def test_the_limits_are_told_before_the_labels_are_there(limits, words):
    assert words in limits_in_words(ConvergeSettings(**limits))
