"""Labels beside a model: slopes, units, the shift of energies, and the conventions of stress."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.evaluate.data_gate.conftest import copper, relabelled, with_model

from pfd.evaluate.data_gate.against_model import against_model
from pfd.evaluate.data_gate.finding import Verdict
from pfd.evaluate.data_gate.stress_convention import stress_convention
from pfd.evaluate.data_gate.unit_slips import ENERGY_UNITS, FORCE_UNITS, STRESS_UNITS, unit_slip
from pfd.frames import Labels, labels_of, with_labels
from pfd.testing.toy_labeler import ToyLabeler, ToyLabelerSettings


def findings(frames, predicted):
    return {finding.sign: finding for finding in against_model(with_model(frames, predicted))}


def shaken(forces):
    """As a model's that is a little off and a little too soft."""
    noise = np.random.default_rng(1).normal(scale=0.2 * forces.std(), size=forces.shape)
    return 0.8 * forces + noise


@pytest.fixture(scope="module")
def sizes():
    """Cells of three sizes under strain, so that energies and stresses vary."""
    frames = [copper(1, repeat=1 + index % 3 // 2, seed=200 + index)[0] for index in range(12)]
    rng = np.random.default_rng(8)
    found = []
    for frame in frames:
        strained = frame.copy()
        strained.set_cell(frame.cell.array @ (np.eye(3) + rng.uniform(-0.05, 0.05, (3, 3))), scale_atoms=True)
        found.append(strained)
    labeler = ToyLabeler(ToyLabelerSettings())
    return [with_labels(frame, labeler.run(frame, Path()).labels) for frame in found]


def test_without_predictions_there_is_nothing_to_say(good):
    assert findings(good, []) == {}


def test_a_soft_model_is_fine_and_its_numbers_are_told(good):
    found = findings(good, [relabelled(frame, forces=shaken, energy=lambda e: e + 32.0) for frame in good])
    forces, energies = found["forces against the model"], found["energies against the model"]
    assert forces.verdict is energies.verdict is Verdict.FINE
    assert forces.numbers["slope"] == pytest.approx(0.8, abs=0.05)
    assert 0.9 < forces.numbers["cosine"] < 1.0
    assert energies.numbers["shift_Cu_eV"] == pytest.approx(-1.0)
    assert energies.numbers["rmse_meV_per_atom"] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("unit", sorted(set(FORCE_UNITS) - {"eV/Bohr"}))
def test_forces_in_another_unit_are_named(good, unit):
    scaled = [relabelled(frame, forces=lambda forces: forces / FORCE_UNITS[unit]) for frame in good]
    finding = findings(scaled, [relabelled(frame, forces=shaken) for frame in good])["forces against the model"]
    assert finding.verdict is Verdict.REFUSED
    assert f"in {unit}:" in finding.hint


def test_eV_per_bohr_is_named_unless_the_model_is_soft(good):
    scaled = [relabelled(frame, forces=lambda forces: forces / FORCE_UNITS["eV/Bohr"]) for frame in good]
    assert "in eV/Bohr:" in findings(scaled, good)["forces against the model"].hint
    soft = [relabelled(frame, forces=lambda forces: 0.8 * forces) for frame in good]
    assert findings(scaled, soft)["forces against the model"].verdict is Verdict.FINE


def test_a_ratio_that_no_unit_explains_is_a_warning(good):
    scaled = [relabelled(frame, forces=lambda forces: forces / 7.0) for frame in good]
    finding = findings(scaled, good)["forces against the model"]
    assert finding.verdict is Verdict.WARNING
    assert "7 times" in finding.hint


def test_a_model_that_knows_nothing_of_the_material_is_a_warning_and_no_refusal(good):
    finding = findings(good, copper(8, seed=77))["forces against the model"]
    assert finding.verdict is Verdict.WARNING


def test_predictions_that_are_no_numbers_are_left_out(good):
    broken = [relabelled(good[0], forces=lambda forces: np.full_like(forces, np.nan)), *good[1:]]
    assert findings(good, broken)["forces against the model"].numbers["frames"] == 7


def in_unit(atoms, factor, energy):
    """An energy (eV) with another zero, as a number in a unit of so many eV."""
    return (energy - 300.0 * atoms) / factor


@pytest.mark.parametrize("unit", ENERGY_UNITS)
def test_energies_in_another_unit_are_named(sizes, unit):
    scaled = [relabelled(frame, energy=partial(in_unit, len(frame), ENERGY_UNITS[unit])) for frame in sizes]
    finding = findings(scaled, sizes)["energies against the model"]
    assert finding.verdict is Verdict.REFUSED
    assert f"in {unit}:" in finding.hint


def test_energies_per_atom_are_named(sizes):
    per_atom = [relabelled(frame, energy=partial(np.multiply, 1.0 / len(frame))) for frame in sizes]
    finding = findings(per_atom, sizes)["energies against the model"]
    assert finding.verdict is Verdict.REFUSED
    assert "per atom" in finding.hint


def test_energies_that_do_not_follow_the_model_are_a_warning(sizes):
    mixed = [relabelled(frame, energy=lambda energy: -energy) for frame in sizes]
    assert findings(mixed, sizes)["energies against the model"].verdict is Verdict.WARNING


def test_one_wild_energy_does_not_move_the_shift(sizes):
    wild = [relabelled(sizes[0], energy=lambda energy: energy + 1000.0), *sizes[1:]]
    finding = findings(wild, sizes)["energies against the model"]
    assert finding.numbers["shift_Cu_eV"] == pytest.approx(0.0, abs=1e-6)


CONVENTIONS = {
    "of the opposite sign": lambda stress, volume: -stress,
    "in GPa": lambda stress, volume: stress * 160.21766208,
    "in GPa and of the opposite sign": lambda stress, volume: -stress * 160.21766208,
    "in kbar": lambda stress, volume: stress * 1602.1766208,
    "in kbar and of the opposite sign": lambda stress, volume: -stress * 1602.1766208,
    "virials in eV (minus stress times volume)": lambda stress, volume: -stress * volume,
    "stress times volume in eV": lambda stress, volume: stress * volume,
}


def stressed(frames, change):
    return [relabelled(frame, stress=lambda s, v=frame.cell.volume: change(s, v)) for frame in frames]


def stress_findings(frames, predicted):
    return {finding.sign: finding for finding in stress_convention(with_model(frames, predicted))}


def test_the_right_stress_is_fine(sizes):
    found = stress_findings(sizes, [relabelled(f, stress=lambda s: 0.8 * s + 0.01) for f in sizes])
    assert [each.verdict for each in found.values()] == [Verdict.FINE]


@pytest.mark.parametrize("name", CONVENTIONS)
def test_every_other_convention_is_named(sizes, name):
    finding = stress_findings(stressed(sizes, CONVENTIONS[name]), sizes)["stress against the model"]
    assert finding.verdict is Verdict.REFUSED
    assert f"seem to be {name}:" in finding.hint


@settings(max_examples=10)
@given(st.permutations([3, 4, 5]))
def test_another_order_of_the_shears_is_named(sizes, order):
    found = stress_findings(stressed(sizes, lambda s, v: -s[[0, 1, 2, *order]]), sizes)
    if order == [3, 4, 5]:
        assert "order of the shear stresses" not in found
        return
    finding = found["order of the shear stresses"]
    assert finding.verdict is Verdict.REFUSED
    named = ", ".join(("xx", "yy", "zz", "yz", "xz", "xy")[place] for place in order)
    assert f"more like {named} (" in finding.text
    assert "opposite sign" in found["stress against the model"].hint


def test_stresses_of_slabs_and_quiet_crystals_are_not_judged(sizes):
    slab = bulk("Cu", cubic=True)
    slab.center(vacuum=8.0, axis=2)
    slabs = [with_labels(slab, Labels(-1.0, np.zeros((4, 3)), np.full(6, float(i)))) for i in range(5)]
    assert stress_findings(slabs, slabs) == {}
    quiet = stressed(sizes, lambda stress, volume: 1e-6 * stress)
    assert stress_findings(sizes, quiet) == {}


def test_stress_like_nothing_is_a_warning(sizes):
    rng = np.random.default_rng(5)
    finding = stress_findings(stressed(sizes, lambda s, v: rng.normal(size=6)), sizes)["stress against the model"]
    assert finding.verdict is Verdict.WARNING


@given(st.floats(0.61, 1.59), st.sampled_from([FORCE_UNITS, ENERGY_UNITS, STRESS_UNITS]))
def test_a_plausible_ratio_needs_no_unit(ratio, units):
    assert unit_slip(ratio, units) is None


@given(st.sampled_from(sorted(set(FORCE_UNITS) - {"eV/Bohr"})), st.floats(0.8, 1.2))
def test_a_unit_is_recognised_through_a_soft_model(unit, softness):
    assert unit_slip(FORCE_UNITS[unit] * softness, FORCE_UNITS) == unit


def test_labels_stay_as_they_were(good):
    before = [labels_of(frame).energy for frame in good]
    findings(good, good)
    assert [labels_of(frame).energy for frame in good] == before
